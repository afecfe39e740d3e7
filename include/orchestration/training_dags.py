"""The one factory that all training DAGs are built by."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from include.models.table import Family, names_for
from include.orchestration.alerts import DEFAULT_ARGS, RUN_FAILED, AlertNotifier, tell_when_late
from include.orchestration.assets import FAMILY_MODELS, TRAINING_SET
from include.orchestration.connections import check_unpaused, get_warehouse_url, start_dag
from include.orchestration.handover import list_versions
from include.orchestration.presentation import MAIN, MODELS, choice, first_sentence, hidden, in_force
from include.orchestration.runs import list_type_notes, name_run, note_run, skip_run
from include.problem.request_values import MOMENT
from include.settings import Settings, read_settings, read_usable_settings
from include.training.results import TYPE_NOTES, Candidate, JobValues, Registered, SearchValues, Trained, Tuned

log = logging.getLogger(__name__)
BEST_SO_FAR = "{{ task.op_kwargs['search']['model'] }}{{ label | default('') }}"
TRAINED = "{{ task.op_kwargs['tuned']['model'] }}{{ trained | default('') }}"
# Tuning may take its time budget for one model type after the other.
LATE_AFTER = timedelta(hours=3)
ENDED_AFTER = timedelta(hours=24)
# Which of Celery's workers take what, see docker-compose.yaml; LocalExecutor runs all tasks alike.
DEFAULT_QUEUE, CPU_QUEUE, GPU_QUEUE = "default", "cpu", "gpu"


def _params(family: Family) -> dict[str, Param]:
    problem = read_usable_settings().problem
    names = names_for(family, problem)
    settings_key = f"{family.upper()}_MODELS"
    return {
        "models": Param(
            None,
            type=["array", "null"],
            items={"type": "string", "enum": names},
            examples=names,
            title="Model types",
            description=f"Model types to train. Empty: {in_force(settings_key)}.",
        ),
        "max_evaluations": Param(
            None,
            type=["integer", "null"],
            minimum=0,
            maximum=1000,
            title="Trials",
            description="Maximum per model type. 0: no search, the last best parameters are fitted again."
            f" Empty: {in_force('MAX_EVALUATIONS')}.",
        ),
        "time_budget": Param(
            None,
            type=["number", "null"],
            exclusiveMinimum=0,
            title="Time budget",
            description=f"Maximum seconds of tuning per model type. Empty: {in_force('TUNING_TIME_BUDGET')}.",
        ),
        "random_state": Param(
            None,
            type=["integer", "null"],
            minimum=0,
            title="Seed",
            description=f"Seed of all random choices. Empty: {in_force('RANDOM_STATE')}.",
        ),
        "feature_set": choice(
            "Feature set",
            "What the models learn from.",
            problem.feature_set_names,
            in_force("FEATURE_SET"),
        ),
        "set_version": Param(
            None,
            type=["integer", "null"],
            minimum=1,
            title="Training set",
            description="Version number. Empty: the version of the event, or the newest.",
        ),
        "requested_at": hidden(
            "Set by automatic_retraining: a training on this set that started since then is not repeated.",
            type=["string", "null"],
            format="date-time",
            # Without a package of its own, nobody checks the format.
            pattern=MOMENT,
        ),
    }


@task
def training_set(family: Family, **context: Any) -> JobValues:
    """Chooses the training set, from the event that started the run or the newest one, and the parameters."""
    from include.sets.examples import choose_training_set
    from include.training.job import make_job

    if not (context["params"]["models"] or read_settings().list_model_types(family)):
        skip_run(context, f"{family.upper()}_MODELS is empty: no model type of this family is trained.")
    url, settings, run, params = get_warehouse_url(), read_settings(), context["dag_run"], context["params"]
    # Events that came close together start one run: the newest version is the one to train on.
    versions = list_versions(context)
    found = choose_training_set(url, settings.outdated_after, requested=params["set_version"], announced=versions)
    if found is None:
        started = _start_preparation(url, settings, run.dag_id)
        reason = f"No fresh training set: data_preparation was started ({started}); its event starts a new run"
        skip_run(context, f"{reason}{_describe_loss(params)}.")
    if not _claim(url, family, found.version, bool(versions), **context):
        skip_run(context, f"Another run already trains on training set version {found.version}.")
    chosen = {name: params[name] for name in ("max_evaluations", "time_budget", "random_state", "feature_set")}
    page = context["ti"].log_url.partition("/tasks/")[0]
    return make_job(settings, family, name_run(context), found, page=page, **chosen).to_dict()


def _start_preparation(url: str, settings: Settings, dag_id: str) -> str:
    """Starts a preparation of the settings' months, or of the window that retraining has rolled on to since."""
    from include.retraining.reasons import plan_rolled

    check_unpaused(["data_preparation"])
    note = f"Started by {dag_id}, which found no fresh training set."
    return start_dag("data_preparation", note, plan_rolled(url, settings))


def _describe_loss(params: Mapping[str, Any]) -> str:
    """That a run by an event has no parameters, for those who gave some."""
    if all(params[name] in (None, []) for name in params):
        return ""
    return " with the settings' values. Start this DAG again with yours when the set is published"


