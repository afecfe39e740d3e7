import jsonschema
import pytest

from include.prediction.form_fields import MOST_FIELDS, FormField, list_fields, make_fields
from include.prediction.inputs import InputFormat, parse_rows
from include.problem.parts import Column
from include.settings import Settings
from tests.rentals import RENTALS

TRIPS = Settings().problem
NAMES = {"pickup_zone": {"74": "East Harlem North", "75": "East Harlem South"}}
FIELDS = {field.column.name: field for field in make_fields(RENTALS, {})}


def test_form_asks_for_every_input_and_first_for_those_that_are_needed() -> None:
    assert list_fields(TRIPS) == ("pickup_zone", "dropoff_zone", "trip_distance", "pickup_at")
    assert list_fields(RENTALS)[:2] == ("weather", "holiday")
    assert set(FIELDS) == set(RENTALS.dtypes)


def test_form_has_only_so_many_fields() -> None:
    columns = {f"x{number}": Column(name=f"x{number}") for number in range(30)}
    wide = RENTALS.model_copy(update={"columns": {**RENTALS.columns, **columns}})
    for name in ("stored", "inputs"):  # kept of the narrow one
        wide.__dict__.pop(name, None)
    assert len(make_fields(wide, {})) == MOST_FIELDS


def test_value_with_a_reference_is_chosen_by_name_where_names_are_known() -> None:
    with_names, without = ({field.column.name: field for field in make_fields(TRIPS, names)} for names in (NAMES, {}))
    schema = with_names["pickup_zone"].schema
    assert (schema["enum"], schema["values_display"]["75"]) == ([None, 74, 75], "75 East Harlem South")
    assert "enum" not in without["pickup_zone"].schema
    assert without["pickup_zone"].schema["minimum"] == 1
    assert with_names["pickup_zone"].to_dict()["choices"][0] == [74, "East Harlem North"]


def test_reference_of_texts_offers_the_texts() -> None:
    field = FormField(Column(name="line", kind="category"), {"a": "a", "b": "Blue"})
    assert field.schema["enum"] == [None, "a", "b"]
    assert field.choices == {"a": "a", "b": "b Blue"}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("weather", "sunny", 5),
        ("holiday", "yes", "maybe"),
        ("temperature", 21.5, 51),
        ("station", 7, 1.5),
        ("opened_at", "2024-02-14T18:30", "soon"),
        ("remark", "new", ["new"]),
    ],
)
def test_field_takes_what_its_kind_has_and_refuses_the_rest(name: str, good: object, bad: object) -> None:
    validator = jsonschema.Draft202012Validator(FIELDS[name].schema)
    assert validator.is_valid(good)
    assert validator.is_valid(None)
    assert not validator.is_valid(bad)
    parse = InputFormat.of(RENTALS).parsers[name]
    assert parse(good) is not None


def test_page_gets_type_bounds_and_example() -> None:
    shown = {name: field.to_dict() for name, field in FIELDS.items()}
    assert shown["temperature"] == {
        "name": "temperature", "title": "Temperature (°C)", "hint": "For example 21.5. In °C. May be empty.",
        "type": "number", "required": False, "now": False, "placeholder": "21.5", "min": -40.0, "max": 50.0,
        "step": "any", "choices": [],
    }  # fmt: skip
    assert (shown["at_hour"]["type"], shown["at_hour"]["now"]) == ("datetime-local", True)
    assert shown["weather"]["placeholder"] == "sunny"
    assert shown["holiday"]["choices"] == [["yes", "yes"], ["no", "no"]]
    assert (shown["station"]["step"], shown["weather"]["required"]) == (1, True)


def test_choices_are_read_by_the_parser() -> None:
    [column] = parse_rows([{"weather": "dry", "holiday": "yes"}], InputFormat.of(RENTALS))["holiday"]
    assert column == 1.0
