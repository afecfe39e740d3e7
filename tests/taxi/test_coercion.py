from datetime import datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.taxi.raw.coercion import coerce_float, coerce_integer, coerce_timestamp

NEW_YORK = "America/New_York"
NOON = datetime(2024, 1, 1, 12)


def failures(failed: pa.Array | None) -> list[bool]:
    return failed.to_pylist() if failed is not None else []


@pytest.mark.parametrize(
    "array",
    [
        pa.array([NOON, None], pa.timestamp("us")),
        pa.array([NOON, None], pa.timestamp("ns")),
        pa.array([NOON, None], pa.timestamp("s")),
        pa.array([datetime(2024, 1, 1, 17), None], pa.timestamp("us", "UTC")),
        pa.array([datetime(2024, 1, 1, 17), None], pa.timestamp("ns", "Asia/Tokyo")),
        pa.array(["2024-01-01 12:00:00", ""]),
        pa.array(["2024-01-01T12:00:00.000", None], pa.large_string()),
        pa.array(["2024-01-01T17:00:00Z", None]),
        pa.array(["2024-01-01 18:00:00+01:00", None]),
        pa.array(["2024-01-01 12:00:00", ""]).dictionary_encode(),
    ],
    ids=lambda array: f"{array.type} {array[0]}",
)
def test_time_of_any_kind_becomes_wall_time_in_microseconds(array: pa.Array) -> None:
    coerced = coerce_timestamp(array, NEW_YORK)
    assert coerced.array.type == pa.timestamp("us")
    assert coerced.array.to_pylist() == [NOON, None]
    assert coerced.failed is None


def test_date_becomes_its_midnight() -> None:
    assert coerce_timestamp(pa.array([NOON.date()]), NEW_YORK).array.to_pylist() == [datetime(2024, 1, 1)]


def test_text_that_is_no_time_becomes_null_and_is_reported_among_good_ones() -> None:
    array = pa.array(["2024-01-01 12:00:00", "soon", "2024-01-01T17:00:00Z", None, "2024-13-01"])
    coerced = coerce_timestamp(array, NEW_YORK)
    assert coerced.array.to_pylist() == [NOON, None, NOON, None, None]
    assert failures(coerced.failed) == [False, True, False, False, True]


def test_number_is_no_time() -> None:
    assert failures(coerce_timestamp(pa.array([1_704_000_000]), NEW_YORK).failed) == [True]


def test_whole_numbers_become_integers_from_any_type_and_others_are_reported() -> None:
    values = [1.0, 2.5, float("nan"), None, 3e9]
    assert coerce_integer(pa.array(values)).array.to_pylist() == [1, None, None, None, None]
    assert failures(coerce_integer(pa.array(values)).failed) == [False, True, False, False, True]
    assert coerce_integer(pa.array(["7", " 8 ", "x", ""])).array.to_pylist() == [7, 8, None, None]
    assert coerce_integer(pa.array(["7", "x"]).dictionary_encode()).array.to_pylist() == [7, None]
    assert failures(coerce_integer(pa.array([1, 2**40])).failed) == [False, True]


def test_true_is_no_number() -> None:
    assert failures(coerce_float(pa.array([True])).failed) == [True]


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False)))
def test_floats_written_as_text_come_back_as_they_were(values: list[float | None]) -> None:
    texts = pa.array([None if value is None else repr(value) for value in values], pa.string())
    coerced = coerce_float(texts)
    assert coerced.array.to_pylist() == values
    assert coerced.failed is None


@given(st.lists(st.none() | st.text(max_size=8)))
def test_any_text_becomes_a_number_or_null_or_is_reported(values: list[str | None]) -> None:
    coerced = coerce_float(pa.array(values, pa.string()))
    reported = failures(coerced.failed) or [False] * len(values)
    for value, number, failed in zip(values, coerced.array.to_pylist(), reported, strict=True):
        assert failed == (number is None and bool((value or "").strip()))


@given(st.lists(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1))))
def test_times_written_as_text_come_back_as_they_were(values: list[datetime]) -> None:
    coerced = coerce_timestamp(pa.array([str(value) for value in values], pa.string()), NEW_YORK)
    assert coerced.array.to_pylist() == values
