"""How far a column has drifted from what a model learnt from, and when that is an alarm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from include.sets.profile import count_values, present_values
from include.settings import Settings

Shares = npt.NDArray[np.float64]
# A bin that was empty counts as this share, because the index has no value at zero.
LEAST_SHARE = 1e-4
AGREEING_MEASURES = 2
# A category that makes up so much of the new rows is compared by itself, however rare it was.
NOW_FREQUENT = 0.03


@dataclass(frozen=True)
class Measures:
    """Distances between two distributions of a column, and shares that alone are reason enough.

    Attributes:
        ks: None for categories, which have no order.
        missing: Share of the rows without a value.
        missing_learnt: The same in the training set.
        unseen: Share of the rows with a category that is not in the training set; None where that cannot be known.
        unseen_expected: The share that training rows not seen before would have: that of the categories that appear
            once (I. J. Good, "The population frequencies of species", 1953).
    """

    psi: float
    ks: float | None
    js: float
    missing: float = 0.0
    missing_learnt: float = 0.0
    unseen: float | None = None
    unseen_expected: float = 0.0


@dataclass(frozen=True)
class Thresholds:
    """From which distance on a measure says that a column drifts, see the settings DRIFT_PSI and so on."""

    psi: float
    ks: float
    js: float
    missing: float
    unseen: float

    @classmethod
    def from_settings(cls, settings: Settings) -> "Thresholds":
        """The thresholds that the settings name."""
        return cls(
            settings.drift_psi, settings.drift_ks, settings.drift_js, settings.drift_missing, settings.drift_unseen
        )


def compare_column(
    profile: Mapping[str, Any], values: npt.NDArray[Any], learnt: npt.NDArray[Any] | None = None
) -> Measures:
    """Compares a column's new values with what is known of it.

    Args:
        profile: The column's figures, as `profile.profile_split` makes them.
        values: The new values, at least one.
        learnt: The values themselves that the profile was made of, None where they are gone. The Kolmogorov-Smirnov
            statistic is then taken at the deciles and is a lower bound, and of a category with more values than the
            profile lists it is not known which are new.
    """
    # Of a large set, the values are a sample.
    rows_learnt = profile["count"] if learnt is None else len(learnt)
    if learnt is not None:
        learnt = present_values(learnt)
    present = present_values(values)
    missing = (len(values) - len(present)) / len(values)
    missing_learnt = profile.get("missing", 0) / profile["count"]
    if "deciles" not in profile:
        counts = _count_learnt(profile, learnt)
        expected, actual = _count_categories(profile, values, counts, rows_learnt)
        unseen = None if counts is None else _measure_unseen(counts, present, len(values))
        once = sum(count == 1 for count in (counts or {}).values()) / rows_learnt
        distances = compute_psi(expected, actual), None, compute_js(expected, actual)
        return Measures(*distances, missing, missing_learnt, unseen, once)
    deciles = np.asarray(profile["deciles"])
    expected, actual = _count_quantities(profile, deciles, values, learnt)
    if not len(present):
        ks = None
    elif learnt is None:
        ks = float(np.abs(np.cumsum((actual - expected)[:-1])).max())
    else:
        ks = float(ks_2samp(learnt, present).statistic)
    return Measures(compute_psi(expected, actual), ks, compute_js(expected, actual), missing, missing_learnt)


def _count_learnt(profile: Mapping[str, Any], learnt: npt.NDArray[Any] | None) -> Mapping[str, int] | None:
    """How often each category was there in training; None where the profile does not list them all."""
    if learnt is not None:
        return count_values(learnt)
    frequent: Mapping[str, int] = profile.get("frequent", {})
    return frequent if len(frequent) == profile.get("distinct", 0) else None


def _measure_unseen(known: Mapping[str, int], present: npt.NDArray[Any], rows: int) -> float:
    """Share of the rows whose category is new."""
    return sum(count for value, count in count_values(present).items() if value not in known) / rows


def _count_quantities(
    profile: Mapping[str, Any],
    deciles: npt.NDArray[np.float64],
    values: npt.NDArray[Any],
    learnt: npt.NDArray[Any] | None,
) -> tuple[Shares, Shares]:
    """Shares below, between and above the inner deciles, and of missing values."""
    edges = deciles[1:-1]

    def count(column: npt.NDArray[Any]) -> Shares:
        counts = np.bincount(np.searchsorted(edges, column), minlength=len(edges) + 1)
        return counts.astype(np.float64)

    present = present_values(values)
    actual = np.append(count(present), len(values) - len(present)) / len(values)
    missing = profile.get("missing", 0) / profile["count"]
    # Values that repeat make bins of unequal size; without the values themselves, equal ones are the best guess.
    bins = len(edges) + 1
    expected = np.full(bins, 1 / bins) if learnt is None else count(learnt) / len(learnt)
    return np.append(expected * (1 - missing), missing), actual


def _count_categories(
    profile: Mapping[str, Any], values: npt.NDArray[Any], learnt: Mapping[str, int] | None, rows_learnt: int
) -> tuple[Shares, Shares]:
    """Shares of the categories that were the most frequent ones, or are now, and of all others together."""
    counts = count_values(values)
    frequent = {name: count / profile["count"] for name, count in profile.get("frequent", {}).items()}
    if learnt is not None:
        now = [name for name, count in counts.items() if count >= NOW_FREQUENT * len(values)]
        frequent |= {name: learnt.get(name, 0) / rows_learnt for name in now if name not in frequent}
    expected = np.array([*frequent.values(), 0], dtype=np.float64)
    actual = np.array([*(counts.get(name, 0) for name in frequent), 0], dtype=np.float64) / len(values)
    for shares in (expected, actual):
        shares[-1] = max(0.0, 1 - shares.sum())
    return expected, actual


def compute_psi(expected: Shares, actual: Shares) -> float:
    """Population stability index with the natural logarithm; 0 for equal shares, from 0.2 on usually called large."""
    expected, actual = np.maximum(expected, LEAST_SHARE), np.maximum(actual, LEAST_SHARE)
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def compute_js(expected: Shares, actual: Shares) -> float:
    """Jensen-Shannon distance with the binary logarithm, 0 to 1."""
    return float(np.nan_to_num(jensenshannon(expected, actual, base=2)))


def has_drifted(measures: Measures, thresholds: Thresholds) -> bool:
    """Whether a column has drifted.

    Two of the distances must agree: each alone errs in its own way on small samples. A share of missing or of unseen
    values says so alone: it is what a model cannot make up for.
    """
    if abs(measures.missing - measures.missing_learnt) >= thresholds.missing:
        return True
    if measures.unseen is not None and measures.unseen - measures.unseen_expected >= thresholds.unseen:
        return True
    reached = [
        measures.psi >= thresholds.psi,
        measures.ks is not None and measures.ks >= thresholds.ks,
        measures.js >= thresholds.js,
    ]
    return sum(reached) >= AGREEING_MEASURES


def is_alarming(drifted: Sequence[bool], needed: int, of: int) -> bool:
    """The N-of-M rule on windows, oldest first: `needed` of the last `of` drifted, the newest among them."""
    return bool(drifted) and drifted[-1] and sum(drifted[-of:]) >= needed
