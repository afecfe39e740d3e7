"""The scale of predictions: where the margins that contributions add up to are on it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax

from include.models.libraries.protocol import Link
from include.problem.data import Values


def keep(values: Values) -> Values:
    """The same values."""
    return values


def share_odds(margins: Values) -> Values:
    """Probabilities of two classes, (n, 2), by the log-odds of the second one, (n,)."""
    return np.column_stack([expit(-margins), expit(margins)])


def share_logarithms(margins: Values) -> Values:
    """Probabilities of several classes, (n, k), by the margin of each, (n, k)."""
    shares: Values = softmax(margins, axis=1)
    return shares


# What an estimator gives, by its margins.
INVERSES: Mapping[Link, Callable[[Values], Values]] = MappingProxyType(
    {"identity": keep, "log": np.exp, "logit": share_odds, "softmax": share_logarithms}
)


@dataclass(frozen=True)
class Scale:
    """How margins are placed on the scale of predictions.

    Attributes:
        labels: Of the classes whose probabilities are predicted; empty where numbers are.
        finish: Makes predictions of what the estimator gives, see `Outputs.finish`: probabilities are the calibrated
            ones.
    """

    link: Link = "identity"
    labels: tuple[str, ...] = ()
    finish: Callable[[Values], Values] = keep

    def invert(self, margins: Values) -> Values:
        """What the estimator gives, (n,), of classes their probabilities before calibration, (n, k).

        Args:
            margins: (n,), of several classes (n, k).
        """
        return INVERSES[self.link](margins)

    def predict(self, margins: Values) -> Values:
        """Predictions of such margins, of the shape of `invert`."""
        return self.finish(self.invert(margins))

    def place(self, margins: Values, classes: npt.NDArray[np.intp] | None = None) -> Values:
        """Where margins are on the scale, (n,): the predicted number, or the probability of one class.

        Args:
            classes: The number of that class, (n,); None where numbers are predicted.
        """
        predicted = self.predict(margins)
        if classes is None:
            return predicted
        placed: Values = predicted[np.arange(len(predicted)), classes]
        return placed
