"""Columns that may say what is to be predicted: one that alone explains most of the target is under suspicion.

It may only be known with the target, such as the delay at departure; or it may be a good column. Nobody but a person
can say, so that a suspect is named and never dropped.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from include.configuration.values import show_setting
from include.problem.data import Values
from include.problem.kinds import KINDS, MISSING_CODE, KindName

# Share of the target's variance; of classes, of the Brier score that their shares alone have. Both are the share of a
# squared error. That of the log loss would be lost by one leaf of a tree that is sure of another class.
SUSPICIOUS = 0.75
MOST_ROWS = 10_000
FEWEST_ROWS = 50
FOLDS = 3
# A tree of a few levels: one that is as deep as it likes finds what is under no suspicion, such as each store's mean.
MOST_LEVELS = 5
FEWEST_IN_LEAF = 5


def find_suspects(
    columns: Mapping[str, npt.NDArray[Any]],
    kinds: Mapping[str, KindName],
    target: Values,
    *,
    are_classes: bool = False,
) -> dict[str, float]:
    """The columns that alone explain most of the target, with the share that each does, the largest first.

    Args:
        columns: Arrays of one length, (n,), in the types of their kinds; a missing value as in `include.problem.data`.
        kinds: Name -> kind of each column that is looked at. Times are not: rows that are near in time are alike.
        target: (n,); rows without one are left out. Rows that are there twice would explain each other.
        are_classes: Whether targets are the numbers of classes.
    """
    explained = explain_alone(columns, kinds, target, are_classes=are_classes)
    suspects = {name: share for name, share in explained.items() if share >= SUSPICIOUS}
    return dict(sorted(suspects.items(), key=lambda item: -item[1]))


def explain_alone(
    columns: Mapping[str, npt.NDArray[Any]],
    kinds: Mapping[str, KindName],
    target: Values,
    *,
    are_classes: bool = False,
) -> dict[str, float]:
    """Name -> what a tree on this column alone explains of rows that it was not fitted on; see `find_suspects`.

    It is R², or of classes the Brier skill score: G. W. Brier, "Verification of forecasts expressed in terms of
    probability", 1950.
    """
    rows = np.flatnonzero(np.isfinite(target))
    if len(rows) > MOST_ROWS:
        rows = np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False)
    if len(rows) < FEWEST_ROWS or np.ptp(target[rows]) == 0:
        return {}
    explain = _explain_classes if are_classes else _explain_numbers
    return {
        name: explain(_as_numbers(columns[name][rows])[:, None], target[rows])
        for name, kind in kinds.items()
        if kind != "time" and KINDS[kind].is_feature
    }


def _explain_numbers(column: npt.NDArray[np.float64], target: Values) -> float:
    from sklearn.model_selection import KFold, cross_val_score
    from sklearn.tree import DecisionTreeRegressor

    folds = KFold(FOLDS, shuffle=True, random_state=0)
    tree = DecisionTreeRegressor(max_depth=MOST_LEVELS, min_samples_leaf=FEWEST_IN_LEAF, random_state=0)
    return float(np.mean(cross_val_score(tree, column, target, cv=folds)))


def _explain_classes(column: npt.NDArray[np.float64], target: Values) -> float:
    from sklearn.tree import DecisionTreeClassifier

    classes, codes = np.unique(target, return_inverse=True)
    # One class after the other, so that each fold has its share of the rare ones.
    places = np.lexsort((np.random.default_rng(0).random(len(codes)), codes))
    folds = np.empty(len(codes), dtype=np.intp)
    folds[places] = np.arange(len(codes)) % FOLDS
    tree = DecisionTreeClassifier(max_depth=MOST_LEVELS, min_samples_leaf=FEWEST_IN_LEAF, random_state=0)
    actual, predicted = np.eye(len(classes))[codes], np.zeros((len(codes), len(classes)))
    for fold in range(FOLDS):
        held_out = folds == fold
        tree.fit(column[~held_out], codes[~held_out])
        # A class of few rows may be in no other fold.
        predicted[np.ix_(held_out, tree.classes_)] = tree.predict_proba(column[held_out])
    left = np.sum((predicted - actual) ** 2)
    return float(1 - left / np.sum((actual.mean(axis=0) - actual) ** 2))


def describe_suspects(suspects: Mapping[str, float], target: str | None) -> list[str]:
    """A sentence on each suspect, the one that explains most first, with what to do."""
    largest = sorted(suspects.items(), key=lambda item: -item[1])
    return [f"{describe_suspect(name, share, target or 'the target')}." for name, share in largest]


def describe_suspect(name: str, share: float, target: str, given: str = "") -> str:
    """What a person is told of a suspect, with what to do.

    Args:
        given: What it is called in a setting; empty: the same.
    """
    return (
        f"'{name}' alone explains {share:.0%} of {target}. If it is not known when you predict, add it to known_later"
        f" ({show_setting('KNOWN_LATER', given or name)})"
    )


def _as_numbers(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Numbers as they are, and a number for each different text; NaN where a value is missing."""
    if values.dtype.kind == "O":
        missing = np.array([value is None for value in values], dtype=bool)
        codes = np.unique(np.where(missing, "", values).astype(str), return_inverse=True)[1].astype(np.float64)
        return np.where(missing, np.nan, codes)
    missing = values == MISSING_CODE if values.dtype.kind == "i" else ~np.isfinite(values)
    return np.where(missing, np.nan, values.astype(np.float64))
