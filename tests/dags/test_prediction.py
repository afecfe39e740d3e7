"""What a call of the prediction DAG may hold, and what its task makes of it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import ParamValidationError

from include.errors import MltrainError, NoChampion
from include.prediction.inputs import MOST_ROWS
from tests.dags.test_params import find_dag, validate

TRIP = {"pickup_zone": 236, "dropoff_zone": 239, "trip_distance": 1.98}
ACCEPTS = [
    {"inputs": [TRIP]},
    {"inputs": [{**TRIP, "pickup_at": "2024-02-14T18:30:00"}, {**TRIP, "pickup_at": None}]},
    {"inputs": [{"PULocationID": "236", "DOLocationID": "239", "trip_distance": "1.98"}]},
    {"inputs": [{"lpep_pickup_datetime": "2024-02-14 18:30", **TRIP}]},
    {"inputs": [TRIP] * MOST_ROWS},
    {"inputs": []},
    # Of a champion that was trained before the declaration changed.
    {"inputs": [{"pickup_zone": 236, "passengers": 2}]},
    {"trip_distance": 1.98, "pickup_at": "2024-02-14T18:30"},
    {"PULocationID": 236, "DOLocationID": 239, "trip_distance": 1.98},
    {**TRIP, "level": 0.5},
]
REFUSES = [
    ({"inputs": TRIP}, "inputs", "is not of type 'array'"),
    ({"inputs": [5]}, "inputs", "5 is not of type 'object'"),
    ({"inputs": [TRIP] * (MOST_ROWS + 1)}, "inputs", "is too long"),
    ({**TRIP, "level": 0.3}, "level", "0.3 is less than the minimum of 0.5"),
    ({**TRIP, "level": 1}, "level", "1 is greater than the maximum of 0.99"),
    ({"pickup_zone": "Queens"}, "pickup_zone", "Queens"),
    ({"trip_distance": -1}, "trip_distance", "-1 is less than the minimum"),
    ({"pickup_at": "soon"}, "pickup_at", "soon"),
]


@pytest.mark.parametrize("conf", ACCEPTS, ids=lambda conf: str(conf)[:60])
def test_call_is_accepted(conf: dict[str, Any]) -> None:
    assert validate("prediction", conf).items() >= conf.items()


@pytest.mark.parametrize(("conf", "param", "message"), REFUSES, ids=lambda value: str(value)[:60])
def test_call_is_refused_with_the_field_that_is_wrong(conf: dict[str, Any], param: str, message: str) -> None:
    with pytest.raises(ParamValidationError, match=f"(?s)Invalid input for param {param}:.*{message}"):
        validate("prediction", conf)


def test_zones_are_chosen_by_name_where_names_are_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import importlib

    import dags.prediction
    from include.prediction import value_names

    with monkeypatch.context() as patch:
        patch.setattr(value_names.read_names, "__defaults__", (tmp_path,))
        (tmp_path / "zones.json").write_text('{"74": "East Harlem North", "75": "East Harlem South"}')
        with_names = importlib.reload(dags.prediction).PARAMS["pickup_zone"].schema
        (tmp_path / "zones.json").unlink()
        without = importlib.reload(dags.prediction).PARAMS["pickup_zone"].schema
    importlib.reload(dags.prediction)
    assert with_names["enum"] == [None, 74, 75]
    assert with_names["values_display"]["75"] == "75 East Harlem South"
    assert (without["minimum"], without.get("enum")) == (1, None)


def test_result_of_the_run_is_what_the_task_returns() -> None:
    assert [task.task_id for task in find_dag("prediction").tasks if task.returns_dag_result] == ["predict"]


def test_reason_of_a_failed_prediction_is_the_runs_note(monkeypatch: pytest.MonkeyPatch) -> None:
    import dags.prediction
    from include.orchestration import runs
    from include.prediction import request

    notes = []

    def refuse(*_: Any, **__: Any) -> None:
        raise NoChampion("no champion: start sklearn_training")

    # There is no server to write the note to here, and no registry to lack a champion.
    monkeypatch.setattr(runs, "write_note", lambda *note: notes.append(note))
    monkeypatch.setattr(dags.prediction, "get_warehouse_url", lambda: "postgresql://nowhere")
    monkeypatch.setattr(request, "predict", refuse)
    body = find_dag("prediction").get_task("predict").python_callable
    run = SimpleNamespace(dag_id="prediction", run_id="manual__1")
    with pytest.raises(MltrainError):
        body(params={"inputs": [TRIP], "level": 0.9}, dag_run=run)
    assert notes == [("prediction", "manual__1", "no champion: start sklearn_training")]


def test_note_of_a_batch_says_what_was_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    from include.orchestration import runs

    notes = []
    monkeypatch.setattr(runs, "write_note", lambda *note: notes.append(note))
    task = find_dag("batch_prediction").get_task("report")
    assert task.upstream_task_ids == {"score"}
    scored = ({"month": "2024-01", "version": 3, "rows": 7, "skipped": 0},)
    task.python_callable(scored, dag_run=SimpleNamespace(dag_id="batch_prediction", run_id="manual__1"))
    told = "Version 3 predicted 7 trips of 2024-01, stored in prediction.batch."
    assert notes == [("batch_prediction", "manual__1", told)]
