import os
import threading
from pathlib import Path

from include.alerting.detached import run_detached


def wait_for(path: Path) -> None:
    while not path.exists():
        threading.Event().wait(0.01)


def test_answer_comes_back_when_there_is_time() -> None:
    assert run_detached(lambda: ["one", "two"], 30) == ["one", "two"]


def test_work_goes_on_when_the_caller_no_longer_waits(tmp_path: Path) -> None:
    go_on, done = tmp_path / "go-on", tmp_path / "done"

    def work() -> list[str]:
        wait_for(go_on)
        done.touch()
        return []

    assert run_detached(work, 0.05) is None
    go_on.touch()
    wait_for(done)


def test_error_comes_back_as_a_line() -> None:
    def work() -> list[str]:
        raise ValueError("it broke")

    [line] = run_detached(work, 30) or []
    assert "ValueError: it broke" in line


def test_callers_files_are_out_of_the_works_reach(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w", buffering=1) as log:

        def work() -> list[str]:
            log.write("into the caller's log\n")
            os.write(1, b"onto its terminal\n")
            return ["written to nowhere"]

        assert run_detached(work, 30) == ["written to nowhere"]
    assert (tmp_path / "log").read_text() == ""


def test_end_without_a_word_is_said() -> None:
    assert run_detached(lambda: os._exit(3), 30) == ["the process that sends alerts ended without reporting anything"]
