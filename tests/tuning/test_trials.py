import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import sleep
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Lasso, LinearRegression

from include.errors import WarehouseUnavailable
from include.models.fitting import Fitted
from include.settings import ROOT
from include.tuning.curves import Watch
from include.tuning.search import Trial
from include.tuning.trials import WarehouseTrials, list_best, load_estimator_of
from tests.conftest import find_free_port
from tests.tuning.test_search import bowl
from tests.waiting import wait_until
from tests.warehouse_rows import query

LASSO = "linear_model.Lasso"
TRIAL = Trial(
    number=0,
    parameters={"alpha": 0.1, "depth": 7, "intercept": True},
    loss=5.123456789012345,
    metrics={"rmse": 5.123456789012345, "r2": -0.5},
    error=None,
    started_at=datetime(2024, 1, 1, 12, 0, 0, 1, tzinfo=UTC),
    finished_at=datetime(2024, 1, 1, 12, 0, 1, 999_999, tzinfo=UTC),
    curve=[[1.5, 7.25], [3.0, 5.123456789012345]],
)


def open_trials(
    url: str, run_key: str = "sklearn_training/run", model: str = LASSO, set_version: int = 3
) -> WarehouseTrials:
    return WarehouseTrials(url, run_key, model, set_version)


def store(url: str, *trials: Trial) -> None:
    with open_trials(url) as opened:
        for trial in trials:
            opened.append(trial)


def load(url: str, **of: Any) -> list[Trial]:
    with open_trials(url, **of) as opened:
        return opened.load()


def test_trial_comes_back_as_it_was(warehouse_url: str) -> None:
    trials = [TRIAL, replace(TRIAL, number=1, curve=[], has_ended=True)]
    store(warehouse_url, *trials)
    assert load(warehouse_url) == trials


# jsonb gives floats from 1e16 on back as whole numbers.
@given(numbers=st.lists(st.floats(-1e15, 1e15), min_size=5, max_size=5))
@settings(deadline=None, max_examples=25)
def test_numbers_come_back_exactly(module_warehouse_url: str, numbers: list[float]) -> None:
    alpha, loss, metric, *point = numbers
    stored = replace(TRIAL, parameters={"alpha": alpha}, loss=loss, metrics={"rmse": metric}, curve=[point])
    store_as = {"run_key": str(numbers)}
    with open_trials(module_warehouse_url, **store_as) as trials:
        trials.append(stored)
        assert trials.load() == [stored]


def test_trials_come_back_in_order(warehouse_url: str) -> None:
    store(warehouse_url, *(replace(TRIAL, number=number) for number in (2, 0, 10, 1)))
    assert [trial.number for trial in load(warehouse_url)] == [0, 1, 2, 10]


def test_failed_trial_keeps_its_error_and_says_so_to_sql(warehouse_url: str) -> None:
    failed = replace(TRIAL, loss=None, metrics={}, error="ValueError: too deep")
    store(warehouse_url, failed)
    assert load(warehouse_url) == [failed]
    with psycopg.connect(warehouse_url) as connection:
        row = connection.execute("SELECT status, loss, set_version FROM training.trials").fetchone()
    assert row == ("failed", None, 3)


def test_trial_stored_twice_stays_as_first_stored(warehouse_url: str) -> None:
    store(warehouse_url, TRIAL, replace(TRIAL, loss=1.0))
    assert load(warehouse_url) == [TRIAL]


def test_searches_of_other_runs_and_models_are_apart(warehouse_url: str) -> None:
    store(warehouse_url, TRIAL)
    assert load(warehouse_url, run_key="sklearn_training/other") == []
    assert load(warehouse_url, model="svm.LinearSVR") == []


def make_trials(*losses: float | None) -> list[Trial]:
    """Trials with these losses, each with parameters and an estimator of its own."""
    return [
        replace(TRIAL, number=number, loss=loss, parameters={"alpha": float(number)}, estimator=fit_number(number))
        for number, loss in enumerate(losses)
    ]


