import pytest

from include.errors import SettingsError
from include.problem.declaration import Problem
from include.problem.reading import DETECT, MISSING_MARKS, Reading
from include.settings import read_settings


def test_nothing_declared_is_detected() -> None:
    assert read_settings().problem.reading == DETECT
    assert read_settings(delimiter="", decimal="", encoding="", missing="", time_format="").problem.reading == DETECT


@pytest.mark.parametrize("name", ["tab", "TAB", "\t", "\\t"])
def test_tab_can_be_declared_in_any_way_to_write_it(name: str) -> None:
    document = read_settings().problem.model_dump(by_alias=True) | {"delimiter": name}
    assert Problem(**document).reading.delimiter == "\t"


def test_keys_of_reading_can_be_given_by_the_environment() -> None:
    problem = read_settings(
        delimiter=";", decimal=",", encoding="latin-1", missing="-200, none", time_format="%d/%m/%Y"
    ).problem
    assert problem.reading == Reading(";", ",", "latin-1", ("-200", "none"))
    assert problem.reading.marks == MISSING_MARKS | {"-200", "none"}
    assert (problem.time_format_of("pickup_at"), problem.time_format_of("trip_distance")) == ("%d/%m/%Y", None)


@pytest.mark.parametrize("time_format", ["%Y-%m-%dT%H:%M:%S%z", "%d/%b/%Y:%H:%M:%S %z"])
def test_format_of_times_may_have_an_offset(time_format: str) -> None:
    assert read_settings(time_format=time_format).problem.time_format_of("pickup_at") == time_format


def test_format_of_a_column_wins_over_that_of_the_problem() -> None:
    document = read_settings(time_format="%d/%m/%Y").problem.model_dump(by_alias=True)
    document["columns"]["dropoff_at"]["time_format"] = "unix"
    problem = Problem(**document)
    assert (problem.time_format_of("pickup_at"), problem.time_format_of("dropoff_at")) == ("%d/%m/%Y", "unix")


def test_marks_of_a_file_can_be_numbers() -> None:
    document = read_settings().problem.model_dump(by_alias=True) | {"missing": [-200, "none"]}
    assert Problem(**document).reading.missing == ("-200", "none")


@pytest.mark.parametrize(
    ("key", "value", "right"),
    [
        ("delimiter", "::", "give one character"),
        ("delimiter", '"', "give one character"),
        ("decimal", ";", "DECIMAL"),
        ("time_format", "%H:%M", "no format of times with a day"),
        ("time_format", "%d/%m", "no format of times with a day"),
        ("time_format", "%Q", "no format of times with a day"),
        ("time_format", "day first", "no format of times with a day"),
    ],
)
def test_key_of_reading_that_cannot_be_is_refused_with_what_can(key: str, value: str, right: str) -> None:
    with pytest.raises(SettingsError, match=f"(?s){key.upper()}.*{right}|{right}.*"):
        read_settings(**{key: value})
