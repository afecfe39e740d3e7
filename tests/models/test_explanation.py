from functools import cache

import numpy as np
import pytest

from include.models.artifact import Model
from include.models.explanation import Explanation, draw_summary, explain, sample
from include.models.fitting import encode, fit
from include.models.table import MODELS
from tests.splits import PROBLEM, REFERENCES, make_split

TRAIN, OTHERS = make_split(400), make_split(40, seed=3)


@cache
def make_model(name: str, feature_set: str = "rich") -> Model:
    data = encode(MODELS[name], PROBLEM, feature_set, REFERENCES, TRAIN, OTHERS)
    return Model.of(data, fit(MODELS[name], MODELS[name].start, data, random_state=1, threads=1).estimator, {})


@pytest.mark.parametrize(
    "name", ["gbtree.squarederror", "dart.squarederror", "gblinear.squarederror", "gbdt.squarederror"]
)
def test_contributions_and_base_add_up_to_the_prediction(name: str) -> None:
    model = make_model(name)
    found = explain(model, OTHERS.rows)
    total = found.contributions.sum(axis=1) + found.base
    assert total == pytest.approx(model.predict(OTHERS.rows), rel=1e-4)


@pytest.mark.parametrize("name", ["gbtree.gamma", "gbtree.logsquarederror", "gbdt.gamma", "gbdt.tweedie"])
def test_contributions_add_up_to_the_logarithm_where_the_objective_or_the_target_is_one(name: str) -> None:
    model = make_model(name)
    found = explain(model, OTHERS.rows)
    total = np.exp(found.contributions.sum(axis=1) + found.base)
    assert total == pytest.approx(model.predict(OTHERS.rows), rel=1e-4)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("gbtree.squarederror", "minutes"),
        ("gbtree.gamma", "log minutes"),
        ("gbtree.tweedie", "log minutes"),
        ("gbtree.logsquarederror", "log minutes"),
        ("gbdt.squarederror", "minutes"),
        ("gbdt.gamma", "log minutes"),
        ("gbdt.tweedie", "log minutes"),
    ],
)
def test_unit_follows_the_objective(name: str, unit: str) -> None:
    assert explain(make_model(name), OTHERS.rows).unit == unit


def test_one_hot_columns_are_added_up_to_their_feature() -> None:
    model = make_model("gblinear.squarederror", "reference")
    found = explain(model, OTHERS.rows)
    assert len(model.encoder.feature_names) > 10
    assert set(found.features) == {"PU_DO", "trip_distance"}
    assert found.contributions.shape == (40, 2)


def test_features_are_named_as_the_feature_set_names_them() -> None:
    assert set(explain(make_model("gbtree.squarederror"), OTHERS.rows).features) == {
        "pickup_zone", "dropoff_zone", "trip_distance", "straight_distance", "detour", "bearing", "pickup_longitude",
        "pickup_latitude", "dropoff_longitude", "dropoff_latitude", "hour", "weekday",
    }  # fmt: skip


def test_strongest_feature_comes_first() -> None:
    found = explain(make_model("gbtree.squarederror"), OTHERS.rows)
    strengths = [row["mean_abs_shap"] for row in found.strengths]
    # The trips' durations were made of it.
    assert found.features[0] == "trip_distance"
    assert strengths == sorted(strengths, reverse=True)


def test_strengths_are_means_of_absolute_contributions() -> None:
    found = Explanation(("distance", "hour"), np.array([[2.0, 0.5], [-4.0, 0.5]]), base=10, unit="minutes")
    assert found.strengths == [
        {"feature": "distance", "mean_abs_shap": 3.0},
        {"feature": "hour", "mean_abs_shap": 0.5},
    ]


def test_sample_is_drawn_without_repeats_in_order_and_by_seed() -> None:
    first, same, other = (sample(TRAIN, 50, seed)["trip_distance"] for seed in (1, 1, 2))
    positions = np.flatnonzero(np.isin(TRAIN.rows["trip_distance"], first))
    assert len(set(first)) == 50
    assert TRAIN.rows["trip_distance"][positions].tolist() == first.tolist()
    assert (np.array_equal(first, same), np.array_equal(first, other)) == (True, False)


def test_sample_of_fewer_trips_is_all_of_them() -> None:
    assert len(sample(OTHERS, 500, 1)["trip_distance"]) == 40


def test_summary_shows_a_bar_and_points_for_each_feature() -> None:
    found = explain(make_model("gbtree.squarederror"), OTHERS.rows)
    bars, points = draw_summary(found, "title").axes
    assert [label.get_text() for label in bars.get_yticklabels()][-1] == found.features[0]
    assert len(bars.patches) == len(found.features)
    assert sum(len(line.get_xdata()) == 40 for line in points.lines) == len(found.features)
