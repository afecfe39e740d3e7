"""The main job, followed: from new data to registered models, through Airflow's public API."""

import time

from rich import box
from rich.console import Console
from rich.table import Table

from include.embedded.airflow_api import AirflowApi, Run
from include.embedded.errors import StackError
from include.embedded.progress import Progress, watch
from include.embedded.results import RUN_TAG, SET_TAG, TrainedModel, best_trials, find_models, newest_set
from include.embedded.stack import Stack
from include.embedded.supervision import log_path, tail
from include.taxi.settings import read_settings

PREPARATION = "data_preparation"
PROMOTION = "model_promotion"
TRAININGS = ("sklearn_training", "xgboost_training")
SECONDS_TO_PARSE = 120.0
# A file that was mended a moment ago is parsed again within seconds.
SECONDS_TO_MEND = 15.0
SECONDS_TO_START = 120.0
LOG_LINES = 15


def follow(stack: Stack, console: Console) -> bool:
    """Runs the main job on a running stack and prints its progress and outcome.

    Returns:
        Whether all of it succeeded and models are there.

    Raises:
        StackError: A DAG cannot be used, or Airflow or MLflow stopped answering.
    """
    api = AirflowApi(stack)
    settings = read_settings()
    wait_for_dags(api, stack)
    for dag_id, paused in api.dags().items():
        if paused:
            api.unpause(dag_id)
    with Progress(console) as progress:
        preparation = watch(api, [api.trigger(PREPARATION)], list, progress)
        runs = _runs_after(api, preparation[0]) if preparation[0].state == "success" else []
        if runs is None:
            version = newest_set(stack.warehouse_url)
            console.print(f"The data has not changed: training set {version} is fresh, nothing was prepared.")
            models = find_models(stack, settings, SET_TAG, [str(version)])
            if models:
                console.print(model_table(models))
                return True
            console.print("No model was trained on it yet, so that training starts now.")
            runs = [api.trigger(dag_id) for dag_id in TRAININGS]
        keys = [f"{run.dag_id}/{run.run_id}" for run in runs]
        if runs:
            runs = watch(api, runs, lambda: best_trials(stack.warehouse_url, keys), progress)
    failed = [run for run in preparation + runs if run.state != "success"]
    for run in failed:
        report_failure(api, stack, run, console)
    models = find_models(stack, settings, RUN_TAG, [run.run_id for run in runs])
    if models:
        console.print(model_table(models))
    elif not failed and not runs:
        console.print("The training set is there, but no training DAG waits for it.")
    without = [run for run in runs if run.run_id not in {model.dag_run_id for model in models}]
    for run in without:
        if run not in failed:
            console.print(f"{run.dag_id} succeeded but left no model in MLflow: see {_run_page(stack, run)}")
    return bool(models) and not failed and not without


def roll_back(stack: Stack, console: Console) -> bool:
    """Puts the previous champion back, through the DAG that promotes; returns whether that succeeded."""
    api = AirflowApi(stack)
    with Progress(console) as progress:
        [run] = watch(api, [api.trigger(PROMOTION, rollback=True)], list, progress)
    if run.state == "success":
        console.print(api.note(run), markup=False)
    else:
        report_failure(api, stack, run, console)
    return run.state == "success"


def wait_for_dags(api: AirflowApi, stack: Stack) -> None:
    """Waits until the main job's DAGs have been parsed.

    Raises:
        StackError: A DAG file cannot be imported, or a DAG does not appear; the message shows the error.
    """
    begun = time.monotonic()
    wanted = {PREPARATION, *TRAININGS}
    while True:
        errors, missing = api.import_errors(), wanted - api.dags().keys()
        if not errors and not missing:
            return
        waited = time.monotonic() - begun
        if errors and waited > SECONDS_TO_MEND:
            raise StackError("\n".join(f"{file} cannot be imported:\n{error}" for file, error in errors.items()))
        if waited > SECONDS_TO_PARSE:
            log = log_path(stack.home, "dag-processor")
            raise StackError(f"No DAG {', '.join(sorted(missing))} was found. The end of {log}:\n{tail(log)}")
        time.sleep(0.5)


def report_failure(api: AirflowApi, stack: Stack, run: Run, console: Console) -> None:
    """Prints which tasks of a run failed, the end of their logs and where the rest is."""
    console.print(f"[bold red]{run.dag_id} failed[/]: {_run_page(stack, run)}", soft_wrap=True)
    for task in api.tasks(run, ("failed",)):
        console.print(f"The end of the log of {task.title}, attempt {task.attempt}:", markup=False)
        console.print("\n".join(api.log_lines(task)[-LOG_LINES:]), markup=False, soft_wrap=True)


def model_table(models: list[TrainedModel]) -> Table:
    """Models and their errors on the validation split, in the target's unit, least first."""
    # The longest name of a model and a champion's aliases fit into 80 characters.
    table = Table(title="Models, by error on validation", box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    for header in ("model", "family", "RMSE", "MAE", "version"):
        table.add_column(header, no_wrap=True)
    table.add_column("alias")
    for model in models:
        mae = "" if model.mae is None else f"{model.mae:.3f}"
        table.add_row(
            model.model, model.family, f"{model.rmse:.3f}", mae, model.version or "", ", ".join(model.aliases)
        )
    return table


def _runs_after(api: AirflowApi, run: Run) -> list[Run] | None:
    """The runs that the events of a finished run start, once all of them are there; none without an event."""
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        outcome = api.runs_started_by(run, TRAININGS)
        if outcome is None:
            return None
        waiting, started = outcome
        missing = waiting - {entry.dag_id for entry in started}
        if not missing:
            return started
        if time.monotonic() > deadline:
            raise StackError(f"The event of {run.run_id} started no run of {', '.join(sorted(missing))}")
        time.sleep(0.5)


def _run_page(stack: Stack, run: Run) -> str:
    return f"{stack.airflow_address}/dags/{run.dag_id}/runs/{run.run_id}"
