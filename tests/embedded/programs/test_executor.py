"""How long the executor holds up the rounds of the scheduler."""

from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest
from airflow.executors.executor_loader import import_string
from airflow.utils.state import TaskInstanceState

from include.embedded.environment import airflow_environment
from include.embedded.programs import executor as module
from include.embedded.programs.bell import BELL, ring
from include.embedded.programs.executor import LONGEST_PAUSE, SHORTEST_PAUSE, PausingExecutor
from include.embedded.settings import StackSettings
from include.embedded.stack import open_stack, wanted_ports

# Longer than any test: who waits for the end of such a pause has not been woken.
ENDLESS = 3600.0


@pytest.fixture
def bell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bell"
    monkeypatch.setenv(BELL, str(path))
    return path


@pytest.fixture
def executor(bell: Path) -> Iterator[PausingExecutor]:
    found = PausingExecutor(parallelism=1)
    found.start()
    yield found
    found.end()


def test_each_pause_in_which_nothing_happens_doubles_the_next(
    executor: PausingExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_PAUSE", 4 * SHORTEST_PAUSE)
    lengths = []
    for _ in range(4):
        lengths.append(executor._pause / SHORTEST_PAUSE)
        executor.sync()
    assert lengths == [1, 2, 4, 4]


def test_bell_ends_a_pause_and_shortens_the_next(executor: PausingExecutor, bell: Path) -> None:
    executor._pause = ENDLESS
    timer = Timer(0.05, ring, [bell])
    timer.start()
    executor.sync()
    timer.join()
    assert executor._pause == SHORTEST_PAUSE


def test_task_that_ends_ends_a_pause_and_is_told_in_the_same_round(executor: PausingExecutor) -> None:
    executor._pause = ENDLESS
    timer = Timer(0.05, executor.result_queue.put, [("task", TaskInstanceState.SUCCESS, None)])
    timer.start()
    executor.sync()
    timer.join()
    assert list(executor.get_event_buffer()) == ["task"]
    assert executor._pause == SHORTEST_PAUSE


def test_what_has_ended_before_the_pause_is_told_without_one(executor: PausingExecutor) -> None:
    executor._pause = ENDLESS
    executor.result_queue.put(("task", TaskInstanceState.SUCCESS, None))
    executor.sync()
    assert list(executor.get_event_buffer()) == ["task"]


def test_the_stack_runs_it_and_nothing_pauses_beside_it(tmp_path: Path) -> None:
    settings = StackSettings()  # type: ignore[call-arg]
    environment = airflow_environment(open_stack(tmp_path, settings, wanted_ports(settings)))
    assert import_string(environment["AIRFLOW__CORE__EXECUTOR"]) is PausingExecutor
    assert environment["AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME"] == "0"
    assert SHORTEST_PAUSE < LONGEST_PAUSE
