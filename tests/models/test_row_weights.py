"""Rows that do not count alike."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from include.models.artifact import Model
from include.models.fitting import encode, find_rounds, fit
from include.models.table import MODELS
from include.problem.data import Split
from include.problem.declaration import Problem
from include.sets.examples import load_split, open_rows
from include.settings import Settings
from tests.published_sets import publish_set
from tests.splits import PROBLEM, REFERENCES, make_split, make_split_for, problem_for

ROWS = 1_500
FIRST = np.arange(ROWS) < ROWS // 3


def predict(name: str, train: Split, others: Split) -> np.ndarray:
    data = encode(MODELS[name], problem_for(name), "default", REFERENCES, train, others)
    fitted = fit(MODELS[name], MODELS[name].start, data, random_state=1, threads=1)
    return Model.of(data, fitted.estimator, {}).predict(others.rows)


@pytest.mark.parametrize("name", ["linear_model.LinearRegression", "linear_model.LogisticRegression"])
def test_row_that_counts_twice_is_as_two_rows(name: str) -> None:
    split, others = make_split_for(name, ROWS), make_split_for(name, 300, seed=1)
    twice = split + split.take(np.flatnonzero(FIRST))
    weighed = replace(split, weights=1.0 + FIRST)
    expected = predict(name, twice, others)
    distance, without = (np.abs(predict(name, each, others) - expected).mean() for each in (weighed, split))
    # Scales of the columns are learnt of the rows alone, so that digits differ.
    assert distance < without / 3


@pytest.mark.parametrize("name", ["gbtree.squarederror", "gbdt.squarederror", "gbtree.logistic", "gbdt.binary",
                                  "ensemble.RandomForestRegressor", "linear_model.Lasso"])  # fmt: skip
def test_rows_that_count_nothing_are_not_learnt_from(name: str) -> None:
    split, others = make_split_for(name, ROWS), make_split_for(name, 300, seed=1)
    odd = replace(split, target=np.where(FIRST, split.target.max(), split.target))
    usual, misled, spared = (
        problem_for(name).objective.measure_error(others.target, predict(name, each, others))
        for each in (split, odd, replace(odd, weights=1.0 - FIRST))
    )
    assert spared < (usual + misled) / 2 < misled


@pytest.mark.parametrize("name", ["gbtree.squarederror", "gbdt.squarederror", "gbtree.logistic", "gbdt.binary"])
def test_rows_that_validate_count_alike_where_none_of_them_counts(name: str) -> None:
    train = replace(make_split_for(name, ROWS), weights=1.0 + FIRST)
    others, model = make_split_for(name, 300, seed=1), MODELS[name]

    def count_rounds(weights: np.ndarray | None) -> int:
        data = encode(model, problem_for(name), "default", REFERENCES, train, replace(others, weights=weights))
        fitted = fit(model, model.start, data, random_state=1, threads=1)
        return find_rounds(model, fitted.estimator)["n_estimators"]

    assert count_rounds(np.zeros(300)) == count_rounds(np.ones(300)) == count_rounds(None) > 5


def test_classes_keep_their_weights_where_no_row_that_validates_counts() -> None:
    declared = {**problem_for("gbdt.binary").to_dict(), "class_weights": {"long": 3.0}}
    problem, others = Problem.from_dict(declared), make_split_for("gbdt.binary", 300, seed=1)
    none_counts = replace(others, weights=np.zeros(300))
    data = encode(MODELS["gbdt.binary"], problem, "default", REFERENCES, others, none_counts)
    assert data.validation_weight is not None
    assert data.validation_weight.tolist() == np.where(others.target == 1, 3.0, 1.0).tolist()


def test_weights_stay_with_their_rows() -> None:
    split = replace(make_split(300), weights=np.arange(300.0))
    assert split.take(np.array([3, 1])).weights.tolist() == [3, 1]  # type: ignore[union-attr]
    assert (split + split).weights.tolist() == [*range(300), *range(300)]  # type: ignore[union-attr]
    assert (split + make_split(10)).weights is None


def declare(path: Path, **column: object) -> Problem:
    columns = {"size": {"kind": "number"}, "people": {"kind": "number", "required": True, "min": 0, **column}}
    return Problem(name="survey", source=path.as_uri(), target="spent", weight="people", columns=columns)  # type: ignore[arg-type]


@pytest.mark.parametrize("column", [{"kind": "category"}, {"required": False}, {"min": None}, {"min": -1}])
def test_every_row_needs_a_weight(column: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="weight: every row needs a number of 0 or more .* give columns.people the kind"
    ):
        declare(tmp_path, **column)


def test_weight_is_no_input_and_is_kept_with_the_set(warehouse_url: str, tmp_path: Path) -> None:
    path = tmp_path / "survey.csv"
    path.write_text("size,people,spent\n" + "".join(f"{row},{row % 7},{row * 2.5}\n" for row in range(200)))
    problem = declare(path)
    assert list(problem.dtypes) == ["size"]
    published = publish_set(warehouse_url, Settings(problem=problem, minimum_rows=10))  # type: ignore[arg-type]
    train = load_split(warehouse_url, published.version, "train")
    assert train.weights is not None
    assert train.weights.tolist() == (train.rows["size"] % 7).tolist()
    few = open_rows(warehouse_url, published.version, ["train"]).take(np.arange(0, len(train), 50))
    assert few.weights is not None
    assert few.weights.tolist() == train.weights[::50].tolist()
    assert PROBLEM.weight is None
