import pytest

from include.problem.words import (
    begin,
    count_rows_in_words,
    describe_column,
    make_example,
    name_bounds,
    name_one,
    show_amount,
    show_example,
    show_target,
)
from include.settings import Settings
from tests.classified import LEAVING, declare
from tests.rentals import RENTALS

TRIPS = Settings().problem


@pytest.mark.parametrize(
    ("noun", "named"), [("trip", "a trip"), ("order", "an order"), ("hour", "an hour"), ("user", "a user")]
)
def test_one_row_has_its_article(noun: str, named: str) -> None:
    assert name_one(TRIPS.model_copy(update={"row": (noun, f"{noun}s")})) == named


def test_rows_are_counted_in_the_problems_words() -> None:
    assert count_rows_in_words(TRIPS, 1) == "1 trip"
    assert count_rows_in_words(RENTALS, 1200) == "1,200 hours"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (4.1622, "minutes", "4.162 minutes"),
        (18.5, "bikes", "18.5 bikes"),
        (25296.4, "dollars", "25,296 dollars"),
        (999.96, "", "1,000"),
        (0.404, "", "0.404"),
        (0.00123456, "", "0.001235"),
        (-3.0, "°C", "-3 °C"),
        (0.0, "", "0"),
        (None, "minutes", ""),
    ],
)
def test_amounts_read_well_whatever_their_size_and_unit(value: float | None, unit: str, shown: str) -> None:
    assert show_amount(value, unit) == shown


@pytest.mark.parametrize(
    ("low", "high", "named"),
    [
        (1, 60, ["1 to 60 minutes"]),
        (0, None, ["0 or more minutes"]),
        (None, 60, ["at most 60 minutes"]),
        (None, None, []),
    ],
)
def test_bounds_of_the_target_are_named_where_there_are_any(
    low: float | None, high: float | None, named: list[str]
) -> None:
    assert name_bounds(TRIPS.model_copy(update={"target_min": low, "target_max": high})) == named


def test_differences_say_their_direction() -> None:
    assert [show_amount(value, "bikes", signed=True) for value in (0.25, -1200.0)] == ["+0.25 bikes", "-1,200 bikes"]


def test_example_holds_what_is_known_and_in_a_sentence_what_a_row_cannot_do_without() -> None:
    assert make_example(TRIPS) == {"pickup_zone": 74, "dropoff_zone": 75, "trip_distance": 1.98}
    assert make_example(RENTALS) == {"weather": "sunny", "holiday": True, "temperature": 21.5}
    assert show_example(RENTALS) == '[{"weather": "sunny", "holiday": true}]'


def test_form_describes_a_column_with_example_and_unit() -> None:
    texts = {name: describe_column(column) for name, column in {**TRIPS.columns, **RENTALS.columns}.items()}
    assert texts["trip_distance"] == "As the meter will count it at drop-off: an estimate, for example 1.98. In miles."
    assert texts["pickup_at"] == "Local time, for example 2024-02-14T18:30. Empty: now."
    assert texts["holiday"] == "For example yes."
    assert texts["temperature"] == "For example 21.5. In °C. May be empty."


def test_target_is_shown_with_its_unit_or_as_its_class() -> None:
    assert show_target(RENTALS, 1204.0) == "1,204 bikes"
    assert [show_target(LEAVING, number) for number in (0.0, 1.0)] == ["No", "Yes"]
    assert show_target(declare("1", "0", "none"), 0) == "1", "a label, not its number"
    assert [show_target(LEAVING, number) for number in (2.0, -1, 0.5)] == ["2", "-1", "0.5"], "no class"


def test_title_begins_with_a_capital() -> None:
    assert [begin(text) for text in ("log loss", "RMSE", "")] == ["Log loss", "RMSE", ""]
