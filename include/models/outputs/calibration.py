"""Calibrated probabilities: what an estimator says, mapped to how often it is so.

The map is Platt's or an isotonic one, whichever loses less on rows that it was not made from, and none where a gain may
be chance; of several classes each has its own, and they are scaled to add up to 1.

Methods: J. Platt, "Probabilistic Outputs for Support Vector Machines", 1999; B. Zadrozny, C. Elkan, "Transforming
Classifier Scores into Accurate Multiclass Probability Estimates", KDD 2002.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from include.problem.data import Values
from include.problem.objectives.classification import LEAST, find_losses

FOLDS = 5
# With fewer rows a map would know little.
LEAST_ROWS = 100
# A row of numbers for each end of the straight pieces between which a map interpolates: of the log-odds that are given,
# and of those that are right.
Map = tuple[Values, Values]
# Probabilities in log-odds of at most as many, so that they can be told from 0 and 1.
_FARTHEST = 30.0
_UNCHANGED: Map = (np.array([-_FARTHEST, _FARTHEST]), np.array([-_FARTHEST, _FARTHEST]))


@dataclass(frozen=True)
class Calibration:
    """How probabilities are mapped.

    Attributes:
        method: Its name, of `METHODS`, or `none`.
        maps: One for each class, of two classes one for the second; empty where nothing is mapped.
    """

    method: str = "none"
    maps: tuple[Map, ...] = ()

    def apply(self, given: Values) -> Values:
        """Probabilities, (n, k), by those that an estimator gives, (n, k)."""
        if not self.maps:
            return given
        columns = given[:, 1:] if given.shape[1] == 2 else given
        odds = [_interpolate(_to_odds(columns[:, at]), each) for at, each in enumerate(self.maps)]
        mapped = 1 / (1 + np.exp(-np.column_stack(odds)))
        return _complete(mapped)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"method": self.method, "maps": [[given.tolist(), right.tolist()] for given, right in self.maps]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Calibration":
        """The inverse of `to_dict`."""
        maps = [(np.array(given, "float64"), np.array(right, "float64")) for given, right in values["maps"]]
        return cls(values["method"], tuple(maps))


def calibrate(actual: Values, given: Values) -> tuple[Calibration, Values]:
    """Chooses the best map for rows that the estimator has not learnt from.

    Args:
        actual: The number of each row's class, (n,).
        given: What the estimator says of the rows, (n, k).

    Returns:
        The map, and probabilities of the rows by such maps as were made without them, (n, k).
    """
    if len(actual) < LEAST_ROWS:
        return Calibration(), given
    parts, chosen, best = _divide(actual), "none", given
    # A map with more freedom has to be better by more than rows differ by chance.
    for method in METHODS:
        mapped = _map_across(method, actual, given, parts)
        gains = find_losses(actual, best) - find_losses(actual, mapped)
        if gains.mean() > gains.std() / np.sqrt(len(gains)):
            chosen, best = method, mapped
    return _make(chosen, actual, given), best


def _make(method: str, actual: Values, given: Values) -> Calibration:
    if method == "none":
        return Calibration()
    make, classes = METHODS[method], range(1, 2) if given.shape[1] == 2 else range(given.shape[1])
    maps = ((_to_odds(given[:, at]), actual == at) for at in classes)
    # Of a class that none of the rows has, or all of them, nothing is known.
    return Calibration(method, tuple(make(*each) if 0 < each[1].sum() < len(actual) else _UNCHANGED for each in maps))


def _map_across(method: str, actual: Values, given: Values, parts: npt.NDArray[np.intp]) -> Values:
    mapped = np.empty_like(given)
    for part in range(FOLDS):
        own = parts == part
        mapped[own] = _make(method, actual[~own], given[~own]).apply(given[own])
    return mapped


def _divide(actual: Values) -> npt.NDArray[np.intp]:
    """The part of each row, (n,), of `FOLDS`: shuffled, and each class dealt out evenly."""
    shuffled = np.random.default_rng(0).permutation(len(actual))
    parts = np.empty(len(actual), dtype=np.intp)
    parts[shuffled[np.argsort(actual[shuffled], kind="stable")]] = np.arange(len(actual)) % FOLDS
    return parts


def _fit_platt(odds: Values, happened: npt.NDArray[np.bool_]) -> Map:
    from sklearn.linear_model import LogisticRegression

    ends = _UNCHANGED[0]
    fitted = LogisticRegression(C=1e6, max_iter=1000).fit(odds[:, None], happened)
    # A map that turned the order round would make the less probable the more probable one.
    slope = max(float(fitted.coef_[0, 0]), 0.0)
    return ends, _shorten(slope * ends + float(fitted.intercept_[0]))


def _fit_isotonic(odds: Values, happened: npt.NDArray[np.bool_]) -> Map:
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(out_of_bounds="clip").fit(odds, happened)
    # A step is a share of few rows: one row more, of the overall share, keeps it from being certain.
    levels, rows = np.unique(fitted.predict(odds), return_counts=True)
    rows = rows[np.searchsorted(levels, fitted.y_thresholds_).clip(max=len(levels) - 1)]
    smooth = (fitted.y_thresholds_ * rows + happened.mean()) / (rows + 1)
    return _shorten(fitted.X_thresholds_), _shorten(_to_odds(smooth))


METHODS: Mapping[str, Callable[[Values, npt.NDArray[np.bool_]], Map]] = MappingProxyType(
    {"platt": _fit_platt, "isotonic": _fit_isotonic}
)


def _interpolate(odds: Values, points: Map) -> Values:
    found: Values = np.interp(odds, *points)
    return found


def _to_odds(probability: Values) -> Values:
    """Log-odds of probabilities."""
    inside = np.clip(probability, LEAST, 1 - LEAST)
    odds: Values = np.clip(np.log(inside) - np.log1p(-inside), -_FARTHEST, _FARTHEST)
    return odds


def _complete(mapped: Values) -> Values:
    """Probabilities of all classes, which add up to 1."""
    if mapped.shape[1] == 1:
        return np.column_stack([1 - mapped, mapped])
    whole: Values = mapped / mapped.sum(axis=1, keepdims=True)
    return whole


def _shorten(values: npt.NDArray[Any]) -> Values:
    """Nine digits say enough."""
    return np.array([float(f"{value:.9g}") for value in values])
