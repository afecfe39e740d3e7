"""Predictions on their way to prediction.log."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg
import pytest

from include.prediction.log import Place, Predictions, write_once
from include.serving import log_writer
from include.serving.journal import to_record
from include.serving.log_writer import BATCH_ROWS, LogWriter
from include.serving.metrics import Metrics
from include.settings import Settings
from include.tracking.runs import Tracker
from tests.conftest import find_free_port
from tests.registered import configure
from tests.serving.conftest import TRIP, read_log, run_service
from tests.splits import make_trips
from tests.waiting import wait_until

KINDS = Settings().problem.input_kinds
NOWHERE = f"postgresql://taxi:none@127.0.0.1:{find_free_port()}/warehouse"


def answer(rows: int = 1, request_id: str | None = None) -> Predictions:
    trips = make_trips([str(TRIP["pickup_at"])] * rows, [(2, 5)] * rows, [1.98] * rows)
    return Predictions(datetime.now(UTC), "service", request_id, 3, trips, KINDS, {"predicted": [9.5] * rows})


def count(metrics: Metrics, outcome: str) -> float:
    value = metrics.registry.get_sample_value("serving_log_rows_total", {"outcome": outcome})
    assert value is not None
    return value


def test_queue_is_written_in_batches_and_counted(warehouse_url: str, tmp_path: Path) -> None:
    metrics = Metrics()
    writer = LogWriter(warehouse_url, 100_000, metrics, tmp_path)
    for _ in range(3):
        writer.put(answer(BATCH_ROWS // 2 + 1))
    assert writer.flush()
    rows = 3 * (BATCH_ROWS // 2 + 1)
    assert (len(read_log(warehouse_url)), count(metrics, "written")) == (rows, rows)
    assert metrics.registry.get_sample_value("serving_log_queued_rows") == 0


def test_what_arrives_during_a_write_waits_for_the_next_one(warehouse_url: str, tmp_path: Path) -> None:
    writer = LogWriter(warehouse_url, 10, Metrics(), tmp_path)
    writer.put(answer(request_id="first"))
    blocked = "SELECT 1 FROM pg_locks WHERE relation = 'prediction.log'::regclass AND NOT granted"
    with psycopg.connect(warehouse_url) as connection, ThreadPoolExecutor(1) as pool:
        connection.execute("LOCK prediction.log")
        written = pool.submit(writer.flush)
        wait_until(lambda: connection.execute(blocked).fetchone() is not None, "the writer waits for the table")
        writer.put(answer(request_id="second"))
        connection.rollback()
        assert written.result()
    assert {row[2] for row in read_log(warehouse_url)} == {"first"}
    assert writer.flush()
    assert {row[2] for row in read_log(warehouse_url)} == {"first", "second"}


def test_rows_wait_while_the_database_is_away_and_those_beyond_the_bound_are_counted(
    warehouse_url: str, tmp_path: Path
) -> None:
    metrics = Metrics()
    writer = LogWriter(NOWHERE, 5, metrics, tmp_path)
    for number in range(4):
        writer.put(answer(2, f"r-{number}"))
    assert not writer.flush()
    assert count(metrics, "dropped") == 4
    assert metrics.registry.get_sample_value("serving_log_queued_rows") == 4
    writer._url = warehouse_url
    assert writer.flush()
    assert {row[2] for row in read_log(warehouse_url)} == {"r-0", "r-1"}
    assert count(metrics, "written") == 4


def test_rows_wait_up_to_a_bound_of_bytes_whether_or_not_they_are_on_disk(
    warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [answer(2, f"r-{number}") for number in range(4)]
    # They may differ by the digits of their moments.
    monkeypatch.setattr(log_writer, "MOST_WAITING_BYTES", 2 * max(len(to_record(each)) for each in made))
    (tmp_path / "taken").touch()
    for directory in (tmp_path / "free", tmp_path / "taken"):
        writer = LogWriter(warehouse_url, 100, metrics := Metrics(), directory)
        for each in made[:3]:
            writer.put(each)
        assert count(metrics, "dropped") == 2
        assert writer.flush()
        writer.put(made[3])
        assert writer.flush()
        assert count(metrics, "written") == 6
        assert count(metrics, "dropped") == 2


def test_request_of_many_rows_keeps_no_other_one_waiting(
    warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, put, outcomes = threading.Event(), threading.Event(), []

    def record(answered: Predictions) -> bytes:
        if len(answered) > 1:
            begun.set()
            outcomes.append(put.wait(10))
        return to_record(answered)

    monkeypatch.setattr(log_writer, "to_record", record)
    writer = LogWriter(warehouse_url, 100, Metrics(), tmp_path)
    with ThreadPoolExecutor(1) as pool:
        large = pool.submit(writer.put, answer(2, "large"))
        assert begun.wait(10)
        writer.put(answer(1, "small"))
        put.set()
        large.result()
    assert outcomes == [True]
    assert writer.flush()
    assert sorted(row[2] for row in read_log(warehouse_url)) == ["large", "large", "small"]


def test_attempt_that_fails_for_whatever_reason_is_made_again(
    warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    flush, failed = LogWriter.flush, threading.Event()

    def fail_once(writer: LogWriter) -> bool:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("forced")
        return flush(writer)

    monkeypatch.setattr(LogWriter, "flush", fail_once)
    writer = LogWriter(warehouse_url, 100, Metrics(), tmp_path)
    writer.start()
    assert failed.wait(10)
    writer.put(answer(3))
    wait_until(lambda: len(read_log(warehouse_url)) == 3, "the rows are written")
    writer.stop()
    assert "RuntimeError: forced" in caplog.text


@pytest.mark.parametrize("option", ["default_transaction_read_only%3Don", "role%3Dpg_read_all_data"])
def test_rows_wait_on_disk_while_the_database_takes_none(warehouse_url: str, tmp_path: Path, option: str) -> None:
    metrics = Metrics()
    writer = LogWriter(f"{warehouse_url}?options=-c%20{option}", 100, metrics, tmp_path)
    for each in (answer(2, "before"), refused(), answer(1, "after")):
        writer.put(each)
    assert not writer.flush()
    writer.stop()
    following = LogWriter(warehouse_url, 100, metrics, tmp_path)
    following.start()
    following.stop()
    assert sorted(row[2] for row in read_log(warehouse_url)) == ["after", "before", "before"]
    assert (count(metrics, "written"), count(metrics, "failed"), count(metrics, "dropped")) == (3, 1, 0)


def test_rows_wait_while_the_table_is_missing(warehouse_url: str, tmp_path: Path) -> None:
    metrics = Metrics()
    writer = LogWriter(warehouse_url, 100, metrics, tmp_path)
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("ALTER TABLE prediction.log RENAME TO elsewhere")
    writer.put(answer())
    assert not writer.flush()
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("ALTER TABLE prediction.elsewhere RENAME TO log")
    assert writer.flush()
    assert (count(metrics, "written"), count(metrics, "failed")) == (1, 0)


def refused(rows: int = 1) -> Predictions:
    """Predictions whose distances are texts, which the column for numbers does not take."""
    made = answer(rows, "refused")
    far = np.array(["far"] * rows, object)
    return replace(made, rows={**made.rows, "trip_distance": far}, kinds={**KINDS, "trip_distance": "category"})


def test_request_that_the_database_refuses_costs_no_other_one_its_rows(warehouse_url: str, tmp_path: Path) -> None:
    metrics = Metrics()
    writer = LogWriter(warehouse_url, 100, metrics, tmp_path)
    for each in (answer(2, "before"), refused(3), answer(1, "after"), refused(1)):
        writer.put(each)
    assert writer.flush()
    assert sorted(row[2] for row in read_log(warehouse_url)) == ["after", "before", "before"]
    assert (count(metrics, "written"), count(metrics, "failed")) == (3, 4)
    assert metrics.registry.get_sample_value("serving_log_queued_rows") == 0


def test_request_that_the_database_refuses_costs_no_other_one_of_an_earlier_process_its_rows(
    warehouse_url: str, tmp_path: Path
) -> None:
    killed = LogWriter(warehouse_url, 100, Metrics(), tmp_path)
    for each in (answer(2, "before"), refused(3), answer(1, "after")):
        killed.put(each)
    assert killed._journal
    killed._journal.close()
    writer = LogWriter(warehouse_url, 100, metrics := Metrics(), tmp_path)
    writer.start()
    writer.stop()
    assert sorted(row[2] for row in read_log(warehouse_url)) == ["after", "before", "before"]
    assert (count(metrics, "written"), count(metrics, "failed")) == (3, 3)


def test_database_that_is_lost_while_requests_are_written_one_by_one_gets_none_twice(
    warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").touch()
    metrics = Metrics()
    writer = LogWriter(warehouse_url, 100, metrics, tmp_path / "taken")
    for each in (answer(2, "before"), refused(), answer(1, "after")):
        writer.put(each)

    def lose(connection: psycopg.Connection, answered: Sequence[tuple[Place | None, Predictions]]) -> int:
        if [each.request_id for _, each in answered] == ["after"]:
            raise psycopg.OperationalError("the connection is lost")
        return write_once(connection, answered)

    with monkeypatch.context() as patch:
        patch.setattr(log_writer, "write_once", lose)
        assert not writer.flush()
    assert writer.flush()
    assert sorted(row[2] for row in read_log(warehouse_url)) == ["after", "before", "before"]
    assert (count(metrics, "written"), count(metrics, "failed")) == (3, 1)


def test_what_is_queued_is_written_when_the_service_stops(warehouse_url: str, tmp_path: Path) -> None:
    writer = LogWriter(warehouse_url, 100, Metrics(), tmp_path)
    writer.start()
    writer.put(answer(3))
    writer.stop()
    assert len(read_log(warehouse_url)) == 3


def test_what_cannot_be_written_until_the_service_stops_waits_for_the_next_one(
    warehouse_url: str, tmp_path: Path
) -> None:
    writer = LogWriter(NOWHERE, 100, metrics := Metrics(), tmp_path)
    writer.start()
    writer.put(answer(3, "r-1"))
    writer.stop()
    assert count(metrics, "dropped") == 0
    following = LogWriter(warehouse_url, 100, metrics, tmp_path)
    following.start()
    following.put(answer(1, "r-2"))
    following.stop()
    assert sorted(row[2] for row in read_log(warehouse_url)) == ["r-1", "r-1", "r-1", "r-2"]
    assert count(metrics, "written") == 4
    assert list(tmp_path.iterdir()) == []


def test_what_could_neither_be_written_nor_kept_until_the_service_stops_is_counted(tmp_path: Path) -> None:
    metrics = Metrics()
    (tmp_path / "taken").touch()
    writer = LogWriter(NOWHERE, 100, metrics, tmp_path / "taken")
    writer.start()
    writer.put(answer(3))
    writer.stop()
    assert count(metrics, "dropped") == 3
    assert metrics.registry.get_sample_value("serving_log_unkept_rows_total") == 3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range")
def test_dead_database_fails_no_request(tracker: Tracker, store: Path) -> None:
    settings = configure(tracker.uri, "served", serving_poll_seconds=60, serving_queue_rows=2)
    with run_service(settings, NOWHERE, store) as service:
        for _ in range(5):
            assert service.predict(TRIP)["predictions"]
        assert service.metric('serving_log_rows_total{outcome="dropped"}') == 3
        assert service.metric("serving_predictions_total") == 5
