"""What is started and said while a stack's runs are followed, through an API that answers as Airflow's does."""

import io
import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from rich.console import Console

from include.embedded.commands import follow
from include.embedded.commands.airflow_api import Run
from include.embedded.credentials import Credentials
from include.embedded.settings import StackSettings
from include.embedded.stack import Stack, wanted_ports
from include.sets.results import FRESH_VERSION
from include.settings import Settings

RUNS = "/api/v2/dags/{}/dagRuns".format


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What `wait_for_end` prints, by the runs that are active at each look."""

    def say(*looks: list[Run]) -> str:
        waiting = list(looks)
        api = SimpleNamespace(dags=dict, active_runs=lambda ids: waiting.pop(0) if len(waiting) > 1 else waiting[0])
        monkeypatch.setattr(follow, "AirflowApi", lambda stack: api)
        monkeypatch.setattr(follow.time, "sleep", lambda seconds: None)
        output = io.StringIO()
        stack: Any = SimpleNamespace(home=Path("/data/rents"))
        follow.wait_for_end(stack, Console(file=output, width=80))
        return output.getvalue()

    return say


def test_runs_that_are_waited_for_are_named_once_with_the_longest_time_and_the_way_past_them(say: Any) -> None:
    run = Run("sklearn_training", "manual__2024-05-01", "running")
    assert say([run], [run], []) == (
        "Waiting for this run to end, for at most 300 s: sklearn_training manual__2024-05-01. To go on at once,"
        " press Ctrl-C, then `MLTRAIN_HOME=/data/rents make down` and the same command again.\n"
    )


def test_of_many_runs_a_few_are_named(say: Any) -> None:
    runs = [Run("prediction", f"manual__{number}", "queued") for number in range(5)]
    named = "prediction manual__0, prediction manual__1, prediction manual__2, 2 more."
    assert f"Waiting for these runs to end, for at most 300 s: {named}" in say(runs, [])


def test_nothing_is_said_where_nothing_is_waited_for(say: Any) -> None:
    assert say([]) == ""


def test_runs_that_outlast_the_time_are_named_as_interrupted(say: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "SECONDS_TO_END", 0.05)
    assert "Still active, and interrupted: prediction." in say([Run("prediction", "manual__1", "queued")])


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    settings = StackSettings()
    return Stack(tmp_path, settings, wanted_ports(settings), Credentials())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, Any]]:
    """Method, path and body of what Airflow was asked to do, by whom it finds version 3 fresh in `plan`."""
    asked: list[tuple[str, str, Any]] = []
    found = f"{RUNS('data_preparation')}/manual__1/taskInstances"
    answers = {
        "/api/v2/dags": {"dags": []},
        "/api/v2/assets/events": {"asset_events": []},
        f"{found}/~/xcomEntries": {"xcom_entries": [{"key": FRESH_VERSION, "task_id": "plan"}]},
        f"{found}/plan/xcomEntries/{FRESH_VERSION}": {"key": FRESH_VERSION, "value": "3"},
    }

    def handle(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/auth/token":
            return httpx.Response(201, json={"access_token": "x"})
        if request.method == "GET":
            answer = answers.get(path, {"dag_runs": []} if path.endswith("/dagRuns") else None)
            return httpx.Response(404 if answer is None else 200, json=answer)
        asked.append((request.method, path, json.loads(request.content)))
        dag_id = path.split("/")[4]
        return httpx.Response(200, json={"dag_id": dag_id, "dag_run_id": "manual__1", "state": "success", "note": ""})

    monkeypatch.setattr(httpx, "Client", partial(httpx.Client, transport=httpx.MockTransport(handle)))
    return asked


def test_months_that_were_prepared_before_are_trained_on_although_another_set_is_newer(
    stack: Stack, asked: list[tuple[str, str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "newest_set", lambda url: 4)
    monkeypatch.setattr(follow, "find_models", lambda stack, settings, tag, values: [])
    settings, output = Settings(), io.StringIO()
    preparation = Run("data_preparation", "manual__1", "success")
    api = follow.AirflowApi(stack)
    _, fresh = follow._trainings_after(api, stack, settings, preparation, Console(file=output, width=200))
    assert fresh == 3
    assert "training set 3 is fresh" in output.getvalue()
    assert [(path, body["conf"]) for _, path, body in asked] == [
        (RUNS(dag_id), {"set_version": 3}) for dag_id in settings.training_dags
    ]


def test_rollback_starts_although_its_dag_is_paused(
    stack: Stack, asked: list[tuple[str, str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow.AirflowApi, "note", lambda self, run: "Version 1 is champion again.")
    monkeypatch.setattr(follow, "_serve_champion", lambda stack, console: None)
    assert follow.roll_back(stack, Console(file=io.StringIO()))
    [unpaused, started] = asked
    assert unpaused == ("PATCH", "/api/v2/dags/model_promotion", {"is_paused": False})
    assert (started[1], started[2]["conf"]) == (RUNS("model_promotion"), {"rollback": True})
