"""The main job, followed: from new data to a judged model, through Airflow's public API."""

import time

import httpx
from rich.console import Console

from include.embedded.commands.airflow_api import AirflowApi, Run
from include.embedded.commands.outcome import model_table, tell_decisions
from include.embedded.commands.progress import Progress, describe_trials, watch
from include.embedded.commands.results import (
    RUN_TAG,
    SET_TAG,
    TrainedModel,
    best_trials,
    find_champion,
    find_models,
    newest_set,
)
from include.embedded.commands.run_report import write_report
from include.embedded.errors import StackError
from include.embedded.programs.supervision import log_path, tail
from include.embedded.stack import Stack
from include.embedded.usage import name_command
from include.models.table import TRAINING_DAGS
from include.sets.baselines import list_baselines
from include.settings import Settings, read_settings

PREPARATION = "data_preparation"
PROMOTION, APPROVE = "model_promotion", "approve"
SECONDS_TO_PARSE = 120.0
# A file that was fixed a moment ago is parsed again within seconds.
SECONDS_TO_MEND = 15.0
SECONDS_TO_START = 120.0
SECONDS_TO_END = 300.0
SECONDS_TO_SERVE = 60.0
LOG_LINES = 15
RUNS_NAMED = 3


def follow(stack: Stack, console: Console) -> bool:
    """Runs the main job on a running stack, until its models are judged, and prints its progress and outcome.

    If a person decides on the winner, it does not wait for the decision.

    Returns:
        Whether everything succeeded and there are models. That none of them beats the best baseline is an outcome, not
        an error.

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
        [preparation] = watch(api, [api.trigger(PREPARATION)], list, progress)
        trainings, fresh = _trainings_after(api, stack, settings, preparation, console)
        keys = [f"{run.dag_id}/{run.run_id}" for run in trainings]
        if trainings:
            trainings = watch(api, trainings, lambda: _tell_trials(stack, settings, keys), progress)
        promotions = _promotions_after(api, trainings, console)
        if promotions:
            promotions = watch(api, promotions, list, progress)
    failed = [run for run in [preparation, *trainings, *promotions] if run.state == "failed"]
    for run in failed:
        report_failure(api, stack, run, console)
    models = find_models(stack, settings, RUN_TAG, [run.run_id for run in trainings])
    without = [run for run in trainings if run.run_id not in {model.dag_run_id for model in models}]
    if fresh is not None:
        models = find_models(stack, settings, SET_TAG, [str(fresh)])
    if models:
        _report_models(stack, settings, models, console)
    elif not failed and not trainings:
        console.print("The training set is ready, but no training DAG is waiting for it.")
    _report_waiting(stack, settings, promotions, console)
    if find_champion(stack, settings):
        _serve_champion(stack, console)
    for run in without:
        if run not in failed:
            console.print(f"{run.dag_id} succeeded but left no model in MLflow: see {_run_page(stack, run)}")
    return bool(models) and not failed and not without


def wait_for_end(stack: Stack, console: Console) -> None:
    """Waits until no run of a DAG is active, but no longer than `SECONDS_TO_END`; runs that wait for a person go on."""
    api = AirflowApi(stack)
    deadline = time.monotonic() + SECONDS_TO_END
    is_told = False
    try:
        while (active := api.active_runs(tuple(api.dags()))) and time.monotonic() < deadline:
            if not is_told:
                console.print(_tell_wait(active, stack), markup=False, soft_wrap=True)
                is_told = True
            time.sleep(0.5)
    except StackError:
        return  # it does not work, so that nothing ends by waiting
    if active:
        console.print(f"Still active, and interrupted: {', '.join(sorted({run.dag_id for run in active}))}.")


def _tell_wait(active: list[Run], stack: Stack) -> str:
    named = [f"{run.dag_id} {run.run_id}" for run in active[:RUNS_NAMED]]
    more = [f"{len(active) - RUNS_NAMED} more"] if len(active) > RUNS_NAMED else []
    runs = "this run" if len(active) == 1 else "these runs"
    return (
        f"Waiting for {runs} to end, for at most {SECONDS_TO_END:g} s: {', '.join([*named, *more])}. To go"
        f" on at once, press Ctrl-C, then `{name_command('down', stack.home)}` and the same command again."
    )


def roll_back(stack: Stack, console: Console) -> bool:
    """Puts the previous champion back, through the DAG that promotes; returns whether that succeeded."""
    api = AirflowApi(stack)
    # A run of a paused DAG waits without end.
    api.unpause(PROMOTION)
    with Progress(console) as progress:
        [run] = watch(api, [api.trigger(PROMOTION, rollback=True)], list, progress)
    if run.state == "success":
        console.print(api.note(run), markup=False)
        _serve_champion(stack, console)
    else:
        report_failure(api, stack, run, console)
    return run.state == "success"


def wait_for_dags(api: AirflowApi, stack: Stack) -> None:
    """Waits until the main job's DAGs have been parsed.

    Raises:
        StackError: A DAG file cannot be imported, or a DAG does not appear; the message shows the error.
    """
    begun = time.monotonic()
    wanted = {PREPARATION, *TRAINING_DAGS}
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


def _tell_trials(stack: Stack, settings: Settings, keys: list[str]) -> list[str]:
    objective = settings.problem.objective
    return [describe_trials(objective, *entry) for entry in best_trials(stack.warehouse_url, keys)]


def _report_models(stack: Stack, settings: Settings, models: list[TrainedModel], console: Console) -> None:
    sets = {model.training_set for model in models if model.training_set is not None}
    baselines = list_baselines(stack.warehouse_url, *sets) if len(sets) == 1 else []
    if len(sets) == 1:
        write_report(stack, settings, models, *sets)
    console.print(model_table(settings.problem.objective, models, baselines))
    for line in tell_decisions(stack, settings, models):
        console.print(line, markup=False, soft_wrap=True)


def _report_waiting(stack: Stack, settings: Settings, promotions: list[Run], console: Console) -> None:
    for run in promotions:
        if not run.is_finished:
            page = f"{_run_page(stack, run)}/tasks/{APPROVE}/required_actions"
            deadline = f"within {settings.approval_deadline:g} hours, or the champion stays"
            console.print(f"A person must approve the winner {deadline}: {page}", soft_wrap=True)


def _serve_champion(stack: Stack, console: Console) -> None:
    """Has the prediction service look for the champion now, so that it answers with the one that was just reported."""
    headers = {"X-API-Key": stack.credentials.serving_api_key}
    try:
        # A proxy leads elsewhere.
        with httpx.Client(timeout=SECONDS_TO_SERVE, trust_env=False) as client:
            answer = client.post(f"{stack.serving_address}/reload", headers=headers).raise_for_status().json()
    except httpx.HTTPError as error:
        problem = f"{type(error).__name__}: {error}"
    else:
        problem = answer["problem"]
    if problem:
        console.print(f"The prediction service has not taken up the champion yet: {problem}", markup=False)


def _trainings_after(
    api: AirflowApi, stack: Stack, settings: Settings, preparation: Run, console: Console
) -> tuple[list[Run], int | None]:
    """The trainings that a preparation started, and the version of its set if that was fresh before.

    On a fresh set, they are those that still run; the first ones are started here. The runs of families that are not
    trained are skipped, and not among them.
    """
    started = _runs_after(api, preparation, settings.training_dags) if preparation.state == "success" else []
    if started is not None:
        return started, None
    # Without a version, the same set was published during the preparation.
    fresh = api.fresh_version(preparation) or newest_set(stack.warehouse_url)
    console.print(f"The data has not changed and training set {fresh} is fresh: there was nothing to prepare.")
    active = api.active_runs(settings.training_dags)
    if not active and not find_models(stack, settings, SET_TAG, [str(fresh)]):
        console.print("No model has been trained on it yet: training starts now.")
        active = [api.trigger(dag_id, set_version=fresh) for dag_id in settings.training_dags]
    return active, fresh


def _promotions_after(api: AirflowApi, trainings: list[Run], console: Console) -> list[Run]:
    """The runs that judge what the trainings have registered, and those that have not ended yet; each once."""
    found = api.active_runs((PROMOTION,))
    for run in (run for run in trainings if run.state == "success"):
        try:
            found += _runs_after(api, run, (PROMOTION,)) or []
        except StackError as error:
            # The models are there all the same.
            console.print(f"{error}: its model is not judged.", markup=False)
    return list({run.run_id: run for run in found}.values())


def _runs_after(api: AirflowApi, run: Run, dag_ids: tuple[str, ...]) -> list[Run] | None:
    """The runs of some DAGs that the events of a finished run start, once all are there; none without an event.

    Raises:
        StackError: One of them does not start.
    """
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        outcome = api.runs_started_by(run, dag_ids)
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