def fit_number(number: int) -> Lasso:
    """An estimator that can be told from others."""
    return Lasso(alpha=0.5).fit([[0.0], [1.0]], [number, number])


def find_kept(url: str, *trials: Trial) -> list[int]:
    """Numbers of the trials whose estimators are kept, each read back as it was stored."""
    key = "sklearn_training/run", LASSO
    read = {trial.number: load_estimator_of(url, *key, trial.parameters, 1) for trial in trials}
    assert all(found is None or found.intercept_ == number for number, found in read.items())
    return [number for number, found in read.items() if found is not None]


@pytest.mark.parametrize(("keep", "kept"), [(1, [3]), (2, [0, 3]), (3, [0, 1, 3])])
def test_estimators_of_the_best_trials_are_kept_and_no_others(warehouse_url: str, keep: int, kept: list[int]) -> None:
    trials = make_trials(5.0, 6.0, 7.0, 4.0)
    with WarehouseTrials(warehouse_url, "sklearn_training/run", LASSO, 3, keep) as opened:
        for trial in trials:
            opened.append(trial)
    assert find_kept(warehouse_url, *trials) == kept
    assert query(warehouse_url, "SELECT count(*) FROM training.estimators") == [(keep,)]


def test_best_trials_are_listed_without_those_that_failed_were_ended_or_repeat_another(warehouse_url: str) -> None:
    worse, failed, best, ended, *_ = trials = make_trials(6.0, None, 4.0, 3.0, 5.0, 4.0)
    repeated = replace(best, number=9, estimator=None)
    store(warehouse_url, worse, failed, best, replace(ended, has_ended=True), *trials[4:], repeated)
    listed = {most: list_best(warehouse_url, "sklearn_training/run", LASSO, most) for most in (2, 20)}
    assert list(listed[20].items()) == [(number, {"alpha": float(number)}) for number in (2, 5, 4, 0)]
    assert list(listed[2]) == [2, 5]
    assert list_best(warehouse_url, "sklearn_training/other", LASSO, 20) == {}


def store_searches(url: str) -> None:
    """Searches on sets 1 to 3 and of another model type, one a minute, each with a better and a worse trial."""
    searches = (
        ("champion", LASSO, 1),
        ("old", LASSO, 1),
        ("other", "svm.LinearSVR", 2),
        ("new", LASSO, 2),
        ("own", LASSO, 3),
    )
    for at, (run_key, model, version) in enumerate(searches):
        with open_trials(url, run_key, model, version) as trials:
            for number, loss in enumerate((2.0, 1.0, None)):
                values = {"number": number, "loss": loss, "parameters": {"of": run_key, "trial": number}}
                trials.append(replace(TRIAL, **values, finished_at=TRIAL.finished_at + timedelta(minutes=at)))


@pytest.mark.parametrize(
    ("champion", "also", "expected"),
    [
        (None, False, ["new", "old"]),
        ("champion", False, ["new", "old", "champion"]),
        ("other", False, ["new", "old"]),
        (None, True, ["own", "new"]),
    ],
)
def test_best_of_the_last_searches_and_of_the_champions_are_known(
    warehouse_url: str, champion: str | None, also: bool, expected: list[str]
) -> None:
    store_searches(warehouse_url)
    known = open_trials(warehouse_url, run_key="next").find_known(champion, also_of_this_set=also)
    assert known == [{"of": run_key, "trial": 1} for run_key in expected]


def test_a_search_does_not_know_itself(warehouse_url: str) -> None:
    store_searches(warehouse_url)
    known = open_trials(warehouse_url, run_key="own").find_known("own", also_of_this_set=True)
    assert [parameters["of"] for parameters in known] == ["new", "old"]


def list_connections(url: str) -> list[int]:
    """Process ids of the connections by which trials were stored and which are still there."""
    rows = query(
        url,
        "SELECT pid FROM pg_stat_activity"
        " WHERE datname = current_database() AND query LIKE 'INSERT INTO training.trials%'",
    )
    return [pid for (pid,) in rows]


