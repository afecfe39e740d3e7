"""How far actual values are from a model's predictions: intervals that hold a share of them, without a second model.

Split-conformal: residuals of rows that the model has not learnt from, by bands of the prediction, as the same error is
little of a large value and much of a small one. Each side leaves out half of what the interval may miss, so that a
skewed error makes a skewed interval. Where that holds too few of a category's rows, its intervals are wider by a
share of their width.

Method: J. Lei et al., "Distribution-Free Predictive Inference for Regression", JASA 113, 2018; bands: H. Boström et
al., "Mondrian conformal regressors", PMLR 128, 2020; wider ones by how far outside values are: Y. Romano et al.,
"Conformalized Quantile Regression", NeurIPS 2019.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from include.problem.data import Columns, Values

BANDS = 15
# With fewer rows a band, or a category, would know little of its tails, and with fewer in all there are no intervals.
ROWS_A_BAND, ROWS_A_CATEGORY, LEAST_ROWS = 200, 50, 40
LEVELS = range(50, 100)
DEFAULT_LEVEL = 0.9
# Many actual values are exactly at an end where targets are whole numbers and predictions are of few values: they must
# stay inside when an end is kept to six digits, and when it is added to a prediction again.
_OUTWARDS, _SLACK = 2e-5, 4 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Widening:
    """By how much intervals are wider for the values of one column.

    Attributes:
        known: k values with rows enough.
        shares: Of the width, for each end, at any level, (k + 1,); the last one is for all other values.
    """

    known: Sequence[Any]
    shares: Values

    @cached_property
    def _positions(self) -> dict[Any, int]:
        return {value: at for at, value in enumerate(self.known)}

    def find(self, values: npt.NDArray[Any]) -> Values:
        """The shares of n values, (n,)."""
        other = len(self.known)
        return self.shares[[self._positions.get(value, other) for value in values.tolist()]]


@dataclass(frozen=True)
class Intervals:
    """What is added to a prediction for each end of its interval.

    Attributes:
        edges: Of the bands of predictions, (bands - 1,), ascending.
        low: By band and by whole percent of the level, (bands, levels); in the target's unit.
        high: Likewise.
        wider: By column, for which of its values they are wider; of several columns the widest counts.
    """

    edges: Values
    low: Values
    high: Values
    wider: Mapping[str, Widening] = field(default_factory=dict)

    def find(self, predicted: Values, rows: Columns, level: float = DEFAULT_LEVEL) -> tuple[Values, Values]:
        """Both ends of the intervals of n predictions, each (n,).

        Args:
            rows: The predicted ones, with the columns of `wider`.
            level: Share of actual values that are to be inside, in `LEVELS` percent; rounded up to a whole one.
        """
        band = np.searchsorted(self.edges, predicted, side="right")
        at = math.ceil(round(level * 100, 6)) - LEVELS.start
        low, high = self.low[band, at], self.high[band, at]
        if self.wider:
            share = reduce(np.maximum, (widening.find(rows[name]) for name, widening in self.wider.items()))
            low, high = low - share * (high - low), high + share * (high - low)
        slack = _SLACK * (np.abs(predicted) + np.maximum(np.abs(low), np.abs(high)))
        return predicted + low - slack, predicted + high + slack

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        wider = {name: [list(each.known), each.shares.tolist()] for name, each in self.wider.items()}
        return {"edges": self.edges.tolist(), "low": self.low.tolist(), "high": self.high.tolist(), "wider": wider}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Intervals":
        """The inverse of `to_dict`."""
        edges, low, high = (np.array(values[name], dtype="float64") for name in ("edges", "low", "high"))
        wider = {name: Widening(known, np.array(shares)) for name, (known, shares) in values["wider"].items()}
        return cls(edges, low, high, wider)


def calibrate(actual: Values, predicted: Values, categories: Columns) -> Intervals | None:
    """Intervals from rows not learnt from; None where these are too few, or a prediction is no number.

    Args:
        actual: (n,), in the target's unit.
        predicted: (n,).
        categories: Columns of the rows, each (n,), of whose values each is to hold its share.
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
    low, high = (np.array(each) for each in zip(*ends, strict=True))
    intervals = Intervals(edges, _shorten(low, -_OUTWARDS), _shorten(high, _OUTWARDS))
    at = round(DEFAULT_LEVEL * 100) - LEVELS.start
    outside = _find_outside(residuals, intervals.low[band, at], intervals.high[band, at])
    return replace(intervals, wider={name: _widen(values, outside) for name, values in categories.items()})


def _find_ends(residuals: Values) -> tuple[Values, Values]:
    """Both ends by level; where rows are too few for a level, their farthest residual."""
    ordered = np.sort(residuals)
    tails = (1 - np.array(LEVELS) / 100) / 2
    # One row more than there are: the one that is asked for.
    below = np.floor(np.round(tails * (len(ordered) + 1), 6)).astype(int)
    below = np.clip(below, 1, len(ordered))
    return ordered[below - 1], ordered[len(ordered) - below]


def _find_outside(residuals: Values, low: Values, high: Values) -> Values:
    """How far residuals are outside of their ends, as a share of the width, (n,); inside below 0.

    An interval without a width cannot be widened by a share of it: nothing is outside.
    """
    beyond, width = np.maximum(low - residuals, residuals - high), high - low
    return np.divide(beyond, width, out=np.zeros_like(width), where=width > 0)


def _widen(values: npt.NDArray[Any], outside: Values) -> Widening:
    """The shares that hold enough of each value's rows; values of too few rows share theirs."""
    counts = Counter(values.tolist())
    known = [value for value, count in counts.items() if count >= ROWS_A_CATEGORY]
    positions = {value: at for at, value in enumerate(known)}
    at = np.array([positions.get(value, len(known)) for value in values.tolist()])
    shares = np.array([_find_share(outside[at == own]) for own in range(len(known) + 1)])
    return Widening(known, _shorten(shares, _OUTWARDS))


def _find_share(outside: Values) -> float:
    """The least share that holds `DEFAULT_LEVEL` of the rows; none where they are too few to say.

    It suits the other levels as well. One share for all of them keeps the interval of a higher level the wider one.
    """
    count = len(outside)
    if count < ROWS_A_CATEGORY:
        return 0.0
    # One row more than there are, as for the bands.
    held = min(math.ceil(round(DEFAULT_LEVEL * (count + 1), 6)), count)
    return max(float(np.partition(outside, held - 1)[held - 1]), 0.0)


def _shorten(values: Values, upwards: float = 0.0) -> Values:
    """Six digits say enough; moved by a share of themselves first, at least twice as far as rounding moves them."""
    moved = values + upwards * np.abs(values)
    return np.array([float(f"{value:.6g}") for value in moved.ravel()]).reshape(values.shape)
