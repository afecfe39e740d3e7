import tracemalloc
from datetime import datetime
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.prediction.inputs import (
    MOST_FLAWS,
    InputFormat,
    InputsInvalid,
    describe_row,
    parse_rows,
)
from include.problem.kinds import MISSING_CODE
from include.problem.numerals import NUMBER, WHOLE_NUMBER
from include.problem.request_values import FLAGS, GIVEN_TIME
from include.settings import Settings
from tests.rentals import HOUR, RENTALS

FORM = InputFormat.of(Settings().problem)
TRIP = {"pickup_at": "2024-02-14T18:30:00", "pickup_zone": 74, "dropoff_zone": 75, "trip_distance": 1.98}
NOW = datetime(2024, 3, 10, 12, 0)


def parse_one(**changes: Any) -> dict[str, Any]:
    """The values of one trip; a change to `...` leaves the field out."""
    trip = {name: value for name, value in {**TRIP, **changes}.items() if value is not ...}
    return {name: column[0] for name, column in parse_rows([trip], FORM, NOW).items()}


def problems_of(*trips: Any) -> list[tuple[int, str, str]]:
    with pytest.raises(InputsInvalid) as caught:
        parse_rows(trips, FORM, NOW)
    return [(problem.row, problem.field, problem.message) for problem in caught.value.problems]


def is_described(trip: Any) -> bool:
    """Whether the JSON Schema accepts the trip."""
    return jsonschema.Draft202012Validator(describe_row(FORM)).is_valid(trip)


def test_columns_come_in_the_types_and_order_that_features_are_computed_of() -> None:
    columns = parse_rows([TRIP, {**TRIP, "pickup_zone": 41}], FORM)
    assert {name: str(column.dtype) for name, column in columns.items()} == FORM.problem.dtypes
    assert columns["pickup_zone"].tolist() == [74, 41]


def test_source_names_mean_the_same_as_neutral_ones() -> None:
    source = {
        "lpep_pickup_datetime": TRIP["pickup_at"], "PULocationID": 74, "DOLocationID": 75, "trip_distance": 1.98,
    }  # fmt: skip
    assert parse_rows([source], FORM) == parse_rows([TRIP], FORM)


def test_names_follow_the_settings() -> None:
    yellow = InputFormat.of(Settings(column_pickup_at="tpep_pickup_datetime").problem)
    trip = {"tpep_pickup_datetime": "2024-02-14", "pickup_zone": 74, "dropoff_zone": 75, "trip_distance": 1}
    assert parse_rows([trip], yellow)["pickup_at"][0] == np.datetime64("2024-02-14")


@pytest.mark.parametrize("given_as", [74, 74.0, "74", " 74 "])
def test_zone_is_a_whole_number_also_as_text(given_as: Any) -> None:
    assert parse_one(pickup_zone=given_as)["pickup_zone"] == 74


@pytest.mark.parametrize("given_as", [2, 2.0, "2", " 2.0 "])
def test_distance_is_a_number_also_as_text(given_as: Any) -> None:
    assert parse_one(trip_distance=given_as)["trip_distance"] == 2.0


@pytest.mark.parametrize("given_as", [..., None, ""])
def test_missing_pickup_is_now(given_as: Any) -> None:
    assert parse_one(pickup_at=given_as)["pickup_at"] == np.datetime64(NOW)


def test_now_is_the_wall_time_of_the_source() -> None:
    elsewhere = InputFormat.of(Settings(timezone="Pacific/Kiritimati").problem)
    trip = {name: value for name, value in TRIP.items() if name != "pickup_at"}
    here, there = (parse_rows([trip], form)["pickup_at"][0] for form in (FORM, elsewhere))
    # New York and the islands that see a day first are 18 or 19 hours apart.
    assert there - here > np.timedelta64(17, "h")


@pytest.mark.parametrize(
    ("given_as", "wall_time"),
    [
        ("2024-02-14", "2024-02-14T00:00"),
        ("2024-02-14 18:30", "2024-02-14T18:30"),
        ("2024-02-14T18:30:15.5", "2024-02-14T18:30:15.5"),
        ("2024-02-14T23:30:00Z", "2024-02-14T18:30"),
        ("2024-07-14T18:30:00+00:00", "2024-07-14T14:30"),
        ("2024-02-29", "2024-02-29"),
    ],
)
def test_time_with_an_offset_becomes_wall_time_and_others_stay(given_as: str, wall_time: str) -> None:
    assert parse_one(pickup_at=given_as)["pickup_at"] == np.datetime64(wall_time)


