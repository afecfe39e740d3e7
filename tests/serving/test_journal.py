"""Answered predictions are in prediction.log, each once, whatever ends the service in between."""

import os
import resource
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest

from include.prediction.log import Place, Predictions, write_once
from include.serving import journal as journals
from include.serving import log_writer
from include.serving.journal import Journal, adopt_journals, to_record
from include.serving.log_writer import LogWriter
from include.serving.metrics import Metrics
from include.settings import ROOT, Settings
from include.tracking.runs import Tracker
from include.warehouse import connect
from tests.registered import BOOSTER, register
from tests.serving.conftest import KEY, TRIP, read_log
from tests.serving.processes import run_process
from tests.serving.test_log_writer import NOWHERE
from tests.splits import make_trips
from tests.waiting import wait_until

KINDS = Settings().problem.input_kinds
TRIPS = make_trips(["2024-01-14T18:30:00.123456", "1969-12-31"], [(2, 5), (3, 4)], [1.98, 0.1 + 0.2])
ANSWERED = Predictions(
    datetime(2024, 2, 14, 23, 30, 0, 7, UTC), "service", "r-1", 3, TRIPS, KINDS, {"predicted": [9.5, 1 / 3]}
)


def answer(number: int, **changes: Any) -> Predictions:
    return replace(ANSWERED, request_id=f"r-{number}", **changes)


def ids(url: str) -> Counter[str]:
    """How often each request is in the log; each has two trips."""
    return Counter(row[2] for row in read_log(url))


def leave(directory: Path, count: int) -> Path:
    """The journal of a process that is gone."""
    journal = Journal.create(directory)
    for number in range(1, count + 1):
        journal.append(to_record(answer(number)))
    journal.close()
    return journal.path


def replay(url: str, directory: Path) -> Metrics:
    """What a service does at its start and end."""
    writer = LogWriter(url, 100, metrics := Metrics(), directory)
    writer.start()
    assert writer.flush()
    writer.stop()
    return metrics


def test_line_is_read_as_it_was_written(tmp_path: Path) -> None:
    of_classes = {"predicted_class": ["Yes", "No"], "probabilities": [[1 / 3, 2 / 3], [0.9, 1 - 0.9]]}
    others = [{"request_id": None}, {"request_id": "Größe \u2028 {}"}, {"predicted": of_classes}]
    answers = [ANSWERED, *(replace(ANSWERED, **changes) for changes in others)]
    path = leave(tmp_path, 0)
    journal = Journal.create(tmp_path)
    assert [journal.append(to_record(each)) for each in answers] == [1, 2, 3, 4]
    found = list(journal.read())
    assert [number for number, _ in found] == [1, 2, 3, 4]
    for expected, (_, each) in zip(answers, found, strict=True):
        assert (each.at, each.source, each.request_id, each.model_version) == (
            expected.at, expected.source, expected.request_id, expected.model_version,
        )  # fmt: skip
        assert each.predicted == expected.predicted
        for name, values in expected.rows.items():
            np.testing.assert_array_equal(each.rows[name], values)
            assert each.rows[name].dtype == values.dtype
    assert path.exists()


def test_what_a_process_left_is_written_once_and_removed(warehouse_url: str, tmp_path: Path) -> None:
    leave(tmp_path, 3)
    metrics = replay(warehouse_url, tmp_path)
    assert ids(warehouse_url) == {"r-1": 2, "r-2": 2, "r-3": 2}
    assert metrics.registry.get_sample_value("serving_log_rows_total", {"outcome": "written"}) == 6
    assert list(tmp_path.iterdir()) == []
    with psycopg.connect(warehouse_url) as connection:
        assert connection.execute("SELECT count(*) FROM prediction.journals").fetchone() == (0,)


def test_what_was_written_before_the_kill_is_not_written_again(warehouse_url: str, tmp_path: Path) -> None:
    path = leave(tmp_path, 3)
    with connect(warehouse_url) as connection:
        write_once(connection, [(Place(path.stem, 1), answer(1)), (Place(path.stem, 2), answer(2))])
    replay(warehouse_url, tmp_path)
    assert ids(warehouse_url) == {"r-1": 2, "r-2": 2, "r-3": 2}


