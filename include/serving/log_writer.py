"""Writes predictions to `prediction.log` beside the requests: in batches, from a queue that is bounded."""

import logging
import threading
from collections import deque
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import psycopg

from include.errors import WarehouseUnavailable
from include.prediction.log import Place, Predictions, forget_journal, write_once
from include.serving.journal import MOST_BYTES, Journal, adopt_journals, to_record, warn_of_unreadable
from include.serving.metrics import Metrics
from include.settings import HOME
from include.warehouse import connect

log = logging.getLogger(__name__)
JOURNALS = HOME / "predictions"
SECONDS_BETWEEN_WRITES = 0.5
MOST_SECONDS_BETWEEN_TRIES = 10.0
BATCH_ROWS = 10_000
# Of the lines that wait on disk. In memory a request of many columns takes about six times its line.
MOST_WAITING_BYTES = 128 * 1024 * 1024
SECONDS_TO_END = 5.0
# SQLSTATE classes 22 and 23: about the values of a row. Any other, as of a standby or of a missing right, is about the
# database, and goes away without the row.
ROW_ERRORS = (psycopg.DataError, psycopg.IntegrityError)


@dataclass(frozen=True)
class Waiting:
    """A request's predictions.

    Attributes:
        place: Where they are on disk; None where they could not be kept there.
        size: Of their record, in bytes; 0 in a journal of an earlier process, which counts as a whole.
    """

    answered: Predictions
    place: Place | None
    size: int = 0


