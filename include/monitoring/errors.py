"""Whether a champion errs more than where it was judged, or to one side: the rules, on what it predicted alone."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from include.models.intervals import DEFAULT_LEVEL
from include.monitoring.drift import is_alarming
from include.problem.data import Values
from include.problem.objectives.objective import Objective
from include.settings import Settings

# With fewer days than this, rows that follow one another are taken together instead, in so many parts.
LEAST_DAYS = 5
PARTS = 14
# How many standard errors of a share chance may take it from another one.
CHANCE = 3
_CENTERS: Mapping[str, Callable[[Values], Any]] = MappingProxyType({"mean": np.mean, "median": np.median})


@dataclass(frozen=True)
class ErrorLimits:
    """From where on an error is an alarm, see the settings ERROR_RATIO and so on."""

    ratio: float
    bias_spreads: float
    bias_least: float
    coverage: float
    needed: int
    of: int

    @classmethod
    def from_settings(cls, settings: Settings) -> "ErrorLimits":
        """The limits that the settings name."""
        return cls(
            settings.error_ratio,
            settings.bias_spreads,
            settings.bias_least,
            settings.coverage_tolerance,
            settings.windows_needed,
            settings.drift_windows,
        )


@dataclass(frozen=True)
class Scored:
    """Rows whose actual values have arrived, (n,), and what the champion predicts of them, (n,) or (n, k)."""

    actual: Values
    predicted: Values


@dataclass(frozen=True)
class Reference:
    """How a champion erred on rows that were held out when it was trained.

    Attributes:
        error: What it was judged by.
        bias: Center of the residuals, see `Objective`; None where the rows are gone.
        spread: Standard deviation of that center from day to day.
        rows: How many these were.
        coverage: Share of their actual values inside the intervals; None where the champion knows none, or the rows are
            gone.
    """

    error: float
    bias: float | None = None
    spread: float = 0.0
    rows: int = 0
    coverage: float | None = None


@dataclass(frozen=True)
class WindowError:
    """The champion's error in a window.

    Attributes:
        bias: Center of the residuals, see `Objective`.
        shift: How far that center of this window and those before it that an alarm needs, taken together, is
            from where the champion was judged; None where that is not known.
        is_high: Whether the error reaches its limit.
        has_moved: Whether `shift` does.
        coverage: Share of actual values inside the intervals; None where the champion knows none.
        is_uncovered: Whether that is out of its limits, see `limit_coverage`.
    """

    rows: int
    error: float
    bias: float
    shift: float | None
    is_high: bool
    has_moved: bool
    coverage: float | None = None
    is_uncovered: bool = False


def refer_to(
    objective: Objective,
    held_out: Scored,
    days: npt.NDArray[np.datetime64] | None,
    judged: float | None = None,
    coverage: float | None = None,
) -> Reference:
    """What later windows are compared with.

    Args:
        held_out: n > 0 rows.
        days: The day of each, (n,), NaT where it has none; None where rows have no time.
        judged: The error that the champion was judged by; None: that on these rows.
        coverage: Share of their actual values inside the intervals of `DEFAULT_LEVEL`; None where not known.
    """
    residuals, center = objective.residuals(held_out.actual, held_out.predicted), _CENTERS[objective.center]
    blocks = [] if days is None else [residuals[days == day] for day in np.unique(days[~np.isnat(days)])]
    if len(blocks) < LEAST_DAYS:
        blocks = np.array_split(residuals, min(PARTS, len(residuals)))
    centers = [float(center(block)) for block in blocks]
    spread = float(np.std(centers, ddof=1)) if len(centers) > 1 else float("inf")
    error = judged or objective.measure_error(held_out.actual, held_out.predicted)
    return Reference(error, float(center(residuals)), spread, len(residuals), coverage)


def limit_bias(reference: Reference, limits: ErrorLimits) -> float:
    """How far the residuals' center may move: some of its own spreads, and never less than a share of the error."""
    return max(limits.bias_spreads * reference.spread, limits.bias_least * reference.error)


def limit_coverage(objective: Objective, reference: Reference, limits: ErrorLimits, rows: int) -> tuple[float, float]:
    """The least and the greatest share of a window's actual values that its intervals may hold.

    They hold more than their level where many actual values are exactly at an end, such as whole numbers. Where they
    held less, they are wrong, and the level is what counts. Of few rows, chance alone moves the share further than the
    tolerance, both where intervals were calibrated and in the window.
    """
    usual = max(DEFAULT_LEVEL, reference.coverage or 0.0)
    shares = 1 / rows + (1 / reference.rows if reference.rows else 0.0)
    far = max(limits.coverage, CHANCE * math.sqrt(DEFAULT_LEVEL * (1 - DEFAULT_LEVEL) * shares))
    # How much more than their level is usual is not known without the rows.
    is_open = objective.holds_more or reference.coverage is None
    return usual - far, 1.0 if is_open else min(usual + far, 1.0)


def compare_errors(
    objective: Objective,
    windows: Sequence[Scored],
    reference: Reference,
    limits: ErrorLimits,
    *,
    news: Sequence[bool] | None = None,
    coverages: Sequence[float | None] | None = None,
) -> list[WindowError]:
    """Measures the champion's error in each window.

    The median moves less from week to week than the mean, which a few large errors push around, and two weeks together
    less than each of them: on the same clean weeks a shift can be told from chance that is a fifth smaller.

    Args:
        windows: The rows of each window, oldest first.
        news: Whether a window counts; those that the champion was judged on or has learnt from say nothing new.
        coverages: Share of each window's actual values inside the intervals of `DEFAULT_LEVEL`; None where not known.
    """
    counts = [True] * len(windows) if news is None else list(news)
    center, found = _CENTERS[objective.center], []
    residuals = [objective.residuals(window.actual, window.predicted) for window in windows]
    for number, window in enumerate(windows):
        error, bias = objective.measure_error(window.actual, window.predicted), float(center(residuals[number]))
        together = [at for at in range(number + 1) if counts[at]][-limits.needed :]
        is_whole = counts[number] and len(together) == limits.needed
        shift, coverage = None, coverages[number] if coverages else None
        least, most = limit_coverage(objective, reference, limits, len(window.actual))
        if reference.bias is not None and is_whole:
            shift = float(center(np.concatenate([residuals[at] for at in together]))) - reference.bias
        found.append(
            WindowError(
                rows=len(window.actual),
                error=error,
                bias=bias,
                shift=shift,
                # What must hold, so that an error that is no number counts as too high.
                is_high=counts[number] and error != 0 and not error < limits.ratio * reference.error,
                has_moved=shift is not None and not abs(shift) < limit_bias(reference, limits),
                coverage=coverage,
                is_uncovered=counts[number] and coverage is not None and not least <= coverage <= most,
            )
        )
    return found


def is_error_alarming(found: Sequence[WindowError], limits: ErrorLimits) -> bool:
    """Whether the error was too high in enough of the last windows, the newest among them."""
    return is_alarming([window.is_high for window in found], limits.needed, limits.of)


def is_coverage_alarming(found: Sequence[WindowError], limits: ErrorLimits) -> bool:
    """Whether the intervals held too few or too many actual values in enough of the last windows."""
    return is_alarming([window.is_uncovered for window in found], limits.needed, limits.of)


def is_bias_alarming(found: Sequence[WindowError]) -> bool:
    """Whether the residuals of the newest windows together have moved."""
    return bool(found) and found[-1].has_moved
