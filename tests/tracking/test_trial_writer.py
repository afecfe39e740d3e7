from collections.abc import Callable
from dataclasses import replace

import mlflow
import pytest
from mlflow import MlflowClient

from include.errors import TrackingUnavailable
from include.settings import Settings
from include.tracking.runs import Tracker, list_tracked_trials, open_run, open_tracker
from include.tracking.trial_writer import write_trials
from include.tuning.search import Trial
from tests.conftest import find_free_port
from tests.tracking.test_runs import LASSO, LINEAGE, TRIAL, list_children


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Tracker:
    """A connection to a server that is not there."""
    uri = f"http://127.0.0.1:{find_free_port()}"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    return Tracker(MlflowClient(uri), uri, "0")


def write_all(tracker: Tracker, parent: str, numbers: range, written: list[int]) -> None:
    """Writes trials of these numbers, and notes down which of them were taken."""
    with write_trials(tracker, parent, LASSO) as write:
        for number in numbers:
            write(replace(TRIAL, number=number))
            written.append(number)


@pytest.mark.slow
def test_all_trials_are_written_when_the_block_ends(settings: Settings) -> None:
    tracker = open_tracker(settings)
    parent = open_run(tracker, LINEAGE, "sklearn", LASSO)
    write_all(tracker, parent, range(4), [])
    assert list_tracked_trials(tracker, parent) == {0, 1, 2, 3}
    assert len(list_children(tracker, parent)) == 4


@pytest.mark.parametrize("trials", [1, 2, 3])
def test_trial_that_could_not_be_written_is_an_error_at_the_next_or_at_the_end(away: Tracker, trials: int) -> None:
    written: list[int] = []
    with pytest.raises(TrackingUnavailable, match="could not log trial 0 of linear_model.Lasso"):
        write_all(away, "parent", range(trials), written)
    assert written == [0]


def test_error_of_the_search_is_not_hidden_by_one_of_a_trial(away: Tracker) -> None:
    def fail(write: Callable[[Trial], None]) -> None:
        write(TRIAL)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), write_trials(away, "parent", LASSO) as write:
        fail(write)
