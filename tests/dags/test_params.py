"""What the form and the REST body of each DAG accept, by the parameters' own validation."""

import copy
import importlib
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import ParamValidationError

from include.models.table import FAMILIES, names_for, names_of
from include.sets.plan import make_plan
from include.settings import Settings
from tests.dags.conftest import DAG_IDS
from tests.splits import PROBLEM

TRAINING_DAGS = [f"{family}_training" for family in FAMILIES]


def find_dag(dag_id: str) -> DAG:
    module = importlib.import_module(f"dags.{dag_id}")
    found = getattr(module, dag_id, None) or module.dag
    return found if isinstance(found, DAG) else found()


def validate(dag_id: str, conf: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a run that is started with `conf`."""
    params = copy.deepcopy(find_dag(dag_id).params)
    params.update(conf)
    return params.validate()


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_run_can_be_started_without_any_parameter(dag_id: str) -> None:
    assert validate(dag_id, {}) == {name: param.value for name, param in find_dag(dag_id).params.items()}


# Of one, two and three months: what the form says, and the day.
SPLIT_DAYS = {
    "validation_from": (
        ("of one, its 21st", "2024-01-21"),
        ("of two months, of the newest", "2024-02-01"),
        ("the month before the newest", "2024-02-01"),
    ),
    "test_from": (
        ("of one, its 26th", "2024-01-26"),
        ("of two, of its second half", "2024-02-15"),
        ("that of the newest month", "2024-03-01"),
    ),
}


@pytest.mark.parametrize("months", [("2024-01",), ("2024-01", "2024-02"), ("2024-01", "2024-02", "2024-03")])
def test_form_of_the_preparation_says_which_days_an_empty_field_stands_for(months: tuple[str, ...]) -> None:
    texts = {name: find_dag("data_preparation").params.get_param(name).description for name in SPLIT_DAYS}
    plan = make_plan(Settings(months=months))
    for name, (one, two, three) in SPLIT_DAYS.items():
        words, day = {1: one, 2: two, 3: three}[len(months)]
        assert words in str(texts[name])
        assert getattr(plan, name) == day
    assert "With a day for validation, no test split" in str(texts["test_from"])
    assert make_plan(Settings(months=months), validation_from=f"{months[-1]}-10").test_from is None


PREPARATION_ACCEPTS = [
    {"months": ["2024-01"]},
    {"months": ["2023-12", "2024-01"]},
    {"months": None},
    {"validation_from": "2024-02-29"},
    {"test_from": "2024-02-15"},
    {"outdated_after": 0.5},
    {"force": True},
]
PREPARATION_REFUSES = [
    {"months": "2024-01"},
    {"months": ["2024-13"]},
    {"months": ["2024-1"]},
    {"months": ["2024-01-01"]},
    {"months": ["x2024-01"]},
    {"months": ["2024-01\n"]},
    {"months": ["0000-01"]},
    {"months": [202401]},
    {"months": [None]},
    {"validation_from": "1 Feb 2024"},
    {"validation_from": "2024-02-30"},
    {"test_from": 20240215},
    {"outdated_after": 0},
    {"outdated_after": -1},
    {"outdated_after": "a week"},
    {"force": "yes"},
    {"force": None},
]


@pytest.mark.parametrize("conf", PREPARATION_ACCEPTS, ids=str)
def test_data_preparation_accepts(conf: dict[str, Any]) -> None:
    assert validate("data_preparation", conf).items() >= conf.items()


@pytest.mark.parametrize("conf", PREPARATION_REFUSES, ids=str)
def test_data_preparation_refuses(conf: dict[str, Any]) -> None:
    with pytest.raises(ParamValidationError, match=f"Invalid input for param {next(iter(conf))}"):
        validate("data_preparation", conf)


TRAINING_ACCEPTS = [
    {"models": None},
    {"models": []},
    {"max_evaluations": 0},
    {"max_evaluations": 1},
    {"max_evaluations": 1000},
    {"time_budget": 0.5},
    {"random_state": 0},
    {"requested_at": "2026-11-26T00:10:34.164623+00:00"},
    {"requested_at": "2026-11-26T00:10:34Z"},
    {"feature_set": None},
    *({"feature_set": name} for name in Settings().problem.feature_set_names),
]
TRAINING_REFUSES = [
    {"models": ["svm.SVR"]},
    {"models": "linear_model.Lasso"},
    {"max_evaluations": -1},
    {"max_evaluations": 2.5},
    {"max_evaluations": 1001},
    {"time_budget": 0},
    {"time_budget": -60},
    {"random_state": -1},
    {"random_state": 0.5},
    {"requested_at": "x"},
    {"requested_at": ""},
    {"requested_at": "2024-02-30T12:00:00+00:00"},
    {"requested_at": "2024-02-14T12:00:00+00:00\n"},
    {"requested_at": "2024-02-14T12:00:00"},
    {"feature_set": "poor"},
    {"feature_set": ""},
]


@pytest.mark.parametrize("conf", TRAINING_ACCEPTS, ids=str)
@pytest.mark.parametrize("dag_id", TRAINING_DAGS)
def test_training_accepts(dag_id: str, conf: dict[str, Any]) -> None:
    assert validate(dag_id, conf).items() >= conf.items()


@pytest.mark.parametrize("conf", TRAINING_REFUSES, ids=str)
@pytest.mark.parametrize("dag_id", TRAINING_DAGS)
def test_training_refuses(dag_id: str, conf: dict[str, Any]) -> None:
    with pytest.raises(ParamValidationError, match=f"Invalid input for param {next(iter(conf))}"):
        validate(dag_id, conf)


@pytest.mark.parametrize("dag_id", TRAINING_DAGS)
def test_what_a_form_hides_is_checked_all_the_same(dag_id: str) -> None:
    schema = find_dag(dag_id).params.get_param("requested_at").schema
    assert schema["const"], "by which Airflow's form leaves a field out"
    assert validate(dag_id, {"requested_at": "2024-03-01T00:00:00+00:00"})["requested_at"]
    with pytest.raises(ParamValidationError, match="Invalid input for param requested_at"):
        validate(dag_id, {"requested_at": 20240301})


RETRAINING_ACCEPTS = [{"force": True}, {"ignore_failures": "yes"}, {"ignore_failures": "no"}, {"ignore_failures": None}]
RETRAINING_REFUSES = [{"force": None}, {"force": 1}, {"ignore_failures": "maybe"}, {"ignore_failures": 0}]


@pytest.mark.parametrize("conf", RETRAINING_ACCEPTS, ids=str)
def test_retraining_accepts(conf: dict[str, Any]) -> None:
    assert validate("automatic_retraining", conf).items() >= conf.items()


@pytest.mark.parametrize("conf", RETRAINING_REFUSES, ids=str)
def test_retraining_refuses(conf: dict[str, Any]) -> None:
    with pytest.raises(ParamValidationError, match=f"Invalid input for param {next(iter(conf))}"):
        validate("automatic_retraining", conf)


@pytest.mark.parametrize("family", FAMILIES)
def test_training_accepts_every_model_of_its_family_and_none_of_the_other(family: str) -> None:
    dag_id = f"{family}_training"
    names = names_for(family, PROBLEM)  # type: ignore[arg-type]
    assert validate(dag_id, {"models": names})["models"] == names
    for wrong in set(names_of(family)) - set(names):  # type: ignore[arg-type]
        with pytest.raises(ParamValidationError, match="Invalid input for param models"):
            validate(dag_id, {"models": [wrong]})
    for other in {*FAMILIES} - {family}:
        with pytest.raises(ParamValidationError, match="Invalid input for param models"):
            validate(dag_id, {"models": names_of(other)[:1]})


@pytest.mark.parametrize(
    "location",
    [
        "https://host/{month}.csv",
        "s3://trips/{month}.parquet",
        "postgresql://ann@host/db/city.rows",
        "https://host/{month}.csv?page={page}&keyless",
        "/data/a:b@c.csv",
    ],
)
def test_batch_prediction_accepts_a_location_without_a_password(location: str) -> None:
    conf = {"location": location, "connection_id": "city"}
    assert validate("batch_prediction", conf).items() >= conf.items()


@pytest.mark.parametrize(
    "conf",
    [
        {"location": "https://ann:s3cret@host/{month}.csv"},
        {"location": "postgresql://ann:s3cret@host/db/city.rows"},
        {"location": "https://:s3cret@host/{month}.csv"},
        {"location": "postgresql://ann:s3/cr:et@host/db/city.rows"},
        {"location": "https://host/{month}.csv?sv=1&sig=s3cret"},
        {"location": "https://host/{month}.csv?Api_Key=s3cret"},
        {"location": "postgresql://ann@host/db/city.rows?password=s3cret"},
        {"connection_id": "a b"},
        {"connection_id": ""},
    ],
)
def test_batch_prediction_refuses_a_password_before_the_run_keeps_it(conf: dict[str, Any]) -> None:
    with pytest.raises(ParamValidationError):
        validate("batch_prediction", conf)


@pytest.mark.parametrize("months", [["2024-01\n"], ["0000-01"], ["2024-13"]])
def test_batch_prediction_refuses_what_is_no_month(months: list[str]) -> None:
    with pytest.raises(ParamValidationError, match="Invalid input for param months"):
        validate("batch_prediction", {"months": months})


def list_patterns(schema: Any) -> list[str]:
    """Every pattern in a JSON Schema."""
    if isinstance(schema, list):
        return [pattern for part in schema for pattern in list_patterns(part)]
    if not isinstance(schema, dict):
        return []
    own = [schema["pattern"]] if isinstance(schema.get("pattern"), str) else []
    return own + [pattern for part in schema.values() for pattern in list_patterns(part)]


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_no_pattern_lets_a_line_break_pass_at_the_end(dag_id: str) -> None:
    params = find_dag(dag_id).params
    for name in params:
        for pattern in list_patterns(params.get_param(name).schema):
            assert not pattern.endswith("$"), (name, pattern)
