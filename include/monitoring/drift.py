"""How far a column has drifted from what a model learnt from, and when that is an alarm."""

import math
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
# A bin that was empty counts as this share at least, because the index has no value at zero.
LEAST_SHARE = 1e-4
# And as this part of a row of its sample: in a small one, an empty bin says little.
EMPTY_ROWS = 0.5
# The share of missing or unseen values of a sample is hardly ever so far from that of its population.
STANDARD_ERRORS = 3
AGREEING_MEASURES = 2
# A category that makes up so much of the new rows is compared by itself, however rare it was.
NOW_FREQUENT = 0.03


@dataclass(frozen=True)
class Measures:
    """Distances between two distributions of a column, and shares that alone are reason enough.

    The distances are less what two samples of one distribution have by chance, and 0 where they have no more.

    Attributes:
        ks: None for categories, which have no order.
        missing: Share of the rows without a value.
        missing_learnt: The same in the training set.
        missing_chance: How far the two may be from each other by chance.
        unseen: Share of the rows with a category that is not in the training set; None where that cannot be known.
        unseen_expected: The share that training rows not seen before would have: that of the categories that appear
            once (I. J. Good, "The population frequencies of species", 1953).
        unseen_chance: How far the two may be from each other by chance.
    """

    psi: float
    ks: float | None
    js: float
    missing: float = 0.0
    missing_learnt: float = 0.0
    unseen: float | None = None
    unseen_expected: float = 0.0
    missing_chance: float = 0.0
    unseen_chance: float = 0.0


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
    rows, rows_learnt = len(values), profile["count"] if learnt is None else len(learnt)
    if learnt is not None:
        learnt = present_values(learnt)
    present = present_values(values)
    missing = (rows - len(present)) / rows
    missing_learnt = profile.get("missing", 0) / profile["count"]
    missing_chance = _bound_chance(missing, missing_learnt, rows, profile["count"])
    if "deciles" not in profile:
        counts = _count_learnt(profile, learnt)
        expected, actual = _count_categories(profile, values, counts, rows_learnt)
        psi, js = _compare_shares(expected, actual, rows, rows_learnt)
        unseen = None if counts is None else _measure_unseen(counts, present, rows)
        once = sum(count == 1 for count in (counts or {}).values()) / rows_learnt
        unseen_chance = _bound_chance(unseen or 0.0, once, rows, rows_learnt)
        return Measures(psi, None, js, missing, missing_learnt, unseen, once, missing_chance, unseen_chance)
    expected, actual = _count_quantities(np.asarray(profile["deciles"]), present, learnt)
    ks = None
    if len(present):
        far = np.abs(np.cumsum(actual - expected)).max() if learnt is None else ks_2samp(learnt, present).statistic
        of = profile["count"] - profile.get("missing", 0) if learnt is None else len(learnt)
        # The mean of the statistic's square, by its limiting distribution.
        ks = math.sqrt(max(0.0, float(far) ** 2 - math.pi**2 / 12 * (1 / len(present) + 1 / of)))
    expected, actual = (
        np.append(shares * (1 - without), without)
        for shares, without in ((expected, missing_learnt), (actual, missing))
    )
    psi, js = _compare_shares(expected, actual, rows, rows_learnt)
    return Measures(psi, ks, js, missing, missing_learnt, missing_chance=missing_chance)


def _compare_shares(expected: Shares, actual: Shares, rows: int, rows_learnt: int) -> tuple[float, float]:
    """Stability index and Jensen-Shannon distance, less what samples of so many rows have by chance.

    For these, the index and eight times the divergence in nats are about chi-square of all bins but one.
    """
    used = np.maximum(expected, actual) > LEAST_SHARE
    expected, actual = expected[used], actual[used]
    chance = (len(actual) - 1) * (1 / rows + 1 / rows_learnt)
    psi = compute_psi(np.maximum(expected, EMPTY_ROWS / rows_learnt), np.maximum(actual, EMPTY_ROWS / rows))
    divergence = compute_js(expected, actual) ** 2 - chance / (8 * math.log(2))
    return max(0.0, psi - chance), math.sqrt(max(0.0, divergence))


def _bound_chance(share: float, share_learnt: float, rows: int, rows_learnt: int) -> float:
    """How far the shares of two samples of one population may be from each other."""
    pooled = min(1.0, (share * rows + share_learnt * rows_learnt) / (rows + rows_learnt))
    return STANDARD_ERRORS * math.sqrt(pooled * (1 - pooled) * (1 / rows + 1 / rows_learnt))


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
    deciles: npt.NDArray[np.float64], present: npt.NDArray[Any], learnt: npt.NDArray[Any] | None
) -> tuple[Shares, Shares]:
    """Shares below, between and above the inner deciles, of the values that are there."""
    edges = np.unique(deciles[1:-1])

    def count(column: npt.NDArray[Any]) -> Shares:
        counts = np.bincount(np.searchsorted(edges, column), minlength=len(edges) + 1)
        return counts / max(1, len(column))

    actual = count(present)
    return _bound_shares(deciles, edges, present, actual) if learnt is None else count(learnt), actual


def _bound_shares(
    deciles: npt.NDArray[np.float64], edges: npt.NDArray[np.float64], present: npt.NDArray[Any], actual: Shares
) -> Shares:
    """The shares of the values that the deciles were made of, as near to the actual ones as the deciles allow.

    How many values are not above an edge is exact, unless that value repeats: then it is known to a tenth.
    """
    tenth = 1 / (len(deciles) - 1)
    repeats = np.isin(edges, deciles[1:][np.diff(deciles) == 0])
    now = np.sort(present)
    same = (np.searchsorted(now, edges, side="right") - np.searchsorted(now, edges)) / max(1, len(now))
    least = np.searchsorted(deciles[1:], edges, side="right") * tenth
    most = np.minimum(1, least + np.where(repeats, tenth, np.minimum(tenth, same)))
    least, most = (np.concatenate([[0], bounds, [1]]) for bounds in (least, most))
    shares: Shares = np.clip(actual, np.maximum(0, least[1:] - most[:-1]), most[1:] - least[:-1])
    return np.asarray(shares / shares.sum())


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
    values says so alone, if it is beyond chance: it is what a model cannot make up for.
    """
    if abs(measures.missing - measures.missing_learnt) >= max(thresholds.missing, measures.missing_chance):
        return True
    beyond = (measures.unseen or 0.0) - measures.unseen_expected
    if beyond >= max(thresholds.unseen, measures.unseen_chance):
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