class LogWriter:
    """A queue of predictions, the journal that keeps them meanwhile, and the thread that empties both.

    While the database takes no rows at all, they wait; when the queue is full, new ones are dropped and counted. It is
    full at `most_rows` rows, or at `MOST_WAITING_BYTES` along with what an earlier process has left.
    """

    def __init__(self, url: str, most_rows: int, metrics: Metrics, directory: Path = JOURNALS) -> None:
        self._url, self._most_rows, self._metrics, self._directory = url, most_rows, metrics, directory
        self._queue: deque[Waiting] = deque()
        self._rows = self._bytes = 0
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._journal: Journal | None = None
        # Of this process, full, with rows that are not in the database yet; and of processes that are gone.
        self._full: list[Journal] = []
        self._left: list[Journal] = []
        self._broken = False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to write, what another process has left first."""
        self._stopping.clear()
        self._left = adopt_journals(self._directory)
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Writes what is left, for as long as a stop may take; what is left then waits on disk for the next start."""
        self._stopping.set()
        if self._thread:
            self._thread.join(timeout=SECONDS_TO_END)
            if self._thread.is_alive():
                # It may still write: the files stay as they are, and their places say what is in the database.
                log.warning("%d predictions were not written to prediction.log in time", self._rows)
                return
        if self._rows:
            unkept = sum(len(waiting.answered) for waiting in self._queue if waiting.place is None)
            log.warning("%d predictions are waiting in %s for the next start", self._rows - unkept, self._directory)
            self._metrics.log_rows.labels("dropped").inc(unkept)
        for journal in (*self._full, *self._left):
            journal.close()
        if self._journal:
            self._journal.close() if self._rows else self._forget(self._journal)
        self._journal, self._full, self._left = None, [], []

    def put(self, answered: Predictions) -> None:
        """Keeps predictions on disk and queues them; never waits for the database and never fails."""
        # Outside the lock: one of many rows takes long, and those of a few wait for the lock on the event loop.
        record = to_record(answered)
        with self._lock:
            waiting = self._bytes + sum(journal.size for journal in self._left)
            if self._rows + len(answered) <= self._most_rows and waiting + len(record) <= MOST_WAITING_BYTES:
                self._queue.append(Waiting(answered, self._keep(record, len(answered)), len(record)))
                self._rows += len(answered)
                self._bytes += len(record)
                self._metrics.queued.set(self._rows)
                return
        self._metrics.log_rows.labels("dropped").inc(len(answered))

    def flush(self) -> bool:
        """Writes what is queued now and what was left; False if the database takes no rows, which then keep waiting.

        What arrives meanwhile waits for the next time: it would be written by a connection of its own for a few rows,
        again and again, while requests want the interpreter.
        """
        with self._writing:
            while self._left:
                journal = self._left[0]
                try:
                    if not self._write_left(journal):
                        return False
                except OSError as error:
                    warn_of_unreadable(journal.path, error)
                    self._left.pop(0).close()
                else:
                    self._forget(self._left.pop(0))
            waiting = len(self._queue)
            while waiting > 0:
                batch = self._peek()
                outcomes = self._write(batch)
                if outcomes is None:
                    return False
                self._remove(batch)
                self._count(batch, outcomes)
                waiting -= len(batch)
        return True

    def _keep(self, record: bytes, rows: int) -> Place | None:
        try:
            if self._journal is None or self._journal.size > MOST_BYTES:
                fresh = Journal.create(self._directory)
                if self._journal:
                    self._full.append(self._journal)
                self._journal = fresh
            place = Place(self._journal.name, self._journal.append(record))
        except OSError as error:
            self._metrics.unkept.inc(rows)
            if not self._broken:
                log.error("Predictions cannot be stored on disk; a kill would lose those not yet written: %s", error)
            self._broken = True
            return None
        self._broken = False
        return place

    def _write_left(self, journal: Journal) -> bool:
        """Writes an earlier process's journal; False if the database takes no rows. Raises OSError, see `read`."""
        lines = (Waiting(answered, Place(journal.name, number)) for number, answered in journal.read())
        while batch := list(islice(lines, BATCH_ROWS)):
            outcomes = self._write(batch)
            if outcomes is None:
                return False
            self._count(batch, outcomes)
        return True

    def _write(self, batch: list[Waiting]) -> list[str] | None:
        """What became of each request's rows, `written` or `failed`; None if the database takes no rows."""
        try:
            try:
                with connect(self._url) as connection:
                    write_once(connection, [(waiting.place, waiting.answered) for waiting in batch])
            # A row that the database refuses must not keep those of other requests from being written.
            except Exception as error:
                if _takes_none(error):
                    raise
                return self._write_each(batch)
        except (WarehouseUnavailable, psycopg.Error) as error:
            log.warning("Predictions are waiting to be written: %s", error)
            return None
        return ["written"] * len(batch)

    def _write_each(self, batch: list[Waiting]) -> list[str]:
        """Writes each request for itself, so that only those are lost that the database refuses.

        Raises:
            WarehouseUnavailable, psycopg.Error: The database takes no rows; none of them is written then.
        """
        outcomes: list[str] = []
        # One commit for all: if the database is lost midway, rows without a place would be written twice. Within it,
        # each request has a savepoint.
        with connect(self._url) as connection, connection.transaction():
            for waiting in batch:
                try:
                    with connection.transaction():
                        write_once(connection, [(waiting.place, waiting.answered)])
                except Exception as error:
                    if _takes_none(error):
                        raise
                    if "failed" not in outcomes:  # thousands may fail alike
                        log.exception("Predictions could not be written: %s", error)
                    outcomes.append("failed")
                else:
                    outcomes.append("written")
        log.warning("%d of %d requests could not be written to prediction.log", outcomes.count("failed"), len(batch))
        return outcomes

    def _count(self, batch: list[Waiting], outcomes: list[str]) -> None:
        for waiting, outcome in zip(batch, outcomes, strict=True):
            self._metrics.log_rows.labels(outcome).inc(len(waiting.answered))

    def _peek(self) -> list[Waiting]:
        batch: list[Waiting] = []
        rows = 0
        with self._lock:
            for waiting in self._queue:
                batch.append(waiting)
                rows += len(waiting.answered)
                if rows >= BATCH_ROWS:
                    break
        return batch

    def _remove(self, batch: list[Waiting]) -> None:
        rows = sum(len(waiting.answered) for waiting in batch)
        with self._lock:
            for _ in batch:
                self._queue.popleft()
            self._rows -= rows
            self._bytes -= sum(waiting.size for waiting in batch)
            self._metrics.queued.set(self._rows)
            # They are written in their order.
            first = next((waiting.place.journal for waiting in self._queue if waiting.place), None)
            names = [journal.name for journal in self._full]
            done = self._full[: names.index(first) if first in names else len(names)]
            self._full = self._full[len(done) :]
        for journal in done:
            self._forget(journal)

    def _forget(self, journal: Journal) -> None:
        journal.remove()
        try:
            with connect(self._url) as connection:
                forget_journal(connection, journal.name)
        # A place without its journal does no harm.
        except Exception as error:
            log.warning("The record of a finished journal was not removed: %s", error)

    def _run(self) -> None:
        wait = SECONDS_BETWEEN_WRITES
        while not self._stopping.wait(wait):
            wait = SECONDS_BETWEEN_WRITES if self._try_to_flush() else min(wait * 2, MOST_SECONDS_BETWEEN_TRIES)
        self._try_to_flush()

    def _try_to_flush(self) -> bool:
        # Nobody would start the thread again.
        try:
            return self.flush()
        except Exception:
            log.exception("Predictions are waiting to be written to prediction.log, as an attempt failed")
            return False


def _takes_none(error: Exception) -> bool:
    """Whether the database would refuse any other rows as well: it is away, read-only, or lacks a table or a right."""
    return isinstance(error, WarehouseUnavailable | psycopg.Error) and not isinstance(error, ROW_ERRORS)
