"""How long a program that comes up is waited for."""

import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from include.embedded.programs import patience as module
from include.embedded.programs.patience import MOST_TIMES, SECONDS_OF_WORK, Patience, measure_work
from tests.waiting import wait_until


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the module's clock, and so what it counts by."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The processor time that the program has used."""
    used = [0.0]
    monkeypatch.setattr(module, "measure_work", lambda process: used[0])
    return used


def test_program_that_does_nothing_is_given_up(tmp_path: Path, clock: Callable[[float], None], work: list) -> None:
    patience = Patience(10)
    clock(9)
    work[0] += SECONDS_OF_WORK / 2
    assert patience.look(1, tmp_path / "log")
    clock(2)
    assert not patience.look(1, tmp_path / "log")


@pytest.mark.parametrize("sign", ["log", "work", "another process"])
def test_program_is_waited_for_while_it_is_seen_at_work(
    tmp_path: Path, clock: Callable[[float], None], work: list, sign: str
) -> None:
    patience, log = Patience(10), tmp_path / "log"
    work[0] = 100.0
    for turn in range(MOST_TIMES):
        if sign == "log":
            log.write_text("x" * turn)
        else:
            work[0] += SECONDS_OF_WORK if sign == "work" else -1
        assert patience.look(1, log)
        clock(9)


def test_program_that_works_for_ever_without_coming_up_is_given_up(
    tmp_path: Path, clock: Callable[[float], None], work: list
) -> None:
    patience = Patience(10)
    turns = 0
    while patience.look(1, tmp_path / "log"):
        work[0] += SECONDS_OF_WORK
        clock(5)
        turns += 1
    assert turns == MOST_TIMES * 2


def test_work_of_all_processes_of_a_program_counts() -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    with psutil.Popen([sys.executable, "-c", script]) as process:
        try:
            wait_until(lambda: measure_work(process.pid) > 2 * SECONDS_OF_WORK, "its child has worked")
            assert sum(process.cpu_times()[:2]) < SECONDS_OF_WORK
        finally:
            for one in (*process.children(recursive=True), process):
                one.kill()
    assert measure_work(process.pid) == 0.0
    assert measure_work(0) == 0.0
