"""What the environment may say instead of a problem's file."""

from typing import Any

import pytest

from include.errors import SettingsError
from include.problem.declaration import Problem
from include.problem.problem_file import (
    build_problem,
    change_problem,
    keys_of,
    list_problems,
    place_of_name,
    read_problem,
)
from tests.rentals import RENTALS

TAXI = read_problem("taxi")


def test_every_problem_can_be_read_by_its_name() -> None:
    assert [read_problem(name).name for name in list_problems()] == list_problems()


@pytest.mark.parametrize("name", ["taxy", "../taxi", "Taxi", ""])
def test_problem_that_is_not_there_is_an_error_with_those_that_are(name: str) -> None:
    with pytest.raises(SettingsError, match=f"PROBLEM: there is no problem '{name}'.*taxi"):
        read_problem(name)


@pytest.mark.parametrize("key", ["target", "source", "unit", "time", "missing"])
def test_empty_value_leaves_what_is_declared(key: str) -> None:
    assert change_problem(RENTALS, {key: ""}) == RENTALS


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({"target_min": "2"}, {"target_min": 2.0}),
        ({"known_later": "dropoff_at,"}, {"known_later": ("dropoff_at",)}),
        ({"source": "file:///rides/{month}.csv"}, {"source": "file:///rides/{month}.csv"}),
    ],
)
def test_value_of_the_environment_wins(given: dict[str, str], changed: dict[str, Any]) -> None:
    problem = read_problem("taxi", given)
    assert {name: getattr(problem, name) for name in changed} == changed


@pytest.mark.parametrize(
    ("row", "words"),
    [("ride", ("ride", "rides")), ("bus, buses", ("bus", "buses")), (["bus", "buses"], ("bus", "buses"))],
)
def test_row_has_a_word_for_one_and_one_for_several(row: str | list[str], words: tuple[str, str]) -> None:
    assert Problem(**TAXI.model_dump(by_alias=True) | {"row": row}).row == words


def test_columns_and_references_are_changed_by_their_own_keys() -> None:
    given = {"column_pickup_zone": "from", "pickup_zone_min": "0", "pickup_zone_max": "300", "zones_source": "none"}
    assert given.keys() <= keys_of("taxi")
    problem = read_problem("taxi", given)
    column = problem.columns["pickup_zone"]
    assert (column.source, column.minimum, column.maximum) == ("from", 0, 300)
    assert problem.references["zones"].source == "none"
    assert problem.columns["dropoff_zone"] == TAXI.columns["dropoff_zone"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"time": "dropof_at"}, r"TIME: there is no column 'dropof_at'; did you mean dropoff_at\?"),
        ({"time": "pickup_zone"}, "its kind must be time, not code"),
        ({"time": "dropoff_at"}, "TIME: dropoff_at is no input, but .*: take it out of known_later, or leave TIME out"),
        ({"known_later": "dropoff_at,pickup_at"}, "time: pickup_at is no input, but .*: take it out of known_later"),
        ({"known_later": "fare"}, "KNOWN_LATER: there is no column 'fare'; the columns are pickup_at"),
        ({"unit": "miles"}, "UNIT: a time between two columns is in seconds, minutes, hours, days, not 'miles'"),
        ({"pickup_zone_max": "0"}, "PICKUP_ZONE_MAX: 0 is not above PICKUP_ZONE_MIN, which is 1"),
        ({"delimiter": ";;"}, "DELIMITER: give one character"),
    ],
)
def test_value_that_cannot_be_used_is_refused_by_its_key(given: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_problem("taxi", given)


def declare_times(**changes: Any) -> Problem:
    columns = {"sold_at": {"kind": "time", "required": False}, "seen_at": {"kind": "time"}, "area": {}}
    declared = {"source": "file:///sales.csv", "target": "price", "columns": columns, **changes}
    return build_problem("sales", declared)


@pytest.mark.parametrize("changes", [{"time": "sold_at"}, {"time": "sold_at", "split": "time", "group": "area"}])
def test_rows_cannot_be_split_by_a_time_that_some_do_not_have(changes: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"columns\.sold_at\.required: .* or leave it out, or set SPLIT=hash"):
        declare_times(**changes)
    assert declare_times(**{**changes, "split": "hash"}).split_by == "hash"
    assert declare_times(**{**changes, "time": "seen_at"}).columns["seen_at"].required


def test_time_that_some_rows_do_not_have_is_not_required_after_it_was_written_and_read() -> None:
    problem = declare_times(time="sold_at", split="hash")
    assert not Problem.from_dict(problem.to_dict()).columns["sold_at"].required
    assert not change_problem(problem, {"unit": "dollars"}).columns["sold_at"].required


def test_column_that_becomes_the_time_is_required() -> None:
    assert change_problem(declare_times(), {"time": "seen_at"}).columns["seen_at"].required


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"target_mx": 5}, r"target_mx: there is no such key; did you mean target_max\?"),
        ({"qwertz": 5}, r"qwertz: there is no such key; include/problem/problem\.schema\.json lists the keys"),
        ({"columns": {"at": {"kid": "time"}}}, r"columns\.at\.kid: there is no such key; did you mean kind\?"),
        ({"columns": {"at": {"mx": 3}}}, r"columns\.at\.mx: there is no such key; did you mean max\?"),
        ({"references": {"zones": {"souurce": "x"}}}, r"references\.zones\.souurce: .* did you mean source\?"),
        ({"slices": [{"columnx": "at"}]}, r"slices\.0\.columnx: .* did you mean column\?"),
    ],
    ids=str,
)
def test_misspelt_key_of_the_file_is_refused_with_the_nearest(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=rf"include/problems/taxi/problem\.toml: {message}"):
        build_problem("taxi", {"source": "sample", "target": "y", "columns": {}, **wrong})


def test_name_of_a_column_has_its_place_in_the_file_or_else_in_the_environment() -> None:
    changed = change_problem(read_problem("rents"), {"target": "Miete", "column_area": "Fläche"})
    file = "of include/problems/rents/problem.toml"
    assert place_of_name(read_problem("rents"), "target") == f"target {file}"
    assert place_of_name(read_problem("rents"), "area") == f"columns.area.source {file}"
    assert (place_of_name(changed, "target"), place_of_name(changed, "area")) == ("TARGET", "COLUMN_AREA")
    assert place_of_name(RENTALS, "station") == "COLUMN_STATION"


@pytest.mark.parametrize("empty", ["", " "])
@pytest.mark.parametrize(
    ("key", "wrong"),
    [("timezone", "Mars/Olympus"), ("time", "dropof_at"), ("unit", "miles"), ("classes", ("short", "long"))],
)
def test_fault_of_the_file_is_not_blamed_on_an_empty_line_of_the_environment(key: str, wrong: Any, empty: str) -> None:
    document = {**TAXI.model_dump(by_alias=True, exclude={"name"}), key: wrong}
    with pytest.raises(SettingsError, match=rf"include/problems/taxi/problem\.toml: {key}") as caught:
        build_problem("taxi", document, {key: empty}, {key.upper(): ".env, line 7"})
    assert ".env" not in str(caught.value)


def test_frozen_declaration_has_no_address() -> None:
    secret = change_problem(TAXI, {"source": "postgresql://user:secret@host/database/rides"})
    assert "secret" not in str(secret.to_dict())


def test_time_of_a_problem_is_required_without_being_declared_so() -> None:
    declared = RENTALS.to_dict()
    declared["columns"]["at_hour"].pop("required")
    assert Problem.from_dict(declared).columns["at_hour"].required
    assert not RENTALS.columns["station"].required
