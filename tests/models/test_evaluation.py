import json

import numpy as np
import pytest

from include.models.evaluation import measure, measure_slices
from tests.splits import PROBLEM, make_trips


def test_measures_of_known_errors() -> None:
    # Errors 2, 0, -3 and 5 minutes.
    measures = measure(np.array([10.0, 20, 30, 40]), np.array([12.0, 20, 27, 45]))
    assert measures == {
        "rmse": pytest.approx(3.08221),
        "mae": 2.5,
        "p50_error": 2.5,
        "p90_error": pytest.approx(4.4),
        "r2": pytest.approx(0.924),
    }


def test_perfect_predictions_have_no_error() -> None:
    actual = np.array([10.0, 20, 30])
    assert measure(actual, actual) == {"rmse": 0, "mae": 0, "p50_error": 0, "p90_error": 0, "r2": 1}


def test_mean_as_prediction_explains_nothing() -> None:
    assert measure(np.array([10.0, 20, 30]), np.full(3, 20.0))["r2"] == 0


def test_worse_than_the_mean_is_negative() -> None:
    assert measure(np.array([10.0, 20, 30]), np.array([30.0, 20, 10]))["r2"] == -3


@pytest.mark.parametrize(("predicted", "r2"), [([10.0, 10.0], 1), ([10.0, 12.0], 0)])
def test_r2_of_a_constant_target_is_a_number(predicted: list[float], r2: float) -> None:
    assert measure(np.array([10.0, 10.0]), np.array(predicted))["r2"] == r2


def test_r2_of_a_target_that_only_rounding_varies_is_that_of_a_constant_one() -> None:
    actual = np.array([0.1 + 0.2, 0.3, 0.3])
    assert np.ptp(actual) > 0
    assert measure(actual, np.full(3, 0.3 + 1e-16))["r2"] == 0
    assert measure(1e6 * actual, np.full(3, 4e5))["r2"] == 0
    assert measure(np.array([0.3, 0.3 + 1e-9]), np.array([0.3, 0.3 + 1e-9]))["r2"] == 1


def test_no_rows_are_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match="There are no rows to measure an error on"):
        measure(np.array([]), np.array([]))


TRIPS = make_trips(
    ["2024-01-01T05:59", "2024-01-01T06:00", "2024-01-01T10:00", "2024-01-01T16:00", "2024-01-01T23:59"],
    [(1, 2), (1, 2), (1, 2), (1, 2), (1, 2)],
    [0.99, 1.0, 3.0, 8.0, 50.0],
)
ACTUAL = np.array([10.0, 10, 10, 10, 10])
PREDICTED = np.array([11.0, 12, 13, 14, 15])


def test_slices_hold_the_rows_from_their_lower_bound_to_before_their_upper_one() -> None:
    slices = measure_slices(PROBLEM, TRIPS, ACTUAL, PREDICTED)
    found = {(row["slicing"], row["value"]): (row["rows"], row["mae"]) for row in slices}
    assert found == {
        ("hour", "night 0-6"): (1, 1),
        ("hour", "morning 6-10"): (1, 2),
        ("hour", "midday 10-16"): (1, 3),
        ("hour", "evening 16-24"): (2, 4.5),
        ("distance", "under 1 mile"): (1, 1),
        ("distance", "1-3 miles"): (1, 2),
        ("distance", "3-8 miles"): (1, 3),
        ("distance", "over 8 miles"): (2, 4.5),
        ("pickup_zone", "1"): (5, 3),
    }


def test_rows_without_a_number_are_a_slice_of_their_own_by_name() -> None:
    trips = {**TRIPS, "trip_distance": np.array([0.5, np.nan, np.nan, 2.0, 9.0])}
    found = measure_slices(PROBLEM, trips, ACTUAL, PREDICTED)
    assert {row["value"]: row["rows"] for row in found if row["slicing"] == "distance"} == {
        "under 1 mile": 1,
        "1-3 miles": 1,
        "over 8 miles": 1,
        "missing": 2,
    }


def test_slices_of_a_single_row_are_valid_json() -> None:
    json.dumps(measure_slices(PROBLEM, TRIPS, ACTUAL, PREDICTED), allow_nan=False)


def test_all_but_the_five_busiest_pickup_zones_are_one_slice() -> None:
    zones = [7, 7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 1]
    trips = make_trips(["2024-01-01T12:00"] * 13, [(zone, 1) for zone in zones], [2.0] * 13)
    slices = measure_slices(PROBLEM, trips, np.full(13, 10.0), np.full(13, 11.0))
    found = {row["value"]: row["rows"] for row in slices if row["slicing"] == "pickup_zone"}
    assert found == {"7": 3, "6": 2, "5": 2, "4": 2, "3": 2, "other": 2}
