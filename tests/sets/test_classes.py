"""A training set of classes: numbers in the table, names in what is said of it, and no class without a row."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.errors import DataQualityError
from include.problem.data import Split
from include.problem.declaration import Problem
from include.sets.baselines import list_baselines
from include.sets.examples import load_split
from include.sets.frame_checks import find_unlearnable
from include.sets.left_out import CLASS_MISSING
from include.sets.profile import columns_of, list_quantities, list_watched, profile_split
from include.settings import Settings
from tests.classified import LEAVING, TIERS, make_customers, make_split
from tests.published_sets import publish_set
from tests.warehouse_rows import query


def declare(problem: Problem, path: Path, frame: pd.DataFrame, **changes: Any) -> Settings:
    frame.to_csv(path, index=False)
    return Settings(problem=problem, minimum_rows=20).change(source=path.as_uri(), **changes)


# What a target looks like


def test_classes_are_profiled_by_their_names() -> None:
    split = make_split(TIERS, 500)
    profile = profile_split(TIERS, split)["target"]
    counts = np.bincount(split.target.astype(int))
    assert profile["frequent"] == {name: counts[number] for number, name in enumerate(TIERS.labels)}
    assert (profile["count"], profile["distinct"]) == (500, 3)
    assert "mean" not in profile


def test_classes_are_watched_and_are_no_quantity() -> None:
    assert list_quantities(LEAVING) == ("tenure",)
    assert list_watched(LEAVING) == ("tenure", "contract", "target")


def test_row_without_a_class_counts_as_missing() -> None:
    split = Split(make_split(LEAVING, 4).rows, np.array([0, 1, np.nan, 7]))
    assert columns_of(LEAVING, split)["target"].tolist() == ["No", "Yes", None, None]
    assert profile_split(LEAVING, split)["target"]["missing"] == 2


# From the source to a published set


@pytest.mark.parametrize("problem", [LEAVING, TIERS], ids=lambda problem: problem.name)
def test_set_of_classes_is_published_with_their_shares_as_baseline(
    warehouse_url: str, tmp_path: Path, problem: Problem
) -> None:
    frame = make_customers(problem, 600)
    published = publish_set(warehouse_url, declare(problem, tmp_path / "table.csv", frame))
    train = load_split(warehouse_url, published.version, "train")
    assert set(train.target) == set(range(len(problem.labels)))
    target = "SELECT statistics #> '{target,frequent}' FROM training.sets"
    [(frequent,)] = query(warehouse_url, target)
    assert sum(frequent.values()) == len(train)
    [baseline] = list_baselines(warehouse_url, published.version)
    shares = [float(np.mean(train.target == number)) for number in range(len(problem.labels))]
    assert baseline.value == pytest.approx(shares)
    test = load_split(warehouse_url, published.version, "test")
    expected = problem.objective.measure(test.target, np.tile(shares, (len(test), 1)))
    for key in ("log_loss", "brier"):
        assert baseline.errors["test"][key] == pytest.approx(expected[key])


def test_columns_under_suspicion_are_those_that_say_the_class(warehouse_url: str, tmp_path: Path) -> None:
    frame = make_customers(LEAVING, 600).assign(Contract=lambda customers: customers["Left"].str.upper())
    publish_set(warehouse_url, declare(LEAVING, tmp_path / "table.csv", frame))
    [(suspects,)] = query(warehouse_url, "SELECT suspects FROM training.sets")
    assert list(suspects) == ["contract"]


def test_row_without_a_class_is_left_out_by_name(warehouse_url: str, tmp_path: Path) -> None:
    frame = make_customers(LEAVING, 600)
    frame.loc[:9, "Left"] = None
    frame.loc[10:14, "Left"] = "Perhaps"
    published = publish_set(warehouse_url, declare(LEAVING, tmp_path / "table.csv", frame))
    assert published.counts["filtered"] == 10
    assert published.counts["rejected"] == 5
    [(left_out,)] = query(warehouse_url, "SELECT left_out FROM training.sets")
    assert {entry["rule"]: entry["rows"] for entry in left_out} == {
        CLASS_MISSING: 10,
        "target: none of the classes": 5,
    }


def test_class_that_nothing_trains_on_is_refused_by_name(warehouse_url: str, tmp_path: Path) -> None:
    settings = declare(LEAVING, tmp_path / "table.csv", make_customers(LEAVING, 600), classes=["No", "Yes", "Perhaps"],
                       positive=None, cost_missed=None)  # fmt: skip
    with pytest.raises(DataQualityError, match=r"train: no row of class 'Perhaps'.*load more rows.*\(CLASSES\)"):
        publish_set(warehouse_url, settings)
    assert query(warehouse_url, "SELECT state FROM training.sets") == [("failed",)]


def test_rows_whose_weight_is_nothing_train_no_class() -> None:
    problem = Problem(**{**LEAVING.to_dict(), "weight": "tenure"})
    split = make_split(problem, 20)
    assert find_unlearnable(problem, replace(split, weights=np.ones(20))) == []
    [told] = find_unlearnable(problem, replace(split, weights=1.0 - split.target))
    assert told.startswith("train: no row of class 'Yes' that counts, so that no model can learn it: load more rows")
    [told] = find_unlearnable(problem, replace(split, weights=np.zeros(20)))
    assert told.startswith("train: the weight, tenure, is 0 in every row")
