"""The whole main job, orchestrated, against one plain script that does the same work."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median

import psycopg
from psycopg import sql
from rich.console import Console

from benchmarks.report import Report
from benchmarks.running import running_stack, settings_of
from benchmarks.trip_data import MONTHS, find_trips
from include.embedded.commands.airflow_api import AirflowApi
from include.embedded.commands.follow import PREPARATION, report_failure, wait_for_dags
from include.embedded.commands.results import RUN_TAG, find_models
from include.embedded.databases import create_databases
from include.embedded.errors import StackError
from include.embedded.options import SHARED_ENVIRONMENT
from include.embedded.overrides import write_overrides
from include.embedded.stack import Stack
from include.models.table import TRAINING_DAGS
from include.raw.tables import ensure_columns
from include.settings import ROOT, read_settings
from include.warehouse import migrate

SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True)
class Job:
    """One size of the main job: settings beside those of the source, and how often it is run."""

    name: str
    settings: dict[str, str]
    goal: str
    repeats: int


@dataclass(frozen=True)
class Outcome:
    """Wall seconds from the first to the last of it, and each model's validation RMSE in minutes."""

    seconds: float
    errors: dict[str, float]


JOBS = (
    Job("few trials", {"MAX_EVALUATIONS": "2"}, "difference at most 25 s", 3),
    Job("many trials", {"MAX_EVALUATIONS": "20"}, "ratio at most 1.3", 1),
)


def run() -> Report:
    """Runs each job as a script while no stack runs, then through a stack; the warehouse is empty before each run."""
    trips = find_trips()
    # Without REFIT nothing is fitted a second time, so that the script's work is all that there is.
    months = {"MONTHS": ",".join(MONTHS[-2:]), "VALIDATION_FROM": f"{MONTHS[-1]}-01", "REFIT": "false"}
    sizes = [(job, {**trips.settings, **months, **job.settings}) for job in JOBS]
    scripts = [[_say(job, "script", _run_plain(keys)) for _ in range(job.repeats)] for job, keys in sizes]
    rows, errors = [], []
    with running_stack() as stack:
        api = AirflowApi(stack)
        wait_for_dags(api, stack)
        for dag_id in (PREPARATION, *TRAINING_DAGS):
            api.unpause(dag_id)
        for (job, keys), plain in zip(sizes, scripts, strict=True):
            ours = [_say(job, "orchestrated", _run_orchestrated(stack, api, keys)) for _ in range(job.repeats)]
            orchestrated, script = (median(outcome.seconds for outcome in each) for each in (ours, plain))
            figures = [f"{orchestrated:.0f} s", f"{script:.0f} s", f"{orchestrated - script:.0f} s"]
            trials = settings_of(keys).max_evaluations
            rows.append([job.name, str(trials), str(job.repeats), *figures, f"{orchestrated / script:.2f}", job.goal])
            errors.append(f"RMSE with {job.name}, orchestrated / script: {_compare(ours[-1], plain[-1])}")
    return Report(
        "The main job against a plain script",
        "; ".join(f"{job.name}: {job.goal}" for job in JOBS),
        ["job", "trials a model", "runs", "orchestrated", "script", "difference", "ratio", "goal"],
        rows,
        [
            f"{trips.label}, {' and '.join(MONTHS[-2:])}",
            "orchestrated: from the request that starts data_preparation to the end of the last training run",
            "script: `python -m benchmarks.plain_script`, from its start to its end, on all cores; no stack runs",
            "REFIT=false: a model is the best trial's, as the search fitted it, measured and explained on both sides",
            *errors,
        ],
    )


def _say(job: Job, kind: str, outcome: Outcome) -> Outcome:
    # A job takes minutes: what is known already is said.
    print(f"{job.name}: {kind} {outcome.seconds:.1f} s", file=sys.stderr, flush=True)
    return outcome


def _compare(ours: Outcome, script: Outcome) -> str:
    return ", ".join(f"{name} {ours.errors[name]:.3f} / {error:.3f}" for name, error in script.errors.items())


def _run_orchestrated(stack: Stack, api: AirflowApi, keys: dict[str, str]) -> Outcome:
    # What follows a training, promotion and batch prediction, would slow the next job.
    while not api.is_quiet():
        time.sleep(SECONDS_BETWEEN_LOOKS)
    # A model's earlier versions would all be judged anew: what was decided on them goes with the warehouse.
    write_overrides(stack.home, {**keys, "REGISTERED_MODEL": f"job-{time.time_ns()}"})
    with psycopg.connect(stack.admin_url, autocommit=True) as connection:
        name = sql.Identifier(stack.settings.warehouse_database)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
    create_databases(stack)
    migrate(stack.warehouse_url)
    ensure_columns(stack.warehouse_url, read_settings().problem)
    begun = time.perf_counter()
    runs = [api.trigger(PREPARATION)]
    while len(runs) <= len(TRAINING_DAGS) or not all(run.is_finished for run in runs):
        time.sleep(SECONDS_BETWEEN_LOOKS)
        runs = [run if run.is_finished else api.refresh(run) for run in runs]
        if failed := [run for run in runs if run.state == "failed"]:
            report_failure(api, stack, failed[0], Console(stderr=True))
            raise StackError(f"{failed[0].dag_id} failed: nothing was measured")
        if len(runs) == 1 and runs[0].is_finished and (found := api.runs_started_by(runs[0], TRAINING_DAGS)):
            runs += found[1] if len(found[1]) == len(TRAINING_DAGS) else []
    seconds = time.perf_counter() - begun
    models = find_models(stack, read_settings(), RUN_TAG, [run.run_id for run in runs])
    return Outcome(seconds, {model.model: model.metrics["validation_rmse"] for model in models})


def _run_plain(keys: dict[str, str]) -> Outcome:
    # Threads as in the stack.
    environment = os.environ | keys | SHARED_ENVIRONMENT | {"PYTHONPATH": str(ROOT)}
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.plain_script"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - begun
    return Outcome(seconds, {name: float(rmse) for name, rmse in map(str.split, done.stdout.splitlines())})
