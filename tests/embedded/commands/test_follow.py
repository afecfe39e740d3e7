"""What is said while a stack waits for the runs of another problem."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from include.embedded.commands import follow
from include.embedded.commands.airflow_api import Run


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