def _claim(url: str, family: Family, version: int, is_event: bool, **context: Any) -> bool:
    """Whether this run is the one to train: an event and automatic_retraining train a version once between them."""
    from include.training.claims import claim_training

    requested_at = context["params"]["requested_at"]
    if not is_event and not requested_at:
        return True  # by hand, as often as one likes
    since = datetime.fromisoformat(requested_at) if requested_at else None
    return claim_training(url, family, version, name_run(context), since)


@task
def load_models(job: JobValues, **context: Any) -> list[SearchValues]:
    """Lists the model types to train, as the target allows, once for each worker of their searches."""
    from include.sets.examples import find_target_shape
    from include.training.job import choose_models, match_target

    settings, family, version, named = read_settings(), job["family"], job["set_version"], context["params"]["models"]
    target = find_target_shape(get_warehouse_url(), version)
    # Who names model types gets no others.
    add = not named and settings.is_default(f"{family}_models")
    chosen = match_target(choose_models(settings, family, named), version, target, add=add)
    for line in chosen.notes:
        log.warning(line)
    # For the run's note and the mail: the result is what tuning is mapped over.
    context["ti"].xcom_push(TYPE_NOTES, list(chosen.notes))
    return [{"model": model, "worker": worker} for model in chosen.models for worker in range(job["limits"]["workers"])]


@task(map_index_template=BEST_SO_FAR)
def tune(job: JobValues, search: SearchValues) -> Tuned | None:
    """Searches for the best parameters of one model type, as one of its workers; the first returns what they found."""
    from include.training.job import Job
    from include.training.steps import tune_model

    settings, worker = read_settings(), search["worker"]
    best = tune_model(get_warehouse_url(), settings, Job.from_dict(job), search["model"])
    objective = settings.problem.objective
    found = f"best {objective.name} {objective.show(best['loss'])}"
    of_worker = f", worker {worker + 1}" if worker else ""
    get_current_context()["label"] = f"{of_worker}: {found}"  # type: ignore[typeddict-unknown-key]
    # What a mapped task does not return is not mapped over: one final model for each model type.
    return best if worker == 0 else None


@task
def blend(job: JobValues, tuned: Sequence[Tuned], **context: Any) -> list[Candidate]:
    """Adds the blend of the best trials of the best model type to what was tuned."""
    from include.training.blending import add_blend
    from include.training.job import Job

    found = add_blend(get_warehouse_url(), read_settings(), Job.from_dict(job), list(tuned))
    context["ti"].xcom_push(TYPE_NOTES, found.notes)
    return found.models


@task(map_index_template=TRAINED)
def train(job: JobValues, tuned: Candidate) -> Trained:
    """Fits the final model of one model type and stores it as an artifact."""
    from include.training.final_model import train_model
    from include.training.job import Job

    context, settings = get_current_context(), read_settings()
    trained = train_model(get_warehouse_url(), settings, Job.from_dict(job), tuned)
    objective = settings.problem.objective
    error = trained["metrics"][f"validation_{objective.key}"]
    context["trained"] = f": {objective.name} {objective.show(error)}"  # type: ignore[typeddict-unknown-key]
    return trained


def build_training_dag(family: Family, doc_md: str | None) -> DAG:
    """A DAG that tunes, trains and registers the model types of one family, whose asset then has a new challenger."""
    outlet = FAMILY_MODELS[family]
    settings = read_usable_settings()
    on_gpu = family == "xgboost" and settings.xgboost_device == "cuda"

    @task(outlets=[outlet], on_success_callback=AlertNotifier("trained"))
    def register(job: JobValues, trained: Sequence[Trained], *, outlet_events: Any = None) -> Registered:
        """Registers the family's best model as challenger."""
        from include.training.job import Job
        from include.training.steps import describe_registered, register_best

        settings = read_settings()
        registered = register_best(get_warehouse_url(), settings, Job.from_dict(job), list(trained))
        outlet_events[outlet].extra = registered
        context = get_current_context()
        notes = list_type_notes(context["ti"])
        note_run(context, "\n".join([describe_registered(settings.problem, registered), *notes]))
        return registered

    with DAG(
        f"{family}_training",
        schedule=[TRAINING_SET],
        catchup=False,
        dagrun_timeout=ENDED_AFTER,
        # An event that reaches a paused DAG is lost.
        is_paused_upon_creation=False,
        default_args=DEFAULT_ARGS,
        on_failure_callback=RUN_FAILED,
        deadline=tell_when_late(LATE_AFTER),
        params=_params(family),
        description=first_sentence(doc_md),
        doc_md=doc_md,
        tags=[MAIN, MODELS],
    ) as dag:
        job = training_set(family)
        tuned = tune.override(queue=GPU_QUEUE if on_gpu else CPU_QUEUE).partial(job=job).expand(search=load_models(job))
        candidates = blend(job, tuned) if settings.blend_trials else tuned
        trained = train.override(queue=GPU_QUEUE if on_gpu else DEFAULT_QUEUE).partial(job=job).expand(tuned=candidates)
        register(job, trained)
    return dag
