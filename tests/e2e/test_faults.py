"""What happens when something breaks in the middle: nothing is lost, nothing is half-written, and the log says why."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import psutil
import psycopg
import pytest

from include.embedded.commands.airflow_api import Run
from include.embedded.programs.supervision import program_states
from tests.e2e.conftest import TRAININGS, Bench, write_sample
from tests.servers import WebServer
from tests.waiting import wait_until

PREPARATION = "data_preparation"
FOREST = "ensemble.RandomForestRegressor"
pytestmark = pytest.mark.usefixtures("followers_paused")


def kill(bench: Bench, program: str) -> None:
    """Kills one program of the stack, with all that it started, without a chance to clean up."""
    process = psutil.Process(program_states(bench.stack)[program]["pid"])
    for victim in [*process.children(recursive=True), process]:
        # A child may end while the others are killed.
        with suppress(psutil.NoSuchProcess):
            victim.kill()


def trials_of(bench: Bench, run: Run, model: str) -> list[tuple[int, dict[str, object], float]]:
    return bench.query(
        "SELECT number, parameters, loss FROM training.trials WHERE run_key = %s AND model = %s ORDER BY number",
        f"{run.dag_id}/{run.run_id}",
        model,
    )


def set_versions(bench: Bench) -> list[tuple[int]]:
    return bench.query("SELECT version FROM training.sets WHERE state = 'published' ORDER BY version")


# Whoever stores a trial from this number on waits while a test holds the lock.
HELD, LOCK = 2, 20_240_101
GATE = f"""
    CREATE FUNCTION training.wait_for_test() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock_shared({LOCK}); RETURN NEW; END $$;
    CREATE TRIGGER held BEFORE INSERT ON training.trials
        FOR EACH ROW WHEN (NEW.number >= {HELD}) EXECUTE FUNCTION training.wait_for_test();
"""
WAITING = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {LOCK} AND NOT granted"


@contextmanager
def held_trials(bench: Bench, workers: int) -> Iterator[Callable[[], None]]:
    """Tuning gets no further than to the trials that are held, for the length of the block.

    Gives what waits until so many workers have got there: what is killed then is killed in the middle.
    """
    with psycopg.connect(bench.stack.warehouse_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        yield lambda: wait_until(lambda: bench.query(WAITING)[0][0] >= workers, f"{workers} have a trial to store")


@pytest.fixture(scope="module")
def set_version(shared_bench: Bench, followers_paused: None) -> int:
    """A set to train on, in a warehouse that can hold trials."""
    shared_bench.use_new_data()
    with psycopg.connect(shared_bench.stack.warehouse_url) as connection:
        connection.execute(GATE)
    with shared_bench.paused(*TRAININGS):
        preparation = shared_bench.trigger(PREPARATION)
        shared_bench.wait(preparation)
        return shared_bench.events_of(preparation)[0]["extra"]["version"]


def test_search_of_two_workers_of_which_one_is_killed_does_the_trials_of_a_single_one(
    bench: Bench, set_version: int
) -> None:
    conf = {"models": [FOREST], "max_evaluations": 6, "set_version": set_version}
    bench.use_new_data(tuning_workers=2)
    with held_trials(bench, 2) as wait_for_both:
        killed = bench.trigger("sklearn_training", **conf)
        wait_for_both()
        os.kill(bench.tasks(killed)["tune", 0]["pid"], signal.SIGKILL)
    # A run knows from its start how many workers it has; this one fills the time until the killed one is tried again.
    bench.use_new_data()
    undisturbed = bench.trigger("sklearn_training", **conf)
    bench.wait(killed)
    tasks = bench.tasks(killed)
    assert tasks["tune", 0]["try_number"] == 2
    assert tasks["tune", 1]["rendered_map_index"].startswith(f"{FOREST}, worker 2: best RMSE ")
    assert [index for task_id, index in tasks if task_id == "train"] == [0]
    bench.wait(undisturbed)
    assert [index for task_id, index in bench.tasks(undisturbed) if task_id == "tune"] == [0]
    assert trials_of(bench, killed, FOREST) == trials_of(bench, undisturbed, FOREST)
    assert len(trials_of(bench, killed, FOREST)) == 6


# The scheduler is killed in the middle of a retraining.
@pytest.mark.parametrize("program", ["mlflow", "postgres"])
def test_training_completes_when_a_program_is_killed_in_the_middle(
    bench: Bench, set_version: int, program: str
) -> None:
    with held_trials(bench, 1) as wait_for_tuning:
        training = bench.trigger("xgboost_training", set_version=set_version)
        wait_for_tuning()
        kill(bench, program)
    wait_until(lambda: is_back(bench), "the API answers again")
    bench.wait(training)
    assert len(bench.events_of(training)) == 1
    assert [number for number, _, _ in trials_of(bench, training, "gbtree.squarederror")] == [0, 1, 2]


def is_back(bench: Bench) -> bool:
    try:
        return bool(bench.api.get("/api/v2/dags").is_success)
    except Exception:  # any way in which a server can be away
        return False


def test_too_many_refused_rows_fail_the_run_by_rule_and_leave_the_published_set(bench: Bench) -> None:
    before = set_versions(bench)
    bench.use_new_data(trip_distance_max=1.0)
    run = bench.trigger(PREPARATION)
    bench.wait(run, "failed")
    tasks = bench.tasks(run)
    assert tasks["validate_raw", -1]["state"] == "failed"
    assert tasks["validate_raw", -1]["try_number"] == 1, "waiting does not repair data"
    assert tasks["publish", -1]["state"] == "upstream_failed"
    assert "trip_distance: outside the allowed range" in "".join(bench.log(run, "validate_raw"))
    assert bench.events_of(run) == []
    assert set_versions(bench) == before
    rejected = bench.query("SELECT count(*) FROM raw.rejected WHERE rule LIKE 'trip_distance%%'")[0][0]
    assert rejected > 1000


@pytest.fixture
def unsteady_source(web_server: WebServer, tmp_path: Path) -> str:
    """Address of the sample's months behind a server that is away at first."""
    requests = count()
    for month in ("2024-01", "2024-02"):
        write_sample(tmp_path, month)
        body = (tmp_path / f"{month}.parquet").read_bytes()
        web_server.pages[f"/{month}.parquet"] = lambda _, body=body: (200 if next(requests) else 503, body)
    return f"{web_server.url}/{{month}}.parquet"


@pytest.mark.usefixtures("trainings_paused")
def test_source_that_is_away_is_tried_again_and_found(bench: Bench, unsteady_source: str) -> None:
    bench.configure(source=unsteady_source, zones_source="sample")
    run = bench.trigger(PREPARATION)
    bench.wait(run)
    tries = [task["try_number"] for task in bench.tasks(run).values()]
    assert max(tries) > 1
    assert len(bench.events_of(run)) == 1


def test_missing_month_fails_at_once_and_names_the_file(bench: Bench, tmp_path: Path) -> None:
    before = set_versions(bench)
    bench.configure(source=f"file://{tmp_path}/trips_{{month}}.parquet", zones_source="sample")
    run = bench.trigger(PREPARATION)
    bench.wait(run, "failed")
    plan = bench.tasks(run)["plan", -1]
    assert (plan["state"], plan["try_number"]) == ("failed", 1)
    assert f"{tmp_path}/trips_2024-01.parquet" in "".join(bench.log(run, "plan"))
    assert set_versions(bench) == before
