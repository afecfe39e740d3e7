import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.errors import WarehouseUnavailable
from include.models.fitting import Fitted
from include.models.table import MODELS
from include.settings import ROOT
from include.tuning.search import Limits, Trial, tune
from include.tuning.trials import WarehouseTrials
from tests.conftest import find_free_port
from tests.tuning.test_search import bowl

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


def open_trials(url: str, run_key: str = "sklearn_training/run", model: str = LASSO) -> WarehouseTrials:
    return WarehouseTrials(url, run_key, model, set_version=3)


def test_trial_comes_back_as_it_was(warehouse_url: str) -> None:
    open_trials(warehouse_url).append(TRIAL)
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
    trials = open_trials(module_warehouse_url, run_key=f"{seed}/{draws}/{numbers}")
    trials.append(stored)
    (loaded,) = trials.load()
    assert (loaded.parameters, loaded.loss, loaded.metrics) == ({"alpha": alpha}, loss, {"rmse": metric})
    restored = np.random.default_rng()
    restored.bit_generator.state = loaded.generator
    assert restored.integers(2**63, size=5).tolist() == generator.integers(2**63, size=5).tolist()


def test_trials_come_back_in_order(warehouse_url: str) -> None:
    for number in (2, 0, 10, 1):
        open_trials(warehouse_url).append(replace(TRIAL, number=number))
    assert [trial.number for trial in open_trials(warehouse_url).load()] == [0, 1, 2, 10]


def test_failed_trial_keeps_its_error_and_says_so_to_sql(warehouse_url: str) -> None:
    document = {"result": {"status": "fail", "error": "ValueError: too deep"}}
    failed = replace(TRIAL, loss=None, metrics={}, error="ValueError: too deep", document=document)
    open_trials(warehouse_url).append(failed)
    assert open_trials(warehouse_url).load() == [failed]
    with psycopg.connect(warehouse_url) as connection:
        row = connection.execute("SELECT status, loss, set_version FROM training.trials").fetchone()
    assert row == ("failed", None, 3)


def test_trial_stored_twice_stays_as_first_stored(warehouse_url: str) -> None:
    trials = open_trials(warehouse_url)
    trials.append(TRIAL)
    trials.append(replace(TRIAL, loss=1.0))
    assert trials.load() == [TRIAL]


def test_searches_of_other_runs_and_models_are_apart(warehouse_url: str) -> None:
    open_trials(warehouse_url).append(TRIAL)
    assert open_trials(warehouse_url, run_key="sklearn_training/other").load() == []
    assert open_trials(warehouse_url, model="svm.LinearSVR").load() == []


def test_unreachable_warehouse_is_said_to_be_so() -> None:
    trials = open_trials(f"postgresql://taxi@127.0.0.1:{find_free_port()}/warehouse")
    for use in (trials.load, lambda: trials.append(TRIAL)):
        with pytest.raises(WarehouseUnavailable, match="could not be reached"):
            use()


SEARCH = """
import os, signal, sys
from include.models.fitting import Fitted
from include.models.table import MODELS
from include.tuning.trials import WarehouseTrials
from include.tuning.search import Limits, tune
from tests.tuning.test_trials import LASSO, fit_lasso

def die(trial):
    if trial.number == 2:
        os.kill(os.getpid(), signal.SIGKILL)

tune(MODELS[LASSO], fit_lasso, WarehouseTrials(sys.argv[1], "run", LASSO, 1), Limits(6, 60, 60), random_state=1,
     on_trial=die)
"""


def fit_lasso(parameters: Mapping[str, Any]) -> Fitted:
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
        tune(MODELS[LASSO], fit_lasso, trials, Limits(6, 60, 60), random_state=1)
    resumed, uninterrupted = ([trial.parameters for trial in trials.load()] for trials in (broken, whole))
    assert resumed == uninterrupted
    assert len({parameters["alpha"] for parameters in resumed}) == 6
