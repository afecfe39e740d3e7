"""What the tasks of the master, and of a training without a set, start."""

from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from include.orchestration import connections, training_dags
from include.retraining import reasons

FOUND = {"reasons": ["drifted: hour"], "months": ["2024-01"], "set_version": None, "preparation": {}}


def test_run_that_is_cleared_starts_anew_and_an_attempt_starts_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    import dags.automatic_retraining as master

    monkeypatch.setattr(master, "start_dag", lambda dag_id, note, conf, run_id: run_id)
    run = SimpleNamespace(run_id="manual__1")
    looks = [f"2024-03-01T00:00:00.{number}+00:00" for number in (1, 1, 2)]
    started = [master.start.function(FOUND | {"requested_at": look}, dag_run=run) for look in looks]
    first, second, cleared = (run_id for [run] in started for run_id in [run["run_id"]])
    assert first == second != cleared
    assert first == f"retraining__manual__1__{looks[0]}"


@pytest.mark.parametrize(
    ("given", "end"),
    [
        ({}, "its event starts a new run."),
        ({"models": []}, "its event starts a new run."),
        ({"max_evaluations": 0}, "Start this DAG again with yours when the set is published."),
        ({"models": ["linear_model.Lasso"]}, "Start this DAG again with yours when the set is published."),
    ],
)
def test_training_without_a_fresh_set_says_whether_its_parameters_are_lost(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], end: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse_url)
    monkeypatch.setattr(training_dags, "start_dag", lambda dag_id, note, conf: f"{dag_id}__1")
    monkeypatch.setattr(connections, "list_paused", lambda dag_ids: [])
    params = dict.fromkeys(training_dags._params("sklearn")) | given
    run = SimpleNamespace(dag_id="sklearn_training", run_id="manual__1")
    with pytest.raises(AirflowSkipException) as skipped:
        training_dags.training_set.function("sklearn", dag_run=run, params=params)
    assert str(skipped.value).endswith(end)


@pytest.mark.parametrize(
    ("set_version", "paused"),
    [
        pytest.param(None, "data_preparation", id="what it starts"),
        pytest.param(None, "xgboost_training", id="what the event starts"),
        pytest.param(7, "xgboost_training", id="one of several"),
    ],
)
def test_retraining_whose_dags_are_paused_fails_before_it_begins(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch, set_version: int | None, paused: str
) -> None:
    import dags.automatic_retraining as master

    found = reasons.Retraining(("drifted: hour",), ("2024-01",), set_version, FOUND["preparation"], "2024-03-01")
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse_url)
    monkeypatch.setattr(master, "find_rival", lambda dag_id, run_id: None)
    monkeypatch.setattr(reasons, "detect", lambda url, settings, force: found)
    monkeypatch.setattr(connections, "list_paused", lambda dag_ids: sorted({paused} & set(dag_ids)))
    run = SimpleNamespace(dag_id="automatic_retraining", run_id="manual__1")
    with pytest.raises(AirflowFailException, match=f"^{paused} is paused"):
        master.detect.function(dag_run=run, params={"force": False})
    with psycopg.connect(warehouse_url) as connection:
        assert connection.execute("SELECT count(*) FROM training.retrainings").fetchone() == (0,)
    # A retraining on a set that is there needs no preparation.
    monkeypatch.setattr(connections, "list_paused", lambda dag_ids: sorted({"data_preparation"} & set(dag_ids)))
    if set_version:
        assert master.detect.function(dag_run=run, params={"force": False}) == found.to_dict()


def test_training_without_a_fresh_set_fails_where_none_would_be_prepared(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse_url)
    monkeypatch.setattr(training_dags, "start_dag", lambda dag_id, note, conf: pytest.fail("a run was started"))
    monkeypatch.setattr(connections, "list_paused", list)
    params = dict.fromkeys(training_dags._params("sklearn"))
    run = SimpleNamespace(dag_id="sklearn_training", run_id="manual__1")
    with pytest.raises(AirflowFailException, match="^data_preparation is paused"):
        training_dags.training_set.function("sklearn", dag_run=run, params=params)


def test_training_without_a_fresh_set_prepares_what_a_retraining_would(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = {}
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse_url)
    monkeypatch.setattr(training_dags, "start_dag", lambda dag_id, note, conf: started.update({dag_id: conf}))
    monkeypatch.setattr(connections, "list_paused", lambda dag_ids: [])
    monkeypatch.setattr(reasons, "plan_rolled", lambda url, settings: FOUND["preparation"])
    run = SimpleNamespace(dag_id="sklearn_training", run_id="manual__1")
    with pytest.raises(AirflowSkipException):
        training_dags.training_set.function(
            "sklearn", dag_run=run, params=dict.fromkeys(training_dags._params("sklearn"))
        )
    assert started == {"data_preparation": FOUND["preparation"]}


def test_retraining_that_failed_is_repeated_after_a_pause_or_by_force(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dags.automatic_retraining as master

    found = reasons.Retraining(("drifted: hour",), ("2024-01",), 7, FOUND["preparation"], "2024-03-01", "same")
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse_url)
    monkeypatch.setattr(master, "find_rival", lambda dag_id, run_id: None)
    monkeypatch.setattr(reasons, "detect", lambda url, settings, force: found)
    monkeypatch.setattr(connections, "list_paused", lambda dag_ids: [])

    def detect(number: int, *, force: bool = False) -> Any:
        run = SimpleNamespace(dag_id="automatic_retraining", run_id=f"scheduled__{number}")
        return master.detect.function(dag_run=run, params={"force": force})

    # It never reports.
    assert detect(1) == found.to_dict()
    with pytest.raises(AirflowSkipException, match="the last retraining failed"):
        detect(2)
    assert detect(1) == detect(3, force=True) == found.to_dict()