def test_search_stores_its_trials_by_one_connection_until_it_ends(warehouse_url: str) -> None:
    with open_trials(warehouse_url) as trials:
        trials.append(TRIAL)
        first = list_connections(warehouse_url)
        trials.append(replace(TRIAL, number=1))
        assert first == list_connections(warehouse_url)
        assert len(first) == 1
    wait_until(lambda: not list_connections(warehouse_url), "the connection is closed")


def test_trial_is_there_for_others_as_soon_as_it_is_stored(warehouse_url: str) -> None:
    with open_trials(warehouse_url) as trials:
        trials.append(TRIAL)
        assert load(warehouse_url) == [TRIAL]


def test_connection_that_was_lost_between_two_trials_is_opened_again(warehouse_url: str) -> None:
    with open_trials(warehouse_url) as trials:
        trials.append(TRIAL)
        [pid] = list_connections(warehouse_url)
        assert query(warehouse_url, f"SELECT pg_terminate_backend({pid}, 10000)") == [(True,)]
        trials.append(replace(TRIAL, number=1))
        assert [trial.number for trial in trials.load()] == [0, 1]


def test_unreachable_warehouse_is_said_to_be_so() -> None:
    trials = open_trials(f"postgresql://taxi@127.0.0.1:{find_free_port()}/warehouse")
    for use in (trials.load, lambda: trials.append(TRIAL), lambda: trials.claim(0)):
        with pytest.raises(WarehouseUnavailable, match="could not be reached"):
            use()


def test_trial_that_one_worker_has_claimed_is_no_others_until_it_is_released(warehouse_url: str) -> None:
    with open_trials(warehouse_url) as one, open_trials(warehouse_url) as other:
        assert one.claim(3)
        assert not other.claim(3)
        assert other.claim(4)
        one.release(3)
        assert other.claim(3)
    with open_trials(warehouse_url, model="svm.LinearSVR") as of_another_search, open_trials(warehouse_url) as one:
        assert of_another_search.claim(3)
        assert one.claim(3)


def test_claims_end_with_the_connection(warehouse_url: str) -> None:
    with open_trials(warehouse_url) as other, open_trials(warehouse_url) as lost:
        assert lost.claim(0)
        pids = query(warehouse_url, "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted")
        for (pid,) in pids:
            query(warehouse_url, f"SELECT pg_terminate_backend({pid}, 10000)")
        assert other.claim(0)


def test_server_misses_a_worker_that_is_gone_without_a_word_within_a_minute(warehouse_url: str) -> None:
    with open_trials(warehouse_url) as trials:
        [shown] = trials._connection.execute(
            "SELECT current_setting('tcp_keepalives_idle'), current_setting('tcp_keepalives_interval'),"
            " current_setting('tcp_keepalives_count')",
            [],
        )
    assert shown == ("30", "10", "3")


def test_all_workers_begin_with_what_the_first_one_knows(warehouse_url: str) -> None:
    with open_trials(warehouse_url) as one, open_trials(warehouse_url) as other:
        assert one.begin([{"alpha": 0.5}]) == [{"alpha": 0.5}]
        assert other.begin([{"alpha": 0.25}, {"alpha": 0.5}]) == [{"alpha": 0.5}]


def test_one_worker_at_a_time_is_alone(warehouse_url: str) -> None:
    steps: list[str] = []

    def work(name: str) -> None:
        with open_trials(warehouse_url) as trials, trials.alone():
            steps.extend([name, name])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, "abcd"))
    assert steps[::2] == steps[1::2]
    assert sorted(steps[::2]) == list("abcd")


