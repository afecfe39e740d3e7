import re
import sys
from datetime import date, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.problem.inference.times import Ambiguous, find_time_format
from include.problem.reading import BLANK, ISO
from include.raw.coerced import ColumnReading
from include.raw.times import coerce_timestamp

FORMATS = ["%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%Y", "%Y/%m/%d", "%Y.%m.%d"]
SHORT_YEARS = ["%m/%d/%y", "%d.%m.%y"]
CLOCKS = ["", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p"]


def write(time_format: str, days: int = 40, start: date = date(2024, 1, 1)) -> list[str | None]:
    first = datetime.combine(start, datetime.min.time())
    return [(first + timedelta(days=day, minutes=37 * day)).strftime(time_format) for day in range(days)]


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("day", [*FORMATS, *SHORT_YEARS])
def test_format_is_found_by_all_values_of_the_column(day: str, clock: str) -> None:
    assert find_time_format(write(day + clock)) == day + clock


@pytest.mark.parametrize(
    "time_format", ["%Y%m%dT%H%M%S", "%d-%b-%Y", "%d %B %Y", "%B %d, %Y", "%b %d, %Y %H:%M", "%d-%b-%Y %H:%M:%S"]
)
def test_format_with_the_name_of_the_month_or_without_marks_is_found(time_format: str) -> None:
    assert find_time_format(write(time_format)) == time_format


def test_blank_that_does_not_break_is_one() -> None:
    assert find_time_format(["1/31/2024 6:30\u202fPM", "2/1/2024\u00a07:30 AM"]) == "%m/%d/%Y %I:%M %p"


def test_utc_without_marks_is_a_zone() -> None:
    assert find_time_format(["20240131T183000Z", "20240201T073000Z"]) == "%Y%m%dT%H%M%S%z"


def test_single_day_after_the_12th_decides_for_all_others() -> None:
    ambiguous = write("%d-%m-%Y", 12)
    assert find_time_format([*ambiguous, "13-02-2024"]) == "%d-%m-%Y"
    assert find_time_format([*ambiguous, "02-13-2024"]) == "%m-%d-%Y"


def test_days_without_leading_zeros_are_known() -> None:
    assert find_time_format(["1/12/2017", "30/11/2018"]) == "%d/%m/%Y"


def test_times_that_no_value_decides_are_ambiguous_with_both_answers() -> None:
    found = find_time_format(["01-01-2010", "05-02-2010", "12-02-2010"])
    assert found == Ambiguous(("%d-%m-%Y", "%m-%d-%Y"), "05-02-2010")
    assert found.question == (
        "'05-02-2010' can be 5 February 2010 or 2 May 2010, and no value decides. Set TIME_FORMAT=%d-%m-%Y or %m-%d-%Y"
    )
    with_clock = find_time_format(["01/01/2010 10:00"])
    assert isinstance(with_clock, Ambiguous)
    assert with_clock.question.endswith("Set TIME_FORMAT='%d/%m/%Y %H:%M' or '%m/%d/%Y %H:%M'")


def test_years_of_two_digits_that_come_first_are_asked_about() -> None:
    found = find_time_format(write("%y-%m-%d", 31))
    assert found == Ambiguous(("%d-%m-%y", "%y-%m-%d"), "24-01-01")
    assert found.answers == {"%d-%m-%y": "the day first", "%y-%m-%d": "the year first"}
    assert "can be 24 January 2001 or 1 January 2024, and no value decides" in found.question
    typing_error = find_time_format([*write("%y-%m-%d", 29), "24-02-30"])
    assert isinstance(typing_error, Ambiguous) and "%y-%m-%d" in typing_error.formats
    single_day = find_time_format(["10-01-02"])
    assert isinstance(single_day, Ambiguous) and len(single_day.formats) == 3


def test_years_that_no_day_can_be_decide() -> None:
    assert find_time_format(["85-01-31", "85-02-01", "86-02-05"]) == "%y-%m-%d"
    assert find_time_format(["24-1-5", "24-1-6", "24-1-7"]) == "%y-%m-%d"


def test_days_are_what_differs_most_though_years_of_two_digits_could_be_some() -> None:
    typing_error = "31/02/24"
    assert find_time_format([*write("%d/%m/%y"), typing_error]) == "%d/%m/%y"


def test_days_without_leading_zeros_after_the_year_are_known() -> None:
    assert find_time_format(["2024-1-5", "2024-1-15"]) == "%Y-%m-%d"


def test_points_put_the_day_first_as_everyone_who_writes_them_does() -> None:
    assert find_time_format(["05.02.2010", "06.02.2010"]) == "%d.%m.%Y"


@pytest.mark.parametrize(
    "values",
    [
        ["2024-01-31", "2024-02-01"],
        ["2024-01-31 18:30", "2024-02-01T18:30:00.123456"],
        ["2013-01-01T10:00:00Z", "2013-01-01T10:00:00+01:00"],
        ["2023-01-01T00:00:00.000Z", "2023-01-01T18Z"],
        ["2024-01-31 18:30:00 +0100", "2024-01-31 18:30 Z"],
        ["2024-01-31\u00a018:30:00\u00a0+0100"],
    ],
)
def test_iso_8601_is_known_with_and_without_time_and_zone(values: list[str]) -> None:
    assert find_time_format(values) == ISO


BLANKS = [letter for letter in map(chr, range(sys.maxunicode + 1)) if letter.isspace()]


def test_blank_is_what_python_takes_for_one() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    assert re.findall(BLANK, everything) == BLANKS


@pytest.mark.parametrize("blank", BLANKS, ids=ascii)
@pytest.mark.parametrize(
    "value", ["2024-01-31 18:30:00", "2024-01-31 18:30:00 +0000", "31.01.2024 18:30", "1/31/2024 6:30 PM"]
)
def test_time_with_any_blank_in_it_is_found_and_read(value: str, blank: str) -> None:
    text = value.replace(" ", blank)
    found = find_time_format([text])
    assert isinstance(found, str)
    read = coerce_timestamp(pa.array([text]), "UTC", ColumnReading(time_format=found)).array.to_pylist()
    assert read == [datetime(2024, 1, 31, 18, 30)]


def test_missing_values_and_a_few_errors_do_not_hide_the_format() -> None:
    values = [*write("%d/%m/%Y"), None, "", " NA ", "-", "unknown"]
    assert find_time_format(values) == "%d/%m/%Y"


@pytest.mark.parametrize(
    "values",
    [
        [],
        [None, "NA"],
        ["female", "male"],
        ["517", "2359"],
        ["2014", "2015"],
        ["23.4 kmpl", "12.5 kmpl"],
        ["1.234", "12.500"],
        ["31/31/2024", "30/30/2024"],
        ["2024-13-01"],
        ["01/02-2024"],
        ["13/01/2024", "2024-01-13", "13.01.2024"],
        ["13/01/2024", "14/01/2024 10:00"],
    ],
)
def test_values_that_are_no_times_or_of_several_formats_have_none(values: list[str | None]) -> None:
    assert find_time_format(values) is None


@given(st.lists(st.dates(date(1900, 1, 1), date(2100, 1, 1)), min_size=1), st.sampled_from(FORMATS))
def test_format_that_is_found_gives_the_days_back(days: list[date], written: str) -> None:
    texts = [day.strftime(written) for day in days]
    found = find_time_format(texts)
    if isinstance(found, Ambiguous):
        assert written in found.formats
        found = written
    times = coerce_timestamp(pa.array(texts), "UTC", ColumnReading(time_format=found)).array.to_pylist()
    assert [time.date() for time in times] == days
