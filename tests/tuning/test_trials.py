import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Lasso

from include.errors import WarehouseUnavailable
from include.models.fitting import Fitted
from include.models.table import MODELS
from include.settings import ROOT
from include.tuning.curves import Watch
from include.tuning.search import Limits, Trial, tune
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
    document={"tid": 0, "result": {"status": "ok", "error": None}, "misc": {"vals": {"alpha": [0.1]}}},
    generator=np.random.default_rng(42).bit_generator.state,
)


def open_trials(
    url: str, run_key: str = "sklearn_training/run", model: str = LASSO, set_version: int = 3
) -> WarehouseTrials:
    return WarehouseTrials(url, run_key, model, set_version)


def store(url: str, *trials: Trial) -> None:
    with open_trials(url) as opened:
        for trial in trials:
            opened.append(trial)


def test_trial_comes_back_as_it_was(warehouse_url: str) -> None:
    store(warehouse_url, TRIAL)
    assert open_trials(warehouse_url).load() == [TRIAL]


@given(
    seed=st.integers(0, 2**128 - 1),
    draws=st.integers(0, 3),
    # jsonb gives floats from 1e16 on back as whole numbers.
    numbers=st.lists(st.floats(-1e15, 1e15), min_size=3, max_size=3),
)
@settings(deadline=None, max_examples=25)
def test_generator_and_numbers_come_back_exactly(
    module_warehouse_url: str, seed: int, draws: int, numbers: list[float]
) -> None:
    generator = np.random.default_rng(seed)
    generator.integers(2**31, size=draws)
    alpha, loss, metric = numbers
    stored = replace(
        TRIAL,
        parameters={"alpha": alpha},
        loss=loss,
        metrics={"rmse": metric},
        generator=generator.bit_generator.state,
    )
    with open_trials(module_warehouse_url, run_key=f"{seed}/{draws}/{numbers}") as trials:
        trials.append(stored)
        (loaded,) = trials.load()
    assert (loaded.parameters, loaded.loss, loaded.metrics) == ({"alpha": alpha}, loss, {"rmse": metric})
    restored = np.random.default_rng()
    restored.bit_generator.state = loaded.generator
    assert restored.integers(2**63, size=5).tolist() == generator.integers(2**63, size=5).tolist()


def test_trials_come_back_in_order(warehouse_url: str) -> None:
    store(warehouse_url, *(replace(TRIAL, number=number) for number in (2, 0, 10, 1)))
    assert [trial.number for trial in open_trials(warehouse_url).load()] == [0, 1, 2, 10]


def test_failed_trial_keeps_its_error_and_says_so_to_sql(warehouse_url: str) -> None:
    document = {"result": {"status": "fail", "error": "ValueError: too deep"}}
    failed = replace(TRIAL, loss=None, metrics={}, error="ValueError: too deep", document=document)
    store(warehouse_url, failed)
    assert open_trials(warehouse_url).load() == [failed]
    with psycopg.connect(warehouse_url) as connection:
        row = connection.execute("SELECT status, loss, set_version FROM training.trials").fetchone()
    assert row == ("failed", None, 3)


def test_trial_stored_twice_stays_as_first_stored(warehouse_url: str) -> None:
    store(warehouse_url, TRIAL, replace(TRIAL, loss=1.0))
    assert open_trials(warehouse_url).load() == [TRIAL]


def test_searches_of_other_runs_and_models_are_apart(warehouse_url: str) -> None:
    store(warehouse_url, TRIAL)
    assert open_trials(warehouse_url, run_key="sklearn_training/other").load() == []
    assert open_trials(warehouse_url, model="svm.LinearSVR").load() == []


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
    document = {"result": {"status": "ok", "error": None, "has_ended": True}}
    repeated = replace(best, number=9, estimator=None)
    store(warehouse_url, worse, failed, best, replace(ended, document=document), *trials[4:], repeated)
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
        assert open_trials(warehouse_url).load() == [TRIAL]


def test_connection_that_was_lost_between_two_trials_is_opened_again(warehouse_url: str) -> None:
    with open_trials(warehouse_url) as trials:
        trials.append(TRIAL)
        [pid] = list_connections(warehouse_url)
        assert query(warehouse_url, f"SELECT pg_terminate_backend({pid}, 10000)") == [(True,)]
        trials.append(replace(TRIAL, number=1))
        assert [trial.number for trial in trials.load()] == [0, 1]


def test_unreachable_warehouse_is_said_to_be_so() -> None:
    trials = open_trials(f"postgresql://taxi@127.0.0.1:{find_free_port()}/warehouse")
    for use in (trials.load, lambda: trials.append(TRIAL)):
        with pytest.raises(WarehouseUnavailable, match="could not be reached"):
            use()


SEARCH = """
import os, signal, sys
from include.models.fitting import Fitted
from include.models.table import MODELS
from include.tuning.trials import WarehouseTrials, list_best, load_estimator_of
from include.tuning.curves import Watch
from include.tuning.search import Limits, tune
from tests.tuning.test_trials import LASSO, fit_lasso

def die(trial):
    if trial.number == 2:
        os.kill(os.getpid(), signal.SIGKILL)

tune(MODELS[LASSO], fit_lasso, WarehouseTrials(sys.argv[1], "run", LASSO, 1), Limits(6, 60, 60), random_state=1,
     on_trial=die)
"""


def fit_lasso(parameters: Mapping[str, Any], _: Watch) -> Fitted:
    return bowl({"depth": 8, "rate": parameters["alpha"], "share": 0.9, "intercept": True})


@pytest.mark.slow
def test_search_of_a_killed_process_goes_on_as_if_it_had_not_been(warehouse_url: str) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", SEARCH, warehouse_url], check=False, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert killed.returncode == -signal.SIGKILL
    broken, whole = open_trials(warehouse_url, run_key="run"), open_trials(warehouse_url, run_key="whole")
    assert len(broken.load()) == 3
    for trials in (broken, whole):
        with trials:
            tune(MODELS[LASSO], fit_lasso, trials, Limits(6, 60, 60), random_state=1)
    resumed, uninterrupted = ([trial.parameters for trial in trials.load()] for trials in (broken, whole))
    assert resumed == uninterrupted
    assert len({parameters["alpha"] for parameters in resumed}) == 6
