"""Times that are not in ISO 8601: of a declared format, counted from 1970, or in two columns."""

from datetime import datetime, time

import pyarrow as pa
import pytest

from include.problem.reading import ISO
from include.raw.coerced import Coerced, ColumnReading
from include.raw.times import coerce_timestamp, join_times

EVENING = datetime(2010, 2, 5, 18, 30)
SYDNEY = "Australia/Sydney"


def failures(coerced: Coerced) -> list[bool]:
    return coerced.failed.to_pylist() if coerced.failed is not None else []


@pytest.mark.parametrize(
    ("value", "time_format"),
    [
        ("05-02-2010 18:30", "%d-%m-%Y %H:%M"),
        ("02/05/2010 6:30 PM", "%m/%d/%Y %I:%M %p"),
        ("5/2/2010 18:30:00", "%d/%m/%Y %H:%M:%S"),
        ("2010-02-05T18:30:00", ISO),
        ("2010-02-05T07:30:00Z", ISO),
        ("2010-02-05 08:30:00 +0100", ISO),
        ("2010-02-05\u00a018:30", ISO),
        ("2010-02-05\u00a008:30:00\u00a0+0100", ISO),
        ("2010-02-05\t18:30", ISO),
        ("2010-02-05\u200908:30:00\u2009+0100", ISO),
        ("05.02.2010 08:30 +0100", "%d.%m.%Y %H:%M %z"),
        ("02/05/2010 6:30\u202fPM", "%m/%d/%Y %I:%M %p"),
    ],
)
def test_time_of_a_declared_format_becomes_wall_time(value: str, time_format: str) -> None:
    texts = pa.array([value, "NA", f" {value} ", None, "soon", "31-02-2010 10:00"])
    coerced = coerce_timestamp(texts, SYDNEY, ColumnReading(time_format=time_format))
    assert coerced.array.to_pylist() == [EVENING, None, EVENING, None, None, None]
    assert failures(coerced) == [False] * 4 + [True, True]


@pytest.mark.parametrize("kind", [pa.int64(), pa.int32(), pa.float64(), pa.string()])
def test_seconds_since_1970_become_wall_time(kind: pa.DataType) -> None:
    seconds = pa.array([1265355000, None]).cast(kind)
    coerced = coerce_timestamp(seconds, SYDNEY, ColumnReading(time_format="unix"))
    assert coerced.array.to_pylist() == [EVENING, None]
    assert coerced.instants is not None


def test_milliseconds_since_1970_become_wall_time_and_what_no_year_has_is_reported() -> None:
    values = pa.array([1265355000123.0, 1e15, 1e30, float("nan"), -1.0])
    coerced = coerce_timestamp(values, "UTC", ColumnReading(time_format="unix_ms"))
    assert coerced.array.to_pylist() == [
        datetime(2010, 2, 5, 7, 30, 0, 123000), None, None, None, datetime(1969, 12, 31, 23, 59, 59, 999000),
    ]  # fmt: skip
    assert coerced.beyond.to_pylist() == [False, True, False, False, False]
    assert failures(coerced) == [False, False, True, False, False]


DAYS = [
    (pa.array(["05/02/2010"]), "%d/%m/%Y"),
    (pa.array(["2010-02-05"]), None),
    (pa.array([EVENING.date()]), None),
    (pa.array([datetime(2010, 2, 5)], pa.timestamp("ns")), None),
]


@pytest.mark.parametrize(
    "clock",
    [
        pa.array(["18:30"]),
        pa.array(["18:30:00"]),
        pa.array(["18.30.00"]),
        pa.array(["6:30 pm"]),
        pa.array(["6:30\u202fPM"]),
        pa.array([time(18, 30)]),
        pa.array([time(18, 30)], pa.time32("s")),
    ],
    ids=str,
)
@pytest.mark.parametrize(("days", "time_format"), DAYS)
def test_day_and_time_of_two_columns_are_joined(days: pa.Array, time_format: str | None, clock: pa.Array) -> None:
    coerced = join_times(days, clock, "UTC", ColumnReading(time_format=time_format))
    assert coerced.array.to_pylist() == [EVENING]


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.string()])
def test_day_and_whole_hour_of_two_columns_are_joined(kind: pa.DataType) -> None:
    days = pa.array(["05/02/2010"] * 5 + [None, "05/02/2010"])
    hours = pa.array([0, 7, 23, 24, 25, 1, None]).cast(kind)
    coerced = join_times(days, hours, "UTC", ColumnReading(time_format="%d/%m/%Y"))
    assert coerced.array.to_pylist() == [
        datetime(2010, 2, 5), datetime(2010, 2, 5, 7), datetime(2010, 2, 5, 23), datetime(2010, 2, 6), None, None, None,
    ]  # fmt: skip
    assert failures(coerced) == [False] * 4 + [True, False, False]


def test_two_columns_can_be_read_by_one_format() -> None:
    coerced = join_times(pa.array(["05/02/2010"]), pa.array([1830]), "UTC", ColumnReading(time_format="%d/%m/%Y %H%M"))
    assert coerced.array.to_pylist() == [EVENING]


@pytest.mark.parametrize("clock", ["25:00", "18:60", "half past six", "-1", "7.5"])
def test_clock_that_shows_no_time_is_reported(clock: str) -> None:
    coerced = join_times(pa.array(["2010-02-05"]), pa.array([clock]), "UTC")
    assert (coerced.array.to_pylist(), failures(coerced)) == ([None], [True])


@pytest.mark.parametrize(("clock", "hour"), [("12:05 am", 0), ("12:05 PM", 12), ("1:05am", 1), ("11:05 pm", 23),
                                             ("18:05 PM", 18)])  # fmt: skip
def test_twelve_is_the_first_hour_of_either_half_of_a_day(clock: str, hour: int) -> None:
    joined = join_times(pa.array(["2010-02-05"]), pa.array([clock]), "UTC").array.to_pylist()
    assert joined == [datetime(2010, 2, 5, hour, 5)]


def test_hour_of_the_afternoon_in_the_morning_is_no_time() -> None:
    coerced = join_times(pa.array(["2010-02-05"] * 2), pa.array(["18:05 am", "6:05 am"]), "UTC")
    assert (coerced.array.to_pylist(), failures(coerced)) == ([None, datetime(2010, 2, 5, 6, 5)], [True, False])