REFUSED = [
    ({"pickup_zone": "Queens"}, "must be a whole number, not 'Queens'"),
    ({"pickup_zone": 1.5}, "must be a whole number, not 1.5"),
    ({"pickup_zone": True}, "must be a whole number, not True"),
    ({"pickup_zone": None}, "must be a whole number, not None"),
    ({"pickup_zone": [74]}, "must be a whole number, not list"),
    ({"pickup_zone": float("nan")}, "must be a whole number, not nan"),
    ({"dropoff_zone": 0}, "must be a whole number from 1 to 2147483647"),
    ({"dropoff_zone": 2**31}, "must be a whole number from 1 to 2147483647"),
    ({"dropoff_zone": 10**400}, "must be a whole number from 1 to 2147483647"),
    ({"trip_distance": "far"}, "must be a number, not 'far'"),
    ({"trip_distance": -0.1}, "must be a number from 0 to 1000000"),
    ({"trip_distance": 1e300}, "must be a number from 0 to 1000000"),
    ({"trip_distance": 10**400}, "must be a number from 0 to 1000000"),
    ({"trip_distance": float("nan")}, "must be a number from 0 to 1000000"),
    ({"trip_distance": float("inf")}, "must be a number from 0 to 1000000"),
    ({"trip_distance": False}, "must be a number, not False"),
    ({"pickup_at": "yesterday"}, "must be a time such as 2024-02-14T18:30:00, not 'yesterday'"),
    ({"pickup_at": "2023-02-29"}, "must be a time such as 2024-02-14T18:30:00, not '2023-02-29'"),
    ({"pickup_at": "2024-06-31"}, "must be a time such as 2024-02-14T18:30:00, not '2024-06-31'"),
    ({"pickup_at": 1707935400}, "must be a time such as 2024-02-14T18:30:00, not 1707935400"),
    ({"pickup_at": "x" * 1000}, f"must be a time such as 2024-02-14T18:30:00, not '{'x' * 59}..."),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=lambda value: str(value)[:50])
def test_value_that_cannot_be_used_is_refused_by_the_name_of_its_field(change: dict[str, Any], message: str) -> None:
    assert problems_of({**TRIP, **change}) == [(0, next(iter(change)), message)]


@pytest.mark.parametrize("change", [change for change, _ in REFUSED if 10**400 not in change.values()], ids=str)
def test_schema_refuses_what_the_parser_refuses(change: dict[str, Any]) -> None:
    nan = [value for value in change.values() if value != value]
    assert not is_described({**TRIP, **change}) or nan, "JSON has no NaN"


@pytest.mark.parametrize("name", ["pickup_zone", "dropoff_zone", "trip_distance"])
def test_field_that_a_trip_cannot_do_without_is_missed_by_name(name: str) -> None:
    trip = {other: value for other, value in TRIP.items() if other != name}
    assert problems_of(trip) == [(0, name, "is missing")]
    assert not is_described(trip)


def test_unknown_field_is_refused_so_that_a_misspelt_one_is_not_overlooked() -> None:
    [(_, field, message)] = problems_of({**TRIP, "pickup_tim": "2024-02-14"})
    assert field == "pickup_tim"
    assert message == "is not a field of a trip; did you mean pickup_at?"
    assert not is_described({**TRIP, "pickup_tim": "2024-02-14"})


def test_field_that_is_given_by_both_names_is_refused() -> None:
    trip = {**TRIP, "PULocationID": 74}
    assert problems_of(trip) == [(0, "PULocationID", "is pickup_zone, which is given twice")]
    assert not is_described(trip)


@pytest.mark.parametrize("record", [None, 5, "74", [74, 75]])
def test_record_that_is_no_object_is_refused(record: Any) -> None:
    assert problems_of(TRIP, record)[0][:2] == (1, "")
    assert not is_described(record)


def test_every_wrong_trip_is_numbered_and_the_message_names_them() -> None:
    with pytest.raises(InputsInvalid, match=r"inputs\[1\]\.pickup_zone must .*; inputs\[3\]\.trip_distance is missing"):
        parse_rows([TRIP, {**TRIP, "pickup_zone": "x"}, TRIP, {"pickup_zone": 1, "dropoff_zone": 2}], FORM)


def test_only_the_first_problems_are_named_where_there_are_many() -> None:
    assert len(problems_of(*[{}] * 1000)) == MOST_FLAWS


def test_no_more_is_said_of_a_row_with_many_unknown_fields_than_of_many_rows() -> None:
    tracemalloc.start()
    problems = problems_of({f"unknown_{number}": 0 for number in range(20_000)})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(problems) == MOST_FLAWS
    assert peak < 5e6, "one message for each of them took ten times as much"


def test_distance_bounds_are_those_that_training_keeps() -> None:
    near = InputFormat.of(Settings(trip_distance_min=0.5, trip_distance_max=10).problem)
    with pytest.raises(InputsInvalid, match="trip_distance must be a number from 0.5 to 10"):
        parse_rows([{**TRIP, "trip_distance": 11}], near)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.sampled_from([*FORM.names, "other"]), values),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=3))
def test_whatever_json_comes_is_parsed_or_refused(records: list[Any]) -> None:
    try:
        columns = parse_rows(records, FORM)
    except InputsInvalid as error:
        assert error.problems
    else:
        assert {len(column) for column in columns.values()} == {len(records)}
        assert np.isfinite(columns["trip_distance"]).all()