def test_journal_that_could_not_be_removed_is_not_written_again(
    warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path, 3)
    with monkeypatch.context() as patch:
        patch.setattr(LogWriter, "_forget", lambda self, journal: journal.close())
        replay(warehouse_url, tmp_path)
    replay(warehouse_url, tmp_path)
    assert ids(warehouse_url) == {"r-1": 2, "r-2": 2, "r-3": 2}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("torn", [b"", b"0", b"deadbeef [4,", b"00000000 []\n", b"\xff\x00\n"], ids=str)
def test_line_that_a_kill_tore_is_left_out_and_the_others_are_written(
    warehouse_url: str, tmp_path: Path, torn: bytes
) -> None:
    path = leave(tmp_path, 2)
    with path.open("ab") as file:
        file.write(torn)
    replay(warehouse_url, tmp_path)
    assert ids(warehouse_url) == {"r-1": 2, "r-2": 2}


def test_line_of_an_older_version_is_left_out(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path)
    journal.append(to_record(replace(ANSWERED, predicted=[9.5, 1 / 3])))  # type: ignore[arg-type]
    journal.append(to_record(ANSWERED))
    assert [number for number, _ in journal.read()] == [2]


def test_journal_of_a_process_that_lives_is_left_alone(warehouse_url: str, tmp_path: Path) -> None:
    living = Journal.create(tmp_path)
    living.append(to_record(answer(1)))
    left = leave(tmp_path, 2)
    assert [journal.path for journal in adopt_journals(tmp_path)] == [left]
    assert living.path.exists()


def remove_after_the_start(path: Path, start: Callable[[], None]) -> None:
    start()
    path.unlink()


def replace_by_a_directory(path: Path, start: Callable[[], None]) -> None:
    path.unlink()
    path.mkdir()
    start()


def replace_by_a_link_to_itself(path: Path, start: Callable[[], None]) -> None:
    path.unlink()
    path.symlink_to(path)
    start()


@pytest.mark.parametrize("spoil", [remove_after_the_start, replace_by_a_directory, replace_by_a_link_to_itself])
def test_journal_that_cannot_be_read_is_named_and_keeps_no_other_back(
    warehouse_url: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[Path, Callable[[], None]], None],
) -> None:
    path, _ = leave(tmp_path, 2), leave(tmp_path, 3)
    os.utime(path, (0, 0))
    writer = LogWriter(NOWHERE, 100, Metrics(), tmp_path)
    spoil(path, writer.start)
    writer._url = warehouse_url
    writer.put(answer(4))
    wait_until(lambda: set(ids(warehouse_url)) == {"r-1", "r-2", "r-3", "r-4"}, "the others are written")
    writer.stop()
    [warning] = [each.getMessage() for each in caplog.records if "cannot be read" in each.getMessage()]
    assert str(path) in warning
    assert set(ids(warehouse_url).values()) == {2}


