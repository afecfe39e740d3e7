"""Writes predictions to `prediction.log` beside the requests: in batches, from a queue that is bounded."""

import logging
import threading
from collections import deque

from include.serving.metrics import Metrics
from include.taxi.errors import WarehouseUnavailable
from include.taxi.prediction_log import Predictions, write_predictions
from include.taxi.warehouse import connect

log = logging.getLogger(__name__)
SECONDS_BETWEEN_WRITES = 0.5
MOST_SECONDS_BETWEEN_TRIES = 10.0
BATCH_ROWS = 10_000
SECONDS_TO_END = 5.0


class LogWriter:
    """A queue of predictions and the thread that empties it.

    While the database is away the rows wait, and those that find the queue full are dropped and counted.
    """

    def __init__(self, url: str, most_rows: int, metrics: Metrics) -> None:
        self._url, self._most_rows, self._metrics = url, most_rows, metrics
        self._queue: deque[Predictions] = deque()
        self._rows = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to write."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Writes what is left, for as long as a stop may take; what is left then is counted as dropped."""
        self._stopping.set()
        if self._thread:
            self._thread.join(timeout=SECONDS_TO_END)
        if self._rows:
            log.warning("%d predictions were not written to prediction.log", self._rows)
            self._metrics.log_rows.labels("dropped").inc(self._rows)

    def put(self, answered: Predictions) -> None:
        """Queues predictions; never waits and never fails."""
        with self._lock:
            if self._rows + len(answered) <= self._most_rows:
                self._queue.append(answered)
                self._rows += len(answered)
                self._metrics.queued.set(self._rows)
                return
        self._metrics.log_rows.labels("dropped").inc(len(answered))

    def flush(self) -> bool:
        """Writes what is queued; False where the database is away, and the rows wait on."""
        while batch := self._peek():
            try:
                with connect(self._url) as connection:
                    write_predictions(connection, batch)
                outcome = "written"
            except WarehouseUnavailable as error:
                log.warning("Predictions wait to be written: %s", error)
                return False
            # A row that the database refuses must not keep the others from being written.
            except Exception:
                log.exception("Predictions could not be written")
                outcome = "failed"
            self._remove(batch, outcome)
        return True

    def _peek(self) -> list[Predictions]:
        batch: list[Predictions] = []
        rows = 0
        with self._lock:
            for answered in self._queue:
                batch.append(answered)
                rows += len(answered)
                if rows >= BATCH_ROWS:
                    break
        return batch

    def _remove(self, batch: list[Predictions], outcome: str) -> None:
        rows = sum(map(len, batch))
        with self._lock:
            for _ in batch:
                self._queue.popleft()
            self._rows -= rows
            self._metrics.queued.set(self._rows)
        self._metrics.log_rows.labels(outcome).inc(rows)

    def _run(self) -> None:
        wait = SECONDS_BETWEEN_WRITES
        while not self._stopping.wait(wait):
            wait = SECONDS_BETWEEN_WRITES if self.flush() else min(wait * 2, MOST_SECONDS_BETWEEN_TRIES)
        self.flush()
