"""How far actual values are from a model's predictions: intervals that hold a share of them, without a second model.

Split-conformal: residuals of rows that the model has not learnt from, by bands of the prediction, as the same error is
little of a large value and much of a small one. Each side leaves out half of what the interval may miss, so that a
skewed error makes a skewed interval. Method: J. Lei et al., "Distribution-Free Predictive Inference for Regression",
JASA 113, 2018; bands: H. Boström et al., "Mondrian conformal regressors", PMLR 128, 2020.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from include.problem.data import Values

BANDS = 15
# With fewer rows a band would know little of its tails, and with fewer in all there are no intervals.
ROWS_A_BAND, LEAST_ROWS = 200, 40
LEVELS = range(50, 100)
DEFAULT_LEVEL = 0.9


@dataclass(frozen=True)
class Intervals:
    """What is added to a prediction for each end of its interval.

    Attributes:
        edges: Of the bands of predictions, (bands - 1,), ascending.
        low: By band and by whole percent of the level, (bands, levels); in the target's unit.
        high: Likewise.
    """

    edges: Values
    low: Values
    high: Values

    def find(self, predicted: Values, level: float = DEFAULT_LEVEL) -> tuple[Values, Values]:
        """Both ends of the intervals of n predictions, each (n,).

        Args:
            level: Share of actual values that are to be inside, in `LEVELS` percent; rounded up to a whole one.
        """
        band = np.searchsorted(self.edges, predicted, side="right")
        at = math.ceil(round(level * 100, 6)) - LEVELS.start
        return predicted + self.low[band, at], predicted + self.high[band, at]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"edges": self.edges.tolist(), "low": self.low.tolist(), "high": self.high.tolist()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Intervals":
        """The inverse of `to_dict`."""
        return cls(*(np.array(values[name], dtype="float64") for name in ("edges", "low", "high")))


def calibrate(actual: Values, predicted: Values) -> Intervals | None:
    """Intervals from rows not learnt from; None where these are too few, or a prediction is no number.

    Args:
        actual: (n,), in the target's unit.
        predicted: (n,).
    """
    if len(actual) < LEAST_ROWS or not np.isfinite(actual - predicted).all():
        return None
    bands = min(BANDS, len(actual) // ROWS_A_BAND) or 1
    edges = np.unique(_shorten(np.quantile(predicted, np.arange(1, bands) / bands)))
    # Where predictions are alike, a band can be empty.
    known, band = np.unique(np.searchsorted(edges, predicted, side="right"), return_inverse=True)
    edges = edges[known[1:] - 1]
    residuals = actual - predicted
    ends = [_find_ends(residuals[band == number]) for number in range(len(known))]
    low, high = (_shorten(np.array(each)) for each in zip(*ends, strict=True))
    return Intervals(edges, low, high)


def _find_ends(residuals: Values) -> tuple[Values, Values]:
    """Both ends by level; where rows are too few for a level, their farthest residual."""
    ordered = np.sort(residuals)
    tails = (1 - np.array(LEVELS) / 100) / 2
    # One row more than there are: the one that is asked for.
    below = np.floor(np.round(tails * (len(ordered) + 1), 6)).astype(int)
    below = np.clip(below, 1, len(ordered))
    return ordered[below - 1], ordered[len(ordered) - below]


def _shorten(values: Values) -> Values:
    """Six digits say enough."""
    return np.array([float(f"{value:.6g}") for value in values.ravel()]).reshape(values.shape)
