import json

import numpy as np

from include.models.evaluation import measure_slices
from include.problem.kinds import MISSING_CODE
from include.problem.parts import Slice
from tests.splits import PROBLEM, make_trips

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


def test_rows_without_a_code_or_a_time_are_in_no_band() -> None:
    slices = (
        Slice(column="pickup_zone", bands={"below 18": (None, 18), "from 18": (18, None)}),
        Slice(column="hour", bands={"till 12": (None, 12), "from 12": (12, None)}),
        Slice(name="most frequent", column="hour", most_frequent=2),
    )
    trips = make_trips(["NaT", "NaT", "2024-01-01T12:00"], [(MISSING_CODE, 1), (5, 1), (30, 1)], [1.0, 1.0, 1.0])
    actual = np.full(3, 10.0)
    found = measure_slices(PROBLEM.model_copy(update={"slices": slices}), trips, actual, actual + 1)
    assert {(row["slicing"], row["value"]): row["rows"] for row in found} == {
        ("pickup_zone", "missing"): 1,
        ("pickup_zone", "below 18"): 1,
        ("pickup_zone", "from 18"): 1,
        ("hour", "missing"): 2,
        ("hour", "from 12"): 1,
        ("most frequent", "missing"): 2,
        ("most frequent", "12"): 1,
    }


def test_slices_of_a_single_row_are_valid_json() -> None:
    json.dumps(measure_slices(PROBLEM, TRIPS, ACTUAL, PREDICTED), allow_nan=False)


def test_all_but_the_five_busiest_pickup_zones_are_one_slice() -> None:
    zones = [7, 7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 1]
    trips = make_trips(["2024-01-01T12:00"] * 13, [(zone, 1) for zone in zones], [2.0] * 13)
    slices = measure_slices(PROBLEM, trips, np.full(13, 10.0), np.full(13, 11.0))
    found = {row["value"]: row["rows"] for row in slices if row["slicing"] == "pickup_zone"}
    assert found == {"7": 3, "6": 2, "5": 2, "4": 2, "3": 2, "other": 2}


def test_numbers_that_differ_in_a_late_digit_are_slices_of_their_own() -> None:
    slices = (Slice(column="trip_distance", most_frequent=3),)
    trips = {**TRIPS, "trip_distance": np.array([1234567.0, 1234568, 1234568, 0.1, np.nan])}
    found = measure_slices(PROBLEM.model_copy(update={"slices": slices}), trips, ACTUAL, PREDICTED)
    assert {row["value"]: (row["rows"], row["mae"]) for row in found} == {
        "1234567": (1, 1),
        "1234568": (2, 2.5),
        "0.1": (1, 4),
        "other": (1, 5),
    }
