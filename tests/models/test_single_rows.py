"""A single row predicted by LightGBM's C interface, against the booster's own method."""

import gc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from include.models.fitting import encode, fit_estimator, predict_encoded
from include.models.libraries.lightgbm_rows import SingleRow, predict_single
from include.models.table import MODELS
from include.problem.data import Split
from include.problem.declaration import Problem
from tests.splits import LENGTHS, PROBLEM, REFERENCES, SHORT_OR_LONG, as_classes, make_split

ROWS = 200
CASES: list[tuple[str, Problem, Callable[[Split], Split]]] = [
    ("gbdt.squarederror", PROBLEM, lambda split: split),
    ("gbdt.gamma", PROBLEM, lambda split: split),
    ("gbdt.binary", SHORT_OR_LONG, lambda split: as_classes(split, 2)),
    ("gbdt.multiclass", LENGTHS, lambda split: as_classes(split, 3)),
]


def fit(name: str, problem: Problem = PROBLEM, classify: Callable[[Split], Split] = lambda split: split) -> Any:
    """A booster, and the encoded rows that it did not learn from."""
    splits = classify(make_split(2_000)), classify(make_split(ROWS, seed=1))
    data = encode(MODELS[name], problem, "rich" if problem is PROBLEM else "default", REFERENCES, *splits)
    parameters = dict(MODELS[name].start)
    return fit_estimator(MODELS[name], parameters, data, random_state=7, threads=1), data.encoder.transform(
        splits[1].rows
    )


@pytest.mark.parametrize(("name", "problem", "classify"), CASES, ids=[name for name, _, _ in CASES])
def test_row_alone_is_predicted_as_among_others_to_the_last_bit(
    name: str, problem: Problem, classify: Callable[[Split], Split]
) -> None:
    booster, matrix = fit(name, problem, classify)
    together = predict_encoded(booster, matrix)
    alone = np.concatenate([predict_encoded(booster, matrix[row : row + 1]) for row in range(ROWS)])
    assert np.unique(together).size > 2
    assert alone.tobytes() == together.tobytes()
    # Not by the way of many rows.
    assert predict_single(booster, matrix[:1]) is not None


def test_rows_of_several_threads_are_not_mixed() -> None:
    booster, matrix = fit("gbdt.squarederror")
    expected = booster.predict(matrix)
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda row: predict_encoded(booster, matrix[row : row + 1])[0], list(range(ROWS)) * 20))
    assert np.array(rows).tobytes() == np.tile(expected, 20).tobytes()


def test_matrix_of_another_shape_or_order_is_the_boosters_own_matter() -> None:
    booster, matrix = fit("gbdt.squarederror")
    wide = np.repeat(matrix[:1], 2, axis=1)
    for other in (matrix[:2], matrix[:1].astype("float64"), wide, wide[:, ::2], matrix[:1].tolist()):
        assert predict_single(booster, other) is None
    assert predict_single(booster, matrix[:1]) is not None


def test_nothing_of_a_booster_that_is_gone_is_kept() -> None:
    booster, matrix = fit("gbdt.squarederror")
    prepared = weakref.ref(SingleRow(booster))
    predict_encoded(booster, matrix[:1])
    gone = weakref.ref(booster)
    del booster
    gc.collect()
    assert gone() is None
    assert prepared() is None
