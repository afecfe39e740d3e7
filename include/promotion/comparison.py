"""Whether a challenger takes the champion's place: the comparison of both on the same rows, and the rules on it.

Each rule says what must hold, so that a figure that is not a number never passes one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from include.models.evaluation import measure_slices
from include.problem.data import Columns, Values
from include.problem.declaration import Problem
from include.problem.words import show_amount
from include.settings import Settings

RESAMPLES = 1000
CONFIDENCE = 0.95
# With fewer rows than this an interval of resampled errors says little.
MINIMUM_ROWS = 100
# Beyond this a value's square, or the sum of many, may no longer be a number.
LARGEST = 1e100


@dataclass(frozen=True)
class SliceErrors:
    """Errors of both models on one slice of the rows, in the target's unit."""

    slicing: str
    value: str
    rows: int
    challenger_rmse: float
    champion_rmse: float

    @property
    def regression(self) -> float:
        """Share by which the challenger's error is above the champion's; negative where it is below."""
        if self.champion_rmse == 0:
            return 0.0 if self.challenger_rmse == 0 else float("inf")
        return self.challenger_rmse / self.champion_rmse - 1


@dataclass(frozen=True)
class Comparison:
    """Two models on the same held-out rows, in the target's unit.

    Attributes:
        interval: Bootstrap interval of the challenger's RMSE minus the champion's; below zero it is better.
    """

    rows: int
    challenger_rmse: float
    champion_rmse: float
    interval: tuple[float, float]
    slices: tuple[SliceErrors, ...]

    @property
    def gain(self) -> float:
        """Share of the champion's error that the challenger spares; negative where it is worse."""
        return 1 - self.challenger_rmse / self.champion_rmse if self.champion_rmse else 0.0


@dataclass(frozen=True)
class Limits:
    """What a challenger has to reach, see the settings of the same names."""

    min_improvement: float
    max_slice_regression: float
    slice_minimum_rows: int

    @classmethod
    def from_settings(cls, settings: Settings) -> "Limits":
        """The limits that the settings name."""
        return cls(settings.min_improvement, settings.max_slice_regression, settings.slice_minimum_rows)


@dataclass(frozen=True)
class Verdict:
    """Whether the challenger wins, and why (not)."""

    promote: bool
    reason: str


def count_unusable(values: Values) -> int:
    """How many of the values errors cannot be measured with: not a number, infinite, or of more than 100 digits."""
    # The comparison is false for what is not a number.
    return len(values) - int(np.count_nonzero(np.abs(values) <= LARGEST))


def compare(
    problem: Problem, rows: Columns, actual: Values, challenger: Values, champion: Values, *, seed: int
) -> Comparison:
    """Compares two models' predictions, each (n,), of the same rows.

    Raises:
        ValueError: There are no rows, or a value is unusable, see `count_unusable`.
    """
    if not len(actual):
        raise ValueError("There are no rows to compare two models on.")
    for name, values in {"targets": actual, "challenger's": challenger, "champion's": champion}.items():
        if unusable := count_unusable(values):
            raise ValueError(f"{unusable} of {len(values)} values of the {name} are not finite numbers.")
    errors = np.stack([(challenger - actual) ** 2, (champion - actual) ** 2])
    own = measure_slices(problem, rows, actual, challenger)
    others = measure_slices(problem, rows, actual, champion)
    slices = tuple(
        SliceErrors(mine["slicing"], mine["value"], mine["rows"], mine["rmse"], other["rmse"])
        for mine, other in zip(own, others, strict=True)
    )
    rmse = np.sqrt(errors.mean(axis=1))
    return Comparison(len(actual), float(rmse[0]), float(rmse[1]), bootstrap_interval(errors, seed), slices)


def bootstrap_interval(squared_errors: np.ndarray, seed: int) -> tuple[float, float]:
    """Percentile interval of the difference of two RMSEs, first minus second, by the paired bootstrap.

    Both models keep the same rows in every resample, so that what is hard for both cancels out
    (B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", chapters 13 and 16, 1993).

    Args:
        squared_errors: Shape (2, n).
    """
    generator = np.random.default_rng(seed)
    rows = squared_errors.shape[1]
    means = np.empty((RESAMPLES, 2))
    for resample in means:
        # How often each row is drawn: weighing is several times as fast as picking.
        resample[:] = squared_errors @ np.bincount(generator.integers(0, rows, rows), minlength=rows) / rows
    differences = np.sqrt(means[:, 0]) - np.sqrt(means[:, 1])
    low, high = np.quantile(differences, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def decide(comparison: Comparison, limits: Limits, rival: str = "the champion") -> Verdict:
    """A challenger against a champion: better beyond chance, by enough, and worse in no slice by too much."""
    refusals = _find_doubts(comparison) or _find_shortfalls(comparison, limits)
    return _conclude(refusals, comparison, rival)


def decide_first(comparison: Comparison, baseline: str) -> Verdict:
    """A first model against the best baseline, by its name: better beyond chance."""
    return _conclude(_find_doubts(comparison), comparison, f"the best baseline, the {baseline}")


def _find_doubts(comparison: Comparison) -> list[str]:
    low, high = comparison.interval
    if not comparison.rows >= MINIMUM_ROWS:
        return [f"only {comparison.rows} held-out rows that neither was trained on, {MINIMUM_ROWS} are needed"]
    if not all(map(math.isfinite, (low, high, comparison.challenger_rmse, comparison.champion_rmse))):
        return ["an error is not a finite number"]
    if not high < 0:
        what = "it is worse" if low > 0 else "this may be chance"
        least, greatest = (show_amount(difference, signed=True) for difference in (low, high))
        return [f"{what}, the difference lies between {least} and {greatest}"]
    return []


def _find_shortfalls(comparison: Comparison, limits: Limits) -> list[str]:
    found = []
    if not comparison.gain >= limits.min_improvement:
        found.append(f"the error falls by {comparison.gain:.1%}, {limits.min_improvement:.1%} are needed")
    if worse := find_regressions(comparison.slices, limits):
        worst = worse[0]
        found.append(
            f"{worst.slicing} {worst.value} gets worse by {worst.regression:.1%} ({worst.rows} rows), one of"
            f" {len(worse)} slices beyond {limits.max_slice_regression:.1%}"
        )
    return found


def find_regressions(slices: Sequence[SliceErrors], limits: Limits) -> list[SliceErrors]:
    """The slices, of those with enough rows, that get worse by more than is allowed; the worst first."""
    worse = [
        part
        for part in slices
        if part.rows >= limits.slice_minimum_rows and not part.regression <= limits.max_slice_regression
    ]
    # What is not a number has no place in an order: it is as bad as can be.
    return sorted(worse, key=lambda part: -part.regression if math.isfinite(part.regression) else -math.inf)


def _conclude(refusals: list[str], comparison: Comparison, rival: str) -> Verdict:
    own, other = show_amount(comparison.challenger_rmse), show_amount(comparison.champion_rmse)
    figures = f"RMSE {own} against {other} of {rival}"
    if refusals:
        return Verdict(False, f"{figures}: " + "; ".join(refusals))
    low, high = comparison.interval
    return Verdict(True, f"{figures}: difference {show_amount(low, signed=True)} to {show_amount(high, signed=True)}")
