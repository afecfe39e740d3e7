import jsonschema
import pytest

from include.errors import SettingsError
from include.prediction.form_fields import MOST_FIELDS, FormField, collect_inputs, list_fields, make_fields
from include.prediction.inputs import InputFormat, parse_rows
from include.prediction.suggestions import rank_columns, read_suggestions
from include.problem.declaration import Problem
from include.problem.parts import Column
from include.settings import Settings
from tests.rentals import RENTALS

TRIPS = Settings().problem
NAMES = {"pickup_zone": {"74": "East Harlem North", "75": "East Harlem South"}}
WIDE = Problem(
    name="wide",
    model="wide",
    source="file:///data/wide.csv",
    target="y",
    columns={
        "seen_at": {"kind": "time", "required": True},
        **{f"x{number}": {"kind": "number"} for number in range(30) if number not in (10, 20, 25)},
        "shop": {"kind": "code"},
        "city": {"kind": "category"},
        "open": {"kind": "flag"},
    },
    known_later=("seen_at",),
)  # type: ignore[arg-type]
DECILES = [-1, 0, 1, 2, 3, 4.5, 5, 6, 7, 8, 9.5]
STATISTICS = {
    **{f"x{number}": {"count": 9, "deciles": DECILES} for number in range(30)},
    "shop": {"count": 9, "distinct": 2, "frequent": {"3": 2, "7": 7}},
    "city": {"count": 9, "distinct": 2, "frequent": {"Bonn": 2, "Ulm": 7}},
    "open": {"count": 9, "distinct": 2, "frequent": {"0.0": 5, "1.0": 4}},
}
FIELDS = {field.column.name: field for field in make_fields(RENTALS, {})}


def test_form_asks_for_every_input_and_first_for_those_that_are_needed() -> None:
    assert list_fields(TRIPS) == ("pickup_zone", "dropoff_zone", "trip_distance", "pickup_at")
    assert list_fields(RENTALS)[:2] == ("weather", "holiday")
    assert set(FIELDS) == set(RENTALS.dtypes)


def test_form_begins_with_the_strongest_columns_and_folds_the_others_filled_in() -> None:
    suggestions = read_suggestions(WIDE, STATISTICS)
    fields = make_fields(WIDE, {}, suggestions, ["x29", "shop", "x7"])
    shown = [field.column.name for field in fields if not field.folded]
    assert (len(fields), len(shown)) == (30, MOST_FIELDS)
    assert shown[:4] == ["x29", "shop", "x7", "x0"]
    page = {field.column.name: field.to_dict() for field in fields}
    assert (page["x29"]["value"], page["x29"]["placeholder"]) == (None, "-1 to 9.5, may be empty")
    assert (page["shop"]["choices"], page["shop"]["free"]) == ([[7, "7"], [3, "3"]], True)
    assert [page[name]["value"] for name in ("x28", "city", "open")] == [4.5, "Ulm", "no"]
    assert page["city"]["placeholder"] == "Ulm, Bonn, may be empty"
    assert page["open"]["choices"] == [["yes", "yes"], ["no", "no"]]
    assert all(page[name]["folded"] for name in ("x28", "city", "open"))


def test_form_does_not_fill_in_what_most_rows_do_not_have() -> None:
    seldom = {name: {**figures, "missing": 5} for name, figures in STATISTICS.items()}
    page = {field.column.name: field.to_dict() for field in make_fields(WIDE, {}, read_suggestions(WIDE, seldom))}
    assert [page[name]["value"] for name in ("x28", "city", "open")] == [None, None, None]
    assert page["city"]["placeholder"] == "Ulm, Bonn, may be empty"


def test_form_of_few_columns_keeps_their_order_and_folds_nothing() -> None:
    fields = make_fields(RENTALS, {}, {}, ["remark", "station"])
    assert [field.column.name for field in fields] == list(list_fields(RENTALS))
    assert not any(field.folded for field in fields)


def test_suggestions_say_nothing_of_columns_without_statistics() -> None:
    assert read_suggestions(RENTALS, {}) == {}
    assert read_suggestions(RENTALS, {"temperature": {"count": 3, "missing": 3}}) == {}


def test_features_rank_the_columns_that_they_are_made_of() -> None:
    assert rank_columns(RENTALS, ["at_hour_weekday", "station", "at_hour_day", "bearing", "weather"]) == [
        "at_hour", "station", "weather",
    ]  # fmt: skip


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
        "type": "number", "required": False, "now": False, "placeholder": "21.5, may be empty", "min": -40.0,
        "max": 50.0, "step": "any", "choices": [], "free": True, "folded": False, "value": None,
    }  # fmt: skip
    assert (shown["at_hour"]["type"], shown["at_hour"]["now"]) == ("datetime-local", True)
    assert shown["weather"]["placeholder"] == "sunny"
    assert shown["holiday"]["choices"] == [["yes", "yes"], ["no", "no"]]
    assert (shown["station"]["step"], shown["weather"]["required"]) == (1, True)


def test_choices_are_read_by_the_parser() -> None:
    [column] = parse_rows([{"weather": "dry", "holiday": "yes"}], InputFormat.of(RENTALS))["holiday"]
    assert column == 1.0


ROW = {"pickup_zone": 74, "dropoff_zone": 75, "trip_distance": 1.5}
EMPTY = {"inputs": None, "level": 0.9, "pickup_at": None}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({**ROW, "pickup_att": "2024-01-01T10:00"}, "pickup_att is not a field of a trip; did you mean pickup_at?"),
        ({**ROW, "levvel": 0.7}, "levvel is not a field of a trip; did you mean level?"),
        ({"x": 1}, "x is not a field of a trip; the fields are "),
        ({"inputs": [ROW], "levvel": 0.7}, "levvel is not a parameter of the run; did you mean level?"),
        ({"inputs": [ROW], "pickup_zone": 74}, "Give inputs, or the fields of one trip, not both: pickup_zone"),
        ({}, "Nothing to predict: give `inputs`"),
    ],
)
def test_parameter_that_would_be_ignored_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        collect_inputs({**EMPTY, **given}, TRIPS)
    assert str(refused.value).startswith(message)
