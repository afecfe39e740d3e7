from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.problem.numerals import LARGEST
from include.problem.reading import MISSING_MARKS
from include.raw.numbers import coerce_float, coerce_integer
from include.raw.times import coerce_timestamp, end_after

NEW_YORK = "America/New_York"
NOON = datetime(2024, 1, 1, 12)
# Shortly before clocks change in New York, Berlin and on Lord Howe Island, in UTC.
CLOCK_CHANGES = [datetime.fromisoformat(f"2024-{time}") for time in (
    "03-10T06:50", "11-03T05:50", "03-31T00:50", "10-27T00:50", "04-06T14:50", "10-05T15:20",
)]  # fmt: skip


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


@pytest.mark.parametrize(
    "array",
    [
        pa.array([2**62, 0, None, -(2**62)]).cast(pa.timestamp("s")),
        pa.array([2**62, 0, None, -(2**62)]).cast(pa.timestamp("s", "UTC")),
        pa.array([2**62, 0, None, -(2**62)]).cast(pa.timestamp("ms")),
        pa.array([2**63 - 1, 0, None, -(2**63)]).cast(pa.timestamp("us")),  # what Postgres calls infinity
        pa.array([2**63 - 1, 0, None, -(2**63)]).cast(pa.timestamp("us", "Asia/Tokyo")),
        pa.array([2**31 - 1, 0, None, -(2**31)], pa.int32()).cast(pa.date32()),
    ],
    ids=lambda array: str(array.type),
)
def test_time_beyond_the_years_that_can_be_stored_becomes_null_and_is_marked(array: pa.Array) -> None:
    coerced = coerce_timestamp(array, "UTC")
    assert coerced.array.to_pylist() == [None, datetime(1970, 1, 1), None, None]
    assert (failures(coerced.beyond), coerced.failed) == ([True, False, False, True], None)


@pytest.mark.parametrize("kind", ["text", "text with a zone"])
def test_text_of_a_year_that_cannot_be_stored_is_reported_once(kind: str) -> None:
    zone = "Z" if "zone" in kind else ""
    array = pa.array([f"0000-06-01 00:00:00{zone}", f"2024-01-01 12:00:00{zone}", f"12024-01-01 12:00:00{zone}"])
    coerced = coerce_timestamp(array, "UTC")
    assert coerced.array.to_pylist() == [None, NOON, None]
    reported = zip(failures(coerced.failed) or [False] * 3, failures(coerced.beyond) or [False] * 3, strict=True)
    assert [failed + beyond for failed, beyond in reported] == [1, 0, 1]


@pytest.mark.parametrize("form", ["timestamps", "text"])
@given(
    zone=st.sampled_from([NEW_YORK, "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
    start=st.datetimes(datetime(2024, 1, 1), datetime(2024, 12, 31)) | st.sampled_from(CLOCK_CHANGES),
    minutes=st.integers(-90, 180),
)
def test_dropoff_is_as_long_after_pickup_as_it_was_whatever_the_clocks_did(
    form: str, zone: str, start: datetime, minutes: int
) -> None:
    instants = [start, start + timedelta(minutes=minutes)]
    arrays = [pa.array([instant], pa.timestamp("us", "UTC")) for instant in instants]
    if form == "text":
        arrays = [pa.array([instant.isoformat() + "Z"]) for instant in instants]
    pickup, dropoff = (coerce_timestamp(array, zone) for array in arrays)
    wall = start.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert pickup.array.to_pylist() == [wall]
    assert end_after(pickup, dropoff).to_pylist() == [wall + timedelta(minutes=minutes)]


def test_times_without_a_zone_stay_as_they_are_beside_those_with_one() -> None:
    pickup = coerce_timestamp(pa.array(["2024-11-03T05:50:00Z", "2024-11-03T01:50:00", None]), NEW_YORK)
    dropoff = coerce_timestamp(
        pa.array(["2024-11-03T06:10:00Z", "2024-11-03T02:10:00", "2024-11-03T06:10:00Z"]), NEW_YORK
    )
    assert end_after(pickup, dropoff).to_pylist() == [
        datetime(2024, 11, 3, 2, 10),
        datetime(2024, 11, 3, 2, 10),
        datetime(2024, 11, 3, 1, 10),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01 18:00:00 +0100",
        "2024-01-01 18:00:00  +01:00",
        "2024-01-01T18:00 +01",
        "2024-01-01 18:00:00.000 +1",
        "2024-01-01T18+01",
        "2024-01-01T12-05",
        "2024-01-01T17Z",
        "2024-01-01 17 Z",
        "20240101T170000Z",
        "20240101T1800+0100",
    ],
)
@pytest.mark.parametrize("others", [[], ["2024-01-01 12:00:00", "2024-01-01 22:30 +05:30", "2024-01-01T17:00Z"]])
def test_time_with_an_offset_is_wall_time_however_it_is_written_and_whatever_the_others_are(
    text: str, others: list[str]
) -> None:
    coerced = coerce_timestamp(pa.array([text, *others, None]), NEW_YORK)
    assert coerced.array.to_pylist() == [NOON, *[NOON for _ in others], None]
    assert coerced.failed is None
    assert coerced.instants[0].as_py() == NOON.replace(hour=17, tzinfo=UTC)


def test_offset_alone_makes_no_time_of_a_day() -> None:
    coerced = coerce_timestamp(pa.array(["2024-01-01", "2024-01-01 -05", "2024-01-01Z"]), NEW_YORK)
    assert coerced.array.to_pylist() == [datetime(2024, 1, 1), None, None]
    assert failures(coerced.failed) == [False, True, True]


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


@given(st.lists(st.none() | st.floats(-LARGEST, LARGEST)))
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
        assert failed == (number is None and (value or "").strip() not in MISSING_MARKS)


@given(st.lists(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1))))
def test_times_written_as_text_come_back_as_they_were(values: list[datetime]) -> None:
    coerced = coerce_timestamp(pa.array([str(value) for value in values], pa.string()), NEW_YORK)
    assert coerced.array.to_pylist() == values
