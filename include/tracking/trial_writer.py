"""Writes a search's trials to MLflow beside the search."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from include.tracking import runs
from include.tracking.runs import Tracker
from include.tuning.search import Trial


@contextmanager
def write_trials(tracker: Tracker, parent: str, model: str) -> Iterator[Callable[[Trial], None]]:
    """A function that writes a trial as a child run of `parent`, for the length of the block.

    MLflow takes as long for a trial's three requests as a small fit does. So one thread makes them while the next trial
    is fitted: a call waits for the trial before, and the end of the block for the last one. Both raise what the thread
    met, see `runs.log_trial`.
    """
    pending: deque[Future[None]] = deque()

    def finish() -> None:
        if pending:
            pending.popleft().result()

    with ThreadPoolExecutor(1, "mlflow-trials") as pool:

        def write(trial: Trial) -> None:
            finish()
            pending.append(pool.submit(runs.log_trial, tracker, parent, model, trial))

        yield write
        finish()


def complete_trials(tracker: Tracker, parent: str, model: str, trials: Iterable[Trial]) -> None:
    """Writes those trials of a finished search that MLflow misses, because a worker was killed in between."""
    tracked = runs.list_tracked_trials(tracker, parent)
    for trial in trials:
        if trial.number not in tracked:
            runs.log_trial(tracker, parent, model, trial)
