from typing import Any

import numpy as np
import pytest

from include.errors import SettingsError
from include.problem.data import columns_of_records
from include.problem.declaration import Problem
from include.problem.features import DEFAULTS, find_feature_set
from include.problem.kinds import KINDS, MISSING_CODE
from include.problem.texts import GROUPS
from include.problems.taxi.features import RICH
from tests.bikes import BIKES
from tests.splits import PROBLEM, REFERENCES, make_split


def compute(**record: Any) -> dict[str, Any]:
    """The default features of an hour."""
    columns = columns_of_records(BIKES, [record])
    return {name: values[0] for name, values in find_feature_set(BIKES, "default").compute(columns, {}).items()}


def declare(problem: Problem, **changes: Any) -> Problem:
    """The problem with other values of some keys."""
    return Problem(**(problem.to_dict() | changes))


def test_every_kind_that_says_something_has_default_features() -> None:
    assert DEFAULTS.keys() == {name for name, kind in KINDS.items() if kind.is_feature}


def test_default_features_follow_from_the_kinds() -> None:
    features = find_feature_set(BIKES, "default")
    assert features.categorical == ("weather", "station")
    assert features.numeric == (
        "rented_at_day_of_year", "rented_at_day", "inspected_at_day_of_year", "inspected_at_day",
        "holiday", "temperature", *(f"note={group:02}" for group in range(GROUPS)),
    )  # fmt: skip
    assert features.cyclic == (
        "rented_at_hour", "rented_at_weekday", "rented_at_month",
        "inspected_at_hour", "inspected_at_weekday", "inspected_at_month",
    )  # fmt: skip
    assert set(compute()) == set(features.names)


def test_numbers_flags_and_categories_are_features_as_they_are() -> None:
    found = compute(temperature=-3.5, holiday=1.0, weather="sun", station=7)
    assert {name: found[name] for name in ("temperature", "holiday", "weather", "station")} == {
        "temperature": -3.5, "holiday": 1, "weather": "sun", "station": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("time", "hour", "weekday", "month", "day_of_year", "day"),
    [
        ("2000-01-01T00:00", 0, 5, 1, 1, 0),  # a Saturday
        ("2024-02-29T23:45", 23.75, 3, 2, 60, 8825),
        ("2024-12-31T12:00:59", 12, 1, 12, 366, 9131),
        ("1969-12-31T18:15", 18.25, 2, 12, 365, -10958),
    ],
)
def test_time_is_its_hour_weekday_month_day_of_the_year_and_day(
    time: str, hour: float, weekday: int, month: int, day_of_year: int, day: int
) -> None:
    found = compute(rented_at=np.datetime64(time))
    parts = [found[f"rented_at_{part}"] for part in ("hour", "weekday", "month", "day_of_year", "day")]
    assert parts == [hour, weekday, month, day_of_year, day]


def test_missing_values_stay_missing() -> None:
    found = compute(rented_at=np.datetime64("2024-01-01"))
    assert {name for name, value in found.items() if isinstance(value, float) and np.isnan(value)} == {
        "holiday", "temperature", "inspected_at_hour", "inspected_at_weekday", "inspected_at_month",
        "inspected_at_day_of_year", "inspected_at_day",
    }  # fmt: skip
    assert (found["weather"], found["station"]) == (None, MISSING_CODE)


def test_column_that_a_feature_set_does_not_consider_has_its_default_features_behind_it() -> None:
    columns = PROBLEM.to_dict()["columns"] | {"passengers": {"kind": "number"}, "vendor": {"kind": "category"}}
    problem = declare(PROBLEM, columns=columns)
    features = find_feature_set(problem, "rich")
    assert features.names == (*RICH.categorical, "vendor", *RICH.numeric, "passengers", *RICH.cyclic)
    rows = dict(make_split(2).rows)
    added = {"passengers": np.array([1.0, np.nan]), "vendor": np.array(["A", None], dtype=object)}
    computed = features.compute(rows | added, REFERENCES)
    assert computed["passengers"] is added["passengers"]
    assert {name: values.tolist() for name, values in RICH.compute(rows, REFERENCES).items()} == {
        name: values.tolist() for name, values in computed.items() if name not in added
    }


def test_unknown_feature_set_is_an_error_that_names_those_there_are() -> None:
    choices = "rich, reference, pickup, default"
    with pytest.raises(SettingsError, match=f"Unknown feature set 'poor'; choose one of: {choices}"):
        find_feature_set(PROBLEM, "poor")


def test_feature_set_of_a_column_that_is_not_known_in_time_is_refused() -> None:
    problem = declare(PROBLEM, known_later=["dropoff_at", "trip_distance"], slices=[])
    with pytest.raises(SettingsError, match="'rich' uses trip_distance, which no model knows when it predicts"):
        find_feature_set(problem, "rich")


def test_two_features_of_one_name_are_refused() -> None:
    problem = declare(BIKES, columns=BIKES.to_dict()["columns"] | {"rented_at_hour": {"kind": "number"}})
    with pytest.raises(SettingsError, match="'default' has two features of the name rented_at_hour"):
        find_feature_set(problem, "default")


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"column": "returned", "most_frequent": 2}, "slices: 'returned' is not known when one predicts"),
        (
            {"column": "operator", "most_frequent": 2},
            "slices: 'operator' is not known when one predicts, or says nothing",
        ),
        ({"column": "weather"}, "slices: say for 'weather' what its slices are: bands, or most_frequent"),
    ],
)
def test_slices_that_cannot_be_measured_are_refused(part: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        declare(BIKES, slices=[part])
