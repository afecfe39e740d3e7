"""Boosters of LightGBM and their masks: both predict the same, to the last bit."""

from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pytest

from include.models.libraries import leaf_masks
from include.models.libraries.leaf_masks import MOST_WORDS, LeafMasks
from include.models.libraries.lightgbm_boosters import MAKING_ROWS, MASKED_ROWS, LightGBM

Matrix = npt.NDArray[np.float32]


def make_matrix(rows: int, seed: int, missing: float = 0.05) -> Matrix:
    """Two columns of categories, of which training sees the first forty, and four of numbers, one of them of zeros."""
    generator = np.random.default_rng(seed)
    categories = generator.integers(0, 40 if seed == 0 else 80, (rows, 2))
    matrix = np.column_stack([categories, generator.normal(0, 3, (rows, 3)).round(1), np.zeros(rows)])
    matrix[generator.random(matrix.shape) < missing] = np.nan
    return matrix.astype(np.float32)


def fit(matrix: Matrix, **parameters: Any) -> lightgbm.Booster:
    known = np.nan_to_num(matrix)
    target = known[:, 0] % 7 + known[:, 2] * known[:, 3] + np.sin(known[:, 4])
    if parameters.get("num_class") or parameters.get("objective") in ("poisson", "cross_entropy"):
        target = target > 0
    chosen = {"objective": "regression", "num_leaves": 31, "min_data_in_leaf": 3, "num_threads": 1, "verbosity": -1}
    chosen |= parameters
    data = lightgbm.Dataset(matrix, target, categorical_feature=[0, 1], params=chosen)
    text = lightgbm.train(chosen, data, 30).model_to_string()
    booster = lightgbm.Booster(model_str=text)
    booster.params["num_threads"] = 1
    return booster


@pytest.mark.parametrize(
    ("missing", "parameters"),
    [
        (0.05, {}),
        (0.0, {}),
        (0.05, {"num_leaves": 120}),
        (0.05, {"num_leaves": 200, "min_data_in_leaf": 1}),
        (0.05, {"objective": "regression_l1", "max_cat_to_onehot": 50}),
        (0.05, {"use_missing": False}),
        (0.05, {"min_gain_to_split": 4_000.0}),
    ],
    ids=["small trees", "nothing missing", "two words", "four words", "one against all", "missing is zero", "stumps"],
)
def test_masks_predict_the_same_bits_as_the_booster(missing: float, parameters: dict[str, Any]) -> None:
    booster = fit(make_matrix(3_000, 0, missing), **parameters)
    masks = LeafMasks.of(booster.model_to_string())
    assert masks
    others = make_matrix(1_000, 1)
    # Right at the thresholds, and beside the categories that there are.
    others[:40, 2] = np.linspace(-2, 2, 40).round(1)
    others[40:44, 0] = [-1, 10_000, 39, 79]
    expected = booster.predict(others)
    assert len(np.unique(expected)) > 1
    assert masks.predict(others, 1).tolist() == masks.predict(others, 3).tolist() == expected.tolist()


@pytest.mark.parametrize(
    "arrange",
    [
        lambda rows: np.repeat(rows, 7, axis=0),
        lambda rows: rows[np.lexsort((rows[:, 1], rows[:, 0]))],
        lambda rows: rows[:1],
        lambda rows: rows[:65],
        lambda rows: rows[:66],
    ],
    ids=["each seven times", "sorted", "1", "65", "66"],
)
def test_order_and_number_of_rows_change_no_bit(arrange: Callable[[Matrix], Matrix]) -> None:
    booster = fit(make_matrix(3_000, 0))
    masks = LeafMasks.of(booster.model_to_string())
    assert masks
    rows = arrange(make_matrix(3_000, 1))
    assert masks.predict(rows, 1).tolist() == booster.predict(rows).tolist()


@pytest.mark.parametrize(
    "parameters",
    [
        {"objective": "multiclass", "num_class": 2},
        {"linear_tree": True},
        {"zero_as_missing": True},
        {"min_gain_to_split": 1e9},
        {"objective": "poisson"},
        {"objective": "cross_entropy"},
        {"reg_sqrt": True},
        {"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1},
        {"num_leaves": 64 * MOST_WORDS // 4, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0},
    ],
    ids=[
        "classes",
        "linear",
        "zero is missing",
        "no split",
        "logarithm",
        "probability",
        "root",
        "mean of trees",
        "large trees",
    ],
)
def test_booster_that_does_more_or_has_large_trees_has_no_masks(parameters: dict[str, Any]) -> None:
    assert LeafMasks.of(fit(make_matrix(3_000, 0), **parameters).model_to_string()) is None


def test_masks_are_not_made_where_they_would_take_too_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    booster = fit(make_matrix(1_000, 0))
    masks = LeafMasks.of(booster.model_to_string())
    assert masks
    size = sum(column.masks.nbytes for column in masks.columns)
    monkeypatch.setattr(leaf_masks, "MOST_BYTES", size)
    assert LeafMasks.of(booster.model_to_string())
    monkeypatch.setattr(leaf_masks, "MOST_BYTES", size - 1)
    assert LeafMasks.of(booster.model_to_string()) is None


@pytest.mark.parametrize("objective", ["regression", "gamma"])
def test_number_of_rows_makes_no_difference_to_a_prediction(objective: str) -> None:
    matrix = make_matrix(3_000, 0)
    booster = fit(matrix, objective="regression") if objective == "regression" else fit_gamma(matrix)
    rows = make_matrix(MAKING_ROWS, 2)
    one_by_one = [LightGBM().predict(booster, rows[at : at + 1]) for at in range(5)]
    many = np.asarray(LightGBM().predict(booster, rows))
    some = np.asarray(LightGBM().predict(booster, rows[:MASKED_ROWS]))
    assert np.concatenate(one_by_one).tolist() == many[:5].tolist()
    assert some.tolist() == many[:MASKED_ROWS].tolist()
    assert many.tolist() == np.asarray(booster.predict(rows)).tolist()


def fit_gamma(matrix: Matrix) -> lightgbm.Booster:
    """A booster of the target's logarithm."""
    target = 1 + np.nan_to_num(np.abs(matrix[:, 2]))
    data = lightgbm.Dataset(matrix, target, categorical_feature=[0, 1], params={"verbosity": -1})
    text = lightgbm.train({"objective": "gamma", "verbosity": -1, "num_threads": 1}, data, 10).model_to_string()
    booster = lightgbm.Booster(model_str=text)
    booster.params["num_threads"] = 1
    return booster
