"""What is said of a request that cannot start a run: short, and where it is wrong."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.configuration.values import PART_PATTERN
from include.prediction.refusals import LONGEST, find_refusal, shorten
from include.settings import Settings

TRIP = {"pickup_zone": 74, "dropoff_zone": 75, "trip_distance": 1.98}
SETTINGS = Settings(_env_file=None)


def refuse(dag_id: str, conf: Any) -> str | None:
    return find_refusal(dag_id, json.dumps({"logical_date": None, "conf": conf}).encode(), lambda: SETTINGS)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([TRIP] * 10_001, "inputs must contain 1 to 10000 trips, not 10001"),
        ([TRIP, {**TRIP, "pickup_zone": "x"}], "inputs[1].pickup_zone must be a whole number, not 'x'"),
        ([[TRIP]], "inputs[0] must be an object with the fields "),
        ([{**TRIP, "trip_distance": float("nan")}], "inputs[0].trip_distance must be a number from "),
        ([{**TRIP, "pickup_at": "yesterday"}], "inputs[0].pickup_at must be a time such as "),
        ([{**TRIP, "pickup_at": "2024-02-14\n"}], "inputs[0].pickup_at must be a time such as "),
        ([{**TRIP, "tip": 3}], "inputs[0].tip is not a field of a trip"),
        ([TRIP, {}], "inputs[1].pickup_zone is missing"),
        ("all of them", "inputs must be a list of trips, not str"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_trips_are_refused_by_trip_number_and_field_in_few_words(inputs: Any, words: str) -> None:
    said = refuse("prediction", {"inputs": inputs})
    assert said
    assert said.startswith(words)
    assert len(said) < 500


@pytest.mark.parametrize(
    ("conf", "words"),
    [
        (None, "Nothing to predict: give `inputs`, for example "),
        ({}, "Nothing to predict: give `inputs`, for example "),
        ({"inputs": [], "level": 0.8}, "Nothing to predict: give `inputs`, for example "),
        ({**TRIP, "dropof_zone": 75}, "dropof_zone is not a field of a trip; did you mean dropoff_zone?"),
        ({**TRIP, "pickup_zone": "x"}, "pickup_zone must be a whole number, not 'x'"),
        ({"pickup_zone": 74}, "dropoff_zone is missing; trip_distance is missing"),
        ({**TRIP, "trip_distance": float("nan")}, "trip_distance must be a valid JSON number, not nan"),
        ({"inputs": [TRIP], "pickup_zone": 74}, "Give inputs, or the fields of one trip, not both: pickup_zone"),
        ({"inputs": [TRIP], "PULocationID": 74}, "Give inputs, or the fields of one trip, not both: PULocationID"),
        ({"inputs": [TRIP], "levvel": 0.7}, "levvel is not a parameter of the run; did you mean level?"),
        ({"inputs": [TRIP], "tip": 7}, "tip is not a parameter of the run; beside inputs there is only level"),
        ({**TRIP, "levvel": 0.7}, "levvel is not a field of a trip; did you mean level?"),
        ({"input": [TRIP]}, "input is not a field of a trip; did you mean inputs?"),
        ({**TRIP, "PULocationID": 74}, "PULocationID is pickup_zone, which is given twice"),
    ],
)  # fmt: skip
def test_single_trip_is_refused_by_the_name_of_its_field(conf: Any, words: str) -> None:
    said = refuse("prediction", conf)
    assert said
    assert said.startswith(words)


def test_empty_fields_of_a_form_are_no_fields() -> None:
    form = dict.fromkeys([*TRIP, "pickup_at", "level"])
    assert refuse("prediction", {**form, "inputs": [TRIP]}) is None
    assert refuse("prediction", {**form, **TRIP, "inputs": None, "level": 0.9}) is None


OF_SOURCE = {"PULocationID": 74, "DOLocationID": 75, "trip_distance": "1.98"}


@pytest.mark.parametrize("conf", [[1], 1, "x", {"inputs": [TRIP] * 10_000}, TRIP, OF_SOURCE, {"inputs": [OF_SOURCE]}])
def test_what_may_be_fine_is_left_to_airflow(conf: Any) -> None:
    assert refuse("prediction", conf) is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"conf": 1}', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_request_to_start_a_run_is_left_to_airflow(body: bytes) -> None:
    assert find_refusal("prediction", body, lambda: SETTINGS) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dag_id", ["prediction", "xgboost_training"])
def test_number_that_json_does_not_have_is_refused_with_its_place(dag_id: str, value: float) -> None:
    said = refuse(dag_id, {"a": 1.5, "deep": [{"time_budget": value}]})
    assert said == f"deep[0].time_budget must be a valid JSON number, not {value}"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=50), inner, max_size=3),
    max_leaves=5,
)


confs = json_values | st.fixed_dictionaries({"inputs": json_values})


@given(st.sampled_from(["prediction", "data_preparation"]), confs)
def test_anything_at_all_is_answered(dag_id: str, conf: Any) -> None:
    said = refuse(dag_id, conf)
    assert said is None or said


SCHEMAS = [
    ([5] * 20_000, {"type": "array", "maxItems": 10}),
    (999, {"enum": [None, *range(1, 266)]}),
    ("x" * 5_000, {"type": "integer"}),
    ([1, {"zone": ["a" * 900]}], {"items": {"properties": {"zone": {"items": {"maxLength": 3}}}}}),
]


@pytest.mark.parametrize(("value", "schema"), SCHEMAS, ids=["long", "enum", "text", "deep"])
def test_text_of_a_schema_is_made_short(value: Any, schema: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError) as refused:
        jsonschema.validate(value, schema)
    said = shorten(f"Invalid input for param things: {refused.value}")
    assert said.startswith("Invalid input for param things: ")
    assert len(said) < 2 * LONGEST
    assert "\n" not in said


def test_short_text_keeps_the_place_and_what_is_wrong() -> None:
    with pytest.raises(jsonschema.ValidationError) as refused:
        jsonschema.validate(["x2024-01", "2024-1"], {"items": {"pattern": "^x"}})
    assert shorten(f"Invalid input for param months: {refused.value}") == (
        "Invalid input for param months: '2024-1' does not match '^x' (at [1])"
    )
    assert shorten("Dag run already exists") == "Dag run already exists"


def test_what_is_no_month_is_said_without_the_pattern() -> None:
    with pytest.raises(jsonschema.ValidationError) as refused:
        jsonschema.validate(["2024-1"], {"items": {"pattern": PART_PATTERN}})
    assert shorten(f"Invalid input for param months: {refused.value}") == (
        "Invalid input for param months: '2024-1' is not a month as YYYY-MM, nor all (at [0])"
    )
