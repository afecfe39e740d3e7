"""What the trials of a search are scored on: the splits, folds of them where they are small, a sample where large."""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from include.models.fitting import Fitted, encode, fit, fit_estimator, predict_encoded
from include.models.libraries.protocol import EncodedData, Watch
from include.models.table import ModelType
from include.problem.data import Pieces, Positions, Split, Values
from include.problem.declaration import Problem
from include.problem.kinds import MISSING_CODE

FOLDS = 5
# With as many rows that validate, or more, one split is enough.
ENOUGH_ROWS = 1_000
Fold = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]


class FoldsWatch(Watch, Protocol):
    """Follows a trial, and says when to end it."""

    def after_fold(self, folds: int, of: int, error: float) -> bool:
        """Takes the mean validation error of so many of the folds; True where the trial is to be ended."""

    def limit(self, loss: float) -> float:
        """What the mean of its folds counts as, where the trial was ended before the last of them."""


def encode_folds(
    model: ModelType,
    problem: Problem,
    feature_set: str,
    references: Mapping[str, Any],
    train: Split,
    validation: Split,
    *,
    random_state: int,
) -> list[EncodedData]:
    """The data that each trial of a search is scored on, encoded once.

    With enough rows that validate, these are the two splits as they are. With fewer, the rows of both are divided into
    folds, of which each validates once what was learnt from the others.
    """
    if len(validation) >= ENOUGH_ROWS:
        return [encode(model, problem, feature_set, references, train, validation)]
    both = train + validation
    return [
        encode(model, problem, feature_set, references, both.take(learnt), both.take(held_out))
        for learnt, held_out in divide(problem, both, random_state)
    ]


def sample(problem: Problem, rows: Pieces, *, most: int, random_state: int) -> Split:
    """At most so many of the rows in memory, see `choose_sample`."""
    if len(rows) <= most:
        return rows.take(np.arange(len(rows)))
    times = rows.columns([problem.time])[problem.time] if problem.time in problem.dtypes else None
    return rows.take(choose_sample(len(rows), times, most=most, random_state=random_state))


def choose_sample(count: int, times: npt.NDArray[Any] | None, *, most: int, random_state: int) -> Positions:
    """Positions of at most so many of n rows, as even over time as the whole: one of each of equal stretches of rows.

    Args:
        times: Of the rows, (n,). Without them, the stretches are of shuffled rows.

    Returns:
        Ascending positions.
    """
    if count <= most:
        return np.arange(count)
    generator = np.random.default_rng(random_state)
    order = generator.permutation(count) if times is None else np.argsort(times, kind="stable")
    ends = np.linspace(0, count, most + 1).astype(np.intp)
    return np.sort(order[generator.integers(ends[:-1], ends[1:])])


def divide(problem: Problem, split: Split, random_state: int) -> list[Fold]:
    """Which rows train and which validate, by position, in each fold.

    Folds are blocks in the order of time, or whole groups, or else shuffled, as the problem's splits are. A group that
    is no input is not known here. Each class is dealt out evenly, as far as that goes.
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    rows, count = split.rows, len(split)
    if problem.split_by == "time" and problem.time in rows:
        order = np.argsort(rows[str(problem.time)], kind="stable")
        return [(order[learnt], order[held_out]) for learnt, held_out in KFold(min(FOLDS, count)).split(order)]
    groups = _number_groups(rows[problem.group]) if problem.group and problem.group in rows else np.zeros(count)
    by_row, by_group, most = KFold, GroupKFold, min(FOLDS, count)
    largest = int(np.unique(split.target, return_counts=True)[1].max()) if problem.labels else 0
    # With more folds than that, or with a single row of each class, scikit-learn refuses to deal classes out.
    if largest > 1:
        by_row, by_group, most = StratifiedKFold, StratifiedGroupKFold, min(FOLDS, largest)
    folds = min(most, len(np.unique(groups)))
    shuffled = {"shuffle": True, "random_state": random_state}
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of classes with fewer rows than folds
        if folds < 2:
            return list(by_row(most, **shuffled).split(groups, split.target))
        dealt = [fold for fold in by_group(folds, **shuffled).split(groups, split.target, groups) if len(fold[1])]
    # Where groups are of one class, dealing classes out can leave folds without a group.
    return dealt if len(dealt) > 1 else list(GroupKFold(folds, **shuffled).split(groups, groups=groups))


def _number_groups(values: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """The group of each row as a number; a row without one is a group of its own."""
    import pandas as pd

    numbers, known = pd.factorize(values)
    missing = (numbers < 0) | (values == MISSING_CODE if values.dtype == np.int64 else False)
    return np.where(missing, len(known) + np.arange(len(values)), numbers)


def fit_folds(
    model: ModelType,
    parameters: Mapping[str, Any],
    folds: Sequence[EncodedData],
    *,
    watch: FoldsWatch | None = None,
    **options: Any,
) -> Fitted:
    """Fits on each fold as `fit` does; the errors are the means over the folds, of measures that all of them have.

    Of several folds none has the estimator that is wanted in the end: there is none, then. `watch` is told of each fold
    instead of each round; where it ends the trial, the errors are those of the folds up to then, and it says how much
    the one that decides is.
    """
    if len(folds) == 1:
        return fit(model, parameters, folds[0], watch=watch, **options)
    fitted: list[Fitted] = []
    loss = math.nan
    for data in folds:
        fitted.append(fit(model, parameters, data, **options))
        loss = float(np.mean([each.loss for each in fitted]))
        if watch and watch.after_fold(len(fitted), len(folds), loss):
            loss = watch.limit(loss)
            break
    measured = [name for name in fitted[0].metrics if all(name in each.metrics for each in fitted)]
    metrics = {name: float(np.mean([each.metrics[name] for each in fitted])) for name in measured}
    return Fitted(None, {**metrics, folds[0].encoder.problem.objective.key: loss}, loss)


def predict_across(
    model: ModelType,
    parameters: Mapping[str, Any],
    problem: Problem,
    feature_set: str,
    references: Mapping[str, Any],
    split: Split,
    *,
    random_state: int,
    **options: Any,
) -> Values:
    """What estimators give of each row that were fitted without it, (n,) or (n, k), see `predict_encoded`.

    Args:
        parameters: All of them, the number of rounds of a booster included.
    """
    given: Values | None = None
    for learnt, held_out in divide(problem, split, random_state):
        parts = split.take(learnt), split.take(held_out)
        data = encode(model, problem, feature_set, references, *parts)
        estimator = fit_estimator(model, parameters, data, random_state=random_state, **options)
        predicted = predict_encoded(estimator, data.validation)
        if given is None:
            given = np.empty((len(split), *predicted.shape[1:]))
        given[held_out] = predicted
    assert given is not None  # there are always folds
    return given