def test_what_waits_from_before_the_start_counts_against_the_bound(
    warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = leave(tmp_path, 3)
    monkeypatch.setattr(log_writer, "MOST_WAITING_BYTES", path.stat().st_size + len(to_record(answer(4))))
    writer = LogWriter(NOWHERE, 100, metrics := Metrics(), tmp_path)
    writer.start()
    writer.put(answer(4))
    writer.put(answer(5))
    writer._url = warehouse_url
    assert writer.flush()
    writer.put(answer(6))
    writer.put(answer(7))
    writer.stop()
    assert set(ids(warehouse_url)) == {"r-1", "r-2", "r-3", "r-4", "r-6", "r-7"}
    assert metrics.registry.get_sample_value("serving_log_rows_total", {"outcome": "dropped"}) == 2


def test_two_processes_with_one_journal_write_it_once(warehouse_url: str, tmp_path: Path) -> None:
    place, results = Place("same", 1), []

    def write() -> None:
        with connect(warehouse_url) as connection:
            results.append(write_once(connection, [(place, answer(1))]))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [0, 0, 0, 2]
    assert ids(warehouse_url) == {"r-1": 2}


def test_database_that_is_away_for_long_leaves_what_was_left_for_later(warehouse_url: str, tmp_path: Path) -> None:
    path = leave(tmp_path, 3)
    writer = LogWriter(NOWHERE, 100, Metrics(), tmp_path)
    writer.start()
    writer.put(answer(4))
    assert not writer.flush()
    assert path.exists()
    writer.stop()
    replay(warehouse_url, tmp_path)
    assert ids(warehouse_url) == {"r-1": 2, "r-2": 2, "r-3": 2, "r-4": 2}
    assert list(tmp_path.iterdir()) == []


def test_full_journals_are_followed_by_others_and_removed_once_they_are_written(
    warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "MOST_BYTES", 1000)
    monkeypatch.setattr("include.serving.log_writer.MOST_BYTES", 1000)
    writer = LogWriter(warehouse_url, 1000, Metrics(), tmp_path)
    for number in range(40):
        writer.put(answer(number))
    assert len(list(tmp_path.iterdir())) > 3
    assert writer.flush()
    assert len(list(tmp_path.iterdir())) == 1
    writer.put(answer(40))
    writer.stop()
    assert len(list(tmp_path.iterdir())) >= 1
    replay(warehouse_url, tmp_path)
    assert ids(warehouse_url) == {f"r-{number}": 2 for number in range(41)}


@contextmanager
def limited_files(size: int) -> Iterator[None]:
    """No file may grow beyond that size, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_fails_no_request_and_leaves_no_half_line(warehouse_url: str, tmp_path: Path) -> None:
    writer = LogWriter(warehouse_url, 1000, metrics := Metrics(), tmp_path)
    with limited_files(1500):
        for number in range(20):
            writer.put(answer(number))
    unkept = metrics.registry.get_sample_value("serving_log_unkept_rows_total")
    assert unkept
    assert 0 < unkept < 40
    for number in range(20, 25):
        writer.put(answer(number))
    [path] = tmp_path.iterdir()
    assert len(path.read_bytes().splitlines()) == 25 - unkept / 2
    assert writer.flush()
    assert ids(warehouse_url) == {f"r-{number}": 2 for number in range(25)}


def test_journal_is_private(tmp_path: Path) -> None:
    assert leave(tmp_path, 1).stat().st_mode & 0o777 == 0o600


WRITE_AND_DIE = """
import os, sys
from pathlib import Path
from include.serving.log_writer import LogWriter
from include.serving.metrics import Metrics
from tests.serving.test_journal import NOWHERE, answer

writer = LogWriter(NOWHERE, 1000, Metrics(), Path(sys.argv[1]))
for number in range(7):
    writer.put(answer(number))
os.kill(os.getpid(), 9)
"""


def test_kill_right_after_a_line_loses_nothing(warehouse_url: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, tmp_path], cwd=ROOT, env=os.environ, check=False)
    assert done.returncode == -9
    replay(warehouse_url, tmp_path)
    assert ids(warehouse_url) == {f"r-{number}": 2 for number in range(7)}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range")
def test_every_answer_of_a_service_that_is_killed_under_load_is_logged_once(
    tracker: Tracker, warehouse_url: str, tmp_path: Path
) -> None:
    register(tracker, "killed", BOOSTER)
    answered: list[str] = []
    for round_of_three in range(3):
        with run_process(tracker.uri, "killed", warehouse_url, tmp_path) as process:
            wait_until(lambda process=process: process.get("/readyz").status_code == 200, "the service is ready")
            before = len(answered)

            def ask(caller: int, url: str = process.url, attempt: int = round_of_three) -> None:
                with httpx.Client(base_url=url, headers={"X-API-Key": KEY}, trust_env=False) as client:
                    for number in range(100_000):
                        name = f"{attempt}-{caller}-{number}"
                        try:
                            answer = client.post("/predict", json=TRIP, headers={"X-Request-ID": name})
                        except httpx.TransportError:
                            return
                        if answer.status_code == 200:
                            answered.append(name)

            callers = [threading.Thread(target=ask, args=[caller]) for caller in range(4)]
            for caller in callers:
                caller.start()
            wait_until(lambda before=before: len(answered) > before + 200, "answers came")
            process.kill()
            for caller in callers:
                caller.join()
    with run_process(tracker.uri, "killed", warehouse_url, tmp_path):
        wait_until(lambda: not set(answered) - set(ids(warehouse_url)), "every answer is in the log")
    logged = ids(warehouse_url)
    assert {name: logged[name] for name in answered} == dict.fromkeys(answered, 1)
    # A request whose answer was on its way may be there too, but no other, and none twice.
    assert set(logged.values()) == {1}
    assert list((tmp_path / "predictions").iterdir()) == []