def test_better_estimator_of_two_workers_is_kept_whichever_comes_last(warehouse_url: str) -> None:
    better, worse = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), LinearRegression().fit([[0.0]], [5.0])
    good, bad = {"alpha": 0.1}, {"alpha": 0.2}
    store(
        warehouse_url,
        replace(TRIAL, number=1, parameters=good, loss=1.0, estimator=better),
        replace(TRIAL, number=0, parameters=bad, loss=2.0, estimator=worse),
    )
    key = "sklearn_training/run", LASSO
    kept = load_estimator_of(warehouse_url, *key, good, 1)
    assert kept.coef_.tolist() == better.coef_.tolist()
    assert load_estimator_of(warehouse_url, *key, bad, 1) is None


SEARCH = """
import os, signal, sys
from include.models.table import MODELS
from include.tuning.search import Limits, tune
from include.tuning.trials import WarehouseTrials
from tests.tuning.test_trials import LASSO, fit_lasso

url, run_key, workers, dies_in = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
fits = []

def fit(parameters, watch):
    fits.append(parameters)
    if len(fits) == dies_in:
        os.kill(os.getpid(), signal.SIGKILL)
    if not dies_in:
        sys.stdin.read()  # ends when nobody holds the other end any more
    return fit_lasso(parameters, watch)

with WarehouseTrials(url, run_key, LASSO, 1) as trials:
    tune(MODELS[LASSO], fit, trials, Limits(10, 60, 60, workers), random_state=1)
"""


def fit_lasso(parameters: Mapping[str, Any], _: Watch) -> Fitted:
    sleep(0.02)
    return bowl({"depth": 8, "rate": parameters["alpha"], "share": 0.9, "intercept": True})


def start_worker(
    url: str, run_key: str, workers: int, dies_in: int = 0, after: subprocess.Popen[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """A process that is one of the search's workers.

    Args:
        url, run_key, workers: The warehouse, the search and how many share it.
        dies_in: The process is killed in the middle of that fit of its own, from 1; 0 means never.
        after: The process holds its first trial until that one is dead, however slowly that one starts.
    """
    command = [sys.executable, "-c", SEARCH, url, run_key, str(workers), str(dies_in)]
    return subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=after.stdout if after else subprocess.DEVNULL,
        stdout=subprocess.PIPE if dies_in else None,
    )


def list_trials(url: str, run_key: str) -> list[tuple[int, Any, float | None]]:
    return [(trial.number, trial.parameters, trial.loss) for trial in load(url, run_key=run_key)]


@pytest.fixture(scope="module")
def undisturbed(module_warehouse_url: str) -> list[tuple[int, Any, float | None]]:
    """The trials of one worker."""
    assert start_worker(module_warehouse_url, "undisturbed", 1).wait() == 0
    trials = list_trials(module_warehouse_url, "undisturbed")
    assert [number for number, *_ in trials] == list(range(10))
    assert len({parameters["alpha"] for _, parameters, _ in trials}) == 10
    return trials


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 4])
def test_processes_share_a_search_and_do_the_trials_of_a_single_one(
    module_warehouse_url: str, undisturbed: list[tuple[int, Any, float | None]], workers: int
) -> None:
    run_key = f"{workers} workers"
    processes = [start_worker(module_warehouse_url, run_key, workers) for _ in range(workers)]
    assert [process.wait() for process in processes] == [0] * workers
    assert list_trials(module_warehouse_url, run_key) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_trial_of_a_killed_process_is_done_by_another_and_none_is_lost(
    module_warehouse_url: str, undisturbed: list[tuple[int, Any, float | None]], workers: int
) -> None:
    run_key = f"killed beside {workers - 1}"
    killed = start_worker(module_warehouse_url, run_key, workers, dies_in=2)
    others = [start_worker(module_warehouse_url, run_key, workers, after=killed) for _ in range(workers - 1)]
    assert killed.wait() == -signal.SIGKILL
    if not others:  # the task is tried again
        others = [start_worker(module_warehouse_url, run_key, workers)]
    assert [process.wait() for process in others] == [0] * len(others)
    assert list_trials(module_warehouse_url, run_key) == undisturbed