@given(
    st.fixed_dictionaries(
        {
            "pickup_zone": st.integers() | st.from_regex(WHOLE_NUMBER),
            "dropoff_zone": st.integers(1, 300).map(str),
            "trip_distance": st.floats(allow_nan=False) | st.from_regex(NUMBER),
            "pickup_at": st.none() | st.datetimes().map(str) | st.from_regex(GIVEN_TIME),
        }
    )
)
def test_parser_accepts_what_the_schema_accepts(trip: dict[str, Any]) -> None:
    if is_described(trip):
        assert parse_rows([trip], FORM)


# Another problem, with values that may be missing.
RENTAL_FORM = InputFormat.of(RENTALS)
BLANKS = st.sampled_from(["", " ", "\n", "\u3000"])
RENTAL_VALUES = {
    "at_hour": st.none() | BLANKS | st.from_regex(GIVEN_TIME),
    "weather": st.text() | st.floats(allow_nan=False) | st.none(),
    "holiday": st.booleans() | st.sampled_from([*FLAGS, "Yes", " NO ", "", "  ", "maybe", 0, 1, 1.0, 2]),
    "temperature": st.floats(allow_nan=False) | st.from_regex(NUMBER) | st.sampled_from([None, "", " ", "50.5", "-40"]),
    "station": st.integers() | st.from_regex(WHOLE_NUMBER) | st.sampled_from([None, "", " \n", 1.0, "0"]),
    "opened_at": st.none() | BLANKS | st.from_regex(GIVEN_TIME),
    "remark": st.text() | st.none(),
}


def parse_rental(**changes: Any) -> dict[str, Any]:
    return {name: column[0] for name, column in parse_rows([{**HOUR, **changes}], RENTAL_FORM, NOW).items()}


def is_rental_described(record: Any) -> bool:
    return jsonschema.Draft202012Validator(describe_row(RENTAL_FORM)).is_valid(record)


def test_each_kind_is_read_in_its_type() -> None:
    columns = parse_rows([HOUR, HOUR], RENTAL_FORM)
    assert {name: str(column.dtype) for name, column in columns.items()} == RENTALS.dtypes
    row = parse_rental(station="7", remark=" new  bikes ", opened_at="2019-03-01")
    assert (row["weather"], row["holiday"], row["station"], row["remark"]) == ("sunny", 0.0, 7, "new  bikes")
    assert row["opened_at"] == np.datetime64("2019-03-01")


@pytest.mark.parametrize(
    "left_out", [{}, *(dict.fromkeys(RENTALS.columns, blank) for blank in (None, "", " ", "\t \n"))]
)
def test_value_that_may_be_missing_becomes_its_kinds_missing_one(left_out: dict[str, Any]) -> None:
    needed = {"weather": "sunny", "holiday": True}
    [row] = [{name: column[0] for name, column in parse_rows([{**left_out, **needed}], RENTAL_FORM, NOW).items()}]
    assert np.isnan(row["temperature"])
    assert np.isnat(row["opened_at"])
    assert (row["station"], row["remark"]) == (MISSING_CODE, None)
    assert row["at_hour"] == np.datetime64(NOW)
    assert is_rental_described({**left_out, **needed})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weather": " "}, "must be a text that is not empty"),
        ({"weather": None}, "must be a text, not None"),
        ({"weather": "a\0"}, "must be a text without control characters"),
        ({"weather": ["sunny"]}, "must be a text, not list"),
        ({"holiday": "maybe"}, "must be true or false, not 'maybe'"),
        ({"holiday": 2}, "must be true or false, not 2"),
        ({"holiday": None}, "must be true or false, not None"),
        ({"temperature": "51"}, "must be a number from -40 to 50"),
        ({"temperature": "hot"}, "must be a number, not 'hot'"),
        ({"station": -1}, "must be a whole number from 0 to 2147483647"),
        ({"remark": "x" * 10_001}, "must be a text of at most 10000 letters"),
        ({"opened_at": "then"}, "must be a time such as 2024-02-14T18:30:00, not 'then'"),
    ],
    ids=str,
)
def test_wrong_value_of_any_kind_is_refused_by_parser_and_schema(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputsInvalid) as caught:
        parse_rows([{**HOUR, **change}], RENTAL_FORM)
    assert [(flaw.field, flaw.message) for flaw in caught.value.problems] == [(next(iter(change)), message)]
    assert not is_rental_described({**HOUR, **change})


def test_rows_are_called_what_the_problem_calls_them() -> None:
    with pytest.raises(InputsInvalid, match="is not a field of an hour; the fields are at_hour, weather"):
        parse_rows([{**HOUR, "wind": 3}], RENTAL_FORM)


@given(st.fixed_dictionaries(RENTAL_VALUES))
def test_schema_of_any_kind_accepts_nothing_that_the_parser_refuses(record: dict[str, Any]) -> None:
    if is_rental_described(record):
        assert parse_rows([record], RENTAL_FORM)
