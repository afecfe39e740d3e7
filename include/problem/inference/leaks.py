"""Columns that may say what is to be predicted: one that alone explains nearly all of the target is under suspicion.

It may only be known with the target, such as the delay at departure; or it may be a good column. Nobody but a person
can say, so that a suspect is named and never dropped.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from include.problem.data import Values
from include.problem.kinds import KINDS, MISSING_CODE, KindName

# Share of the target's variance.
SUSPICIOUS = 0.75
MOST_ROWS = 10_000
FEWEST_ROWS = 50
FOLDS = 3
# A tree of a few levels: one that is as deep as it likes finds what is under no suspicion, such as each store's mean.
MOST_LEVELS = 5
FEWEST_IN_LEAF = 5


def find_suspects(
    columns: Mapping[str, npt.NDArray[Any]], kinds: Mapping[str, KindName], target: Values
) -> dict[str, float]:
    """The columns that alone explain most of the target, with the share that each does, the largest first.

    Args:
        columns: Arrays of one length, (n,), in the types of their kinds; a missing value as in `include.problem.data`.
        kinds: Name -> kind of each column that is looked at. Times are not: rows that are near in time are alike.
        target: (n,); rows without one are left out. Rows that are there twice would explain each other.
    """
    explained = explain_alone(columns, kinds, target)
    suspects = {name: share for name, share in explained.items() if share >= SUSPICIOUS}
    return dict(sorted(suspects.items(), key=lambda item: -item[1]))


def explain_alone(
    columns: Mapping[str, npt.NDArray[Any]], kinds: Mapping[str, KindName], target: Values
) -> dict[str, float]:
    """Name -> R² that a tree on this column alone has on rows that it was not fitted on; see `find_suspects`."""
    from sklearn.model_selection import KFold, cross_val_score
    from sklearn.tree import DecisionTreeRegressor

    rows = np.flatnonzero(np.isfinite(target))
    if len(rows) > MOST_ROWS:
        rows = np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False)
    if len(rows) < FEWEST_ROWS or np.ptp(target[rows]) == 0:
        return {}
    folds = KFold(FOLDS, shuffle=True, random_state=0)
    tree = DecisionTreeRegressor(max_depth=MOST_LEVELS, min_samples_leaf=FEWEST_IN_LEAF, random_state=0)
    return {
        name: float(np.mean(cross_val_score(tree, _as_numbers(columns[name][rows])[:, None], target[rows], cv=folds)))
        for name, kind in kinds.items()
        if kind != "time" and KINDS[kind].is_feature
    }


def describe_suspects(suspects: Mapping[str, float], target: str | None = None) -> list[str]:
    """A sentence on each suspect, the one that explains most first, with what to do."""
    largest = sorted(suspects.items(), key=lambda item: -item[1])
    return [f"{describe_suspect(name, share, target or 'the target')}." for name, share in largest]


def describe_suspect(name: str, share: float, target: str) -> str:
    """What a person is told of a suspect, with what to do."""
    return (
        f"'{name}' alone explains {share:.0%} of {target}. If it is not known when you predict, add it to known_later"
        f" (KNOWN_LATER={name})"
    )


def _as_numbers(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Numbers as they are, and a number for each different text; NaN where a value is missing."""
    if values.dtype.kind == "O":
        missing = np.array([value is None for value in values], dtype=bool)
        codes = np.unique(np.where(missing, "", values).astype(str), return_inverse=True)[1].astype(np.float64)
        return np.where(missing, np.nan, codes)
    missing = values == MISSING_CODE if values.dtype.kind == "i" else ~np.isfinite(values)
    return np.where(missing, np.nan, values.astype(np.float64))
