"""What the tasks of the master, and of a training without a set, start."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from include.orchestration import training_dags

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
    monkeypatch.setattr(training_dags, "start_dag", lambda dag_id, note: f"{dag_id}__1")
    params = dict.fromkeys(training_dags._params("sklearn")) | given
    run = SimpleNamespace(dag_id="sklearn_training", run_id="manual__1")
    with pytest.raises(AirflowSkipException) as skipped:
        training_dags.training_set.function("sklearn", dag_run=run, params=params)
    assert str(skipped.value).endswith(end)
