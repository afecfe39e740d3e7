"""What a model accepts after its problem was declared in another way."""

from datetime import datetime
from typing import Any

from include.prediction.accepted import find_accepted, find_accepted_now
from include.prediction.inputs import InputFormat, parse_rows
from include.problem.declaration import Problem
from include.settings import Settings
from tests.promoted import promote
from tests.redeclared import ADDED, DISTANCE, remove
from tests.rentals import HOUR, RENTALS


def declare(columns: dict[str, Any], without: tuple[str, ...] = (), **others: Any) -> Problem:
    """Rentals with other columns."""
    kept = {name: each.model_dump(by_alias=True) for name, each in RENTALS.columns.items() if name not in without}
    changed = {name: {**kept.get(name, {}), **values} for name, values in columns.items()}
    return Problem(**{**RENTALS.model_dump(exclude={"columns"}), "columns": {**kept, **changed}, **others})


def test_inputs_kinds_bounds_and_what_is_required_are_those_that_it_was_trained_with() -> None:
    today = declare(
        {
            "temperature": {"min": 0, "required": True},
            "weather": {"kind": "number"},
            "station": {"kind": "ignored"},
            "wind": {"kind": "number", "required": True},
        },
        without=("remark",),
        known_later=("holiday",),
    )
    assert find_accepted(RENTALS, today).inputs == RENTALS.inputs


def test_names_and_formats_of_the_source_are_those_of_today() -> None:
    today = declare(
        {"temperature": {"source": "Temperature", "missing": ["-200"]}, "at_hour": {"time_format": "%d/%m/%Y"}},
        decimal=",",
    )
    accepted = find_accepted(RENTALS, today)
    assert (accepted.columns["temperature"].source, accepted.reading.decimal) == ("Temperature", ",")
    assert accepted.time_format_of("at_hour") == "%d/%m/%Y"
    assert "-200" in accepted.marks_of("temperature")
    renamed = {name: value for name, value in HOUR.items() if name != "temperature"} | {"Temperature": 3}
    assert parse_rows([renamed], InputFormat.of(accepted), datetime(2024, 5, 1))["temperature"].tolist() == [3.0]


def test_column_is_not_read_from_a_name_that_is_another_ones_now() -> None:
    today = declare({"weather": {"source": "Temp"}}, without=("temperature",))
    columns = find_accepted(RENTALS, today).columns
    assert (columns["weather"].source, columns["temperature"].source) == ("Temp", "temperature")


def test_champion_now_accepts_what_was_declared_for_the_version_promoted_last(warehouse_url: str) -> None:
    settings = Settings()
    assert find_accepted_now(warehouse_url, settings).input_kinds == settings.problem.input_kinds
    promote(warehouse_url, 1, settings.problem)
    promote(warehouse_url, 2, remove(settings.problem))
    promote(warehouse_url, 3, settings.problem, state="rejected")
    accepted = find_accepted_now(warehouse_url, settings)
    assert ADDED in accepted.input_kinds
    assert DISTANCE not in accepted.input_kinds
