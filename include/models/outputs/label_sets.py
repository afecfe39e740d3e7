"""Sets of classes that hold the actual one with a given probability: what intervals are for numbers.

Split-conformal: a class is in the set where its probability is not lower than that of nearly all actual classes of rows
that the model has not learnt from (M. Sadinle et al., "Least Ambiguous Set-Valued Classifiers with Bounded Error
Levels", JASA 114, 2019).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from include.models.intervals import LEAST_ROWS, LEVELS
from include.problem.data import Values


@dataclass(frozen=True)
class LabelSets:
    """From which probability on a class is in the set.

    Attributes:
        least: By whole percent of the level, (levels,).
    """

    least: Values

    def find(self, predicted: Values, level: float) -> npt.NDArray[np.bool_]:
        """Which classes are in the set of each row, (n, k); the most probable one always is.

        Args:
            predicted: Probabilities, (n, k).
            level: Share of rows whose actual class is to be inside, in `LEVELS` percent; rounded up to a whole one.
        """
        at = math.ceil(round(level * 100, 6)) - LEVELS.start
        inside: npt.NDArray[np.bool_] = predicted >= self.least[at]
        inside[np.arange(len(predicted)), predicted.argmax(axis=1)] = True
        return inside


def make_label_sets(actual: Values, predicted: Values) -> LabelSets | None:
    """Sets by rows not learnt from; None where these are too few.

    Args:
        actual: The number of each row's class, (n,).
        predicted: Probabilities, (n, k).
    """
    if len(actual) < LEAST_ROWS:
        return None
    ordered = np.sort(predicted[np.arange(len(actual)), actual.astype(np.intp)])
    # One row more than there are: the one that is asked for.
    missed = np.floor(np.round((1 - np.array(LEVELS) / 100) * (len(ordered) + 1), 6)).astype(int)
    return LabelSets(np.where(missed > 0, ordered[np.maximum(missed - 1, 0)], 0.0))
