"""What breaks on a team's machine, a worker or a database or a program: runs end as undisturbed ones do."""

import time

import pytest

from include.embedded.commands.airflow_api import Run
from tests.containers.conftest import EVALUATIONS
from tests.containers.team_stack import TeamBench, TeamStack, trials_of
from tests.e2e.conftest import TRAININGS
from tests.waiting import wait_until

SECONDS_CUT_OFF, SECONDS_PAUSED = 60, 30
PROGRAMS = (
    "api-server",
    "scheduler",
    "dag-processor",
    "triggerer",
    "mlflow",
    "worker-default",
    "worker-cpu",
    "serving",
)

Trials = dict[str, list[tuple[int, float]]]


@pytest.fixture(scope="module")
def set_version(bench: TeamBench, job: list[Run]) -> int:
    """The set that the main job has trained on."""
    [(version,)] = bench.query("SELECT max(version) FROM training.sets")
    return int(version)


def train(bench: TeamBench, set_version: int) -> list[Run]:
    """Starts both trainings."""
    return [bench.trigger(dag_id, set_version=set_version) for dag_id in TRAININGS]


def finish(bench: TeamBench, runs: list[Run]) -> Trials:
    """Waits for runs, each of which must end well and tell of it once, and returns their trials."""
    found: Trials = {}
    for run in runs:
        bench.wait(run)
        assert len(bench.events_of(run)) == 1
        found |= trials_of(bench, run)
    return found


def wait_for_trials(bench: TeamBench, runs: list[Run], count: int) -> None:
    """Waits until so many trials of these runs are stored."""
    wait_until(
        lambda: sum(len(trials) for run in runs for trials in trials_of(bench, run).values()) >= count,
        f"{count} trials are stored",
    )


@pytest.fixture(scope="module")
def undisturbed(bench: TeamBench, job: list[Run]) -> Trials:
    """The trials of the main job."""
    trials = {model: trials for run in job for model, trials in trials_of(bench, run).items()}
    assert sorted(trials) == ["ensemble.RandomForestRegressor", "gbtree.gamma", "gbtree.squarederror"]
    assert all([number for number, _ in each] == list(range(EVALUATIONS)) for each in trials.values())
    return trials


def find_tuning_worker(stack: TeamStack, bench: TeamBench, runs: list[Run]) -> str:
    """A container in which a tuning task runs, which names it by the beginning of its id."""
    busy = {
        task["hostname"]
        for run in runs
        for (task_id, _), task in bench.tasks(run).items()
        if task_id == "tune" and task["state"] == "running"
    }
    return next(name for name, entry in stack.containers().items() if entry["Config"]["Hostname"] in busy)


@pytest.mark.slow
def test_worker_that_is_cut_off_while_database_and_broker_are_away_costs_no_trial(
    stack: TeamStack, bench: TeamBench, set_version: int, undisturbed: Trials
) -> None:
    runs = train(bench, set_version)
    wait_for_trials(bench, runs, 2)
    with stack.cut_off(find_tuning_worker(stack, bench, runs)):
        stack.compose("pause", "postgres")
        time.sleep(SECONDS_PAUSED)
        stack.compose("unpause", "postgres")
        stack.compose("restart", "broker")
        time.sleep(SECONDS_CUT_OFF - SECONDS_PAUSED)
    assert finish(bench, runs) == undisturbed


def test_killed_worker_and_restarted_programs_cost_no_trial(
    stack: TeamStack, bench: TeamBench, set_version: int, undisturbed: Trials
) -> None:
    wait_until(stack.is_healthy, "everything is healthy")
    runs = train(bench, set_version)
    wait_for_trials(bench, runs, 2)
    victim = f"{stack.name}-{find_tuning_worker(stack, bench, runs)}"
    stack.engine.run("kill", victim)
    stack.compose("restart", *PROGRAMS)
    assert finish(bench, runs) == undisturbed
    stack.engine.run("start", victim)
    wait_until(stack.is_healthy, "everything is healthy")
