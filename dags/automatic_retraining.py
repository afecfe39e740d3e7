"""The master: checks for a reason to retrain, starts what is needed, follows it to the end and reports.

**Starts** hourly (`RETRAINING_SCHEDULE`), on drift, within half a minute of a new or changed file at the source, or by
hand. If another of its runs, a preparation or a training is in progress, or if there is no reason to retrain, it
skips all later tasks, succeeds, and says why in its note. So it does in the pause after a retraining that failed, of 2
hours at first and 24 at most, unless the source, an alarm or a setting has changed.

**Reasons**: a month of the rolling window (`ROLLING_MONTHS`) that is new, has changed, or has no model trained on it;
drift; a champion that is older than `MAX_MODEL_AGE` or was found to be unusable; `force`.

**Produces** new models, through `data_preparation`, whose event starts the training DAGs, or directly through these if
the training set already exists; and a report in its note, in `training.retrainings` and by mail.

**Parameters**: `force`; `ignore_failures`, whether one family may fail.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import AssetOrTimeSchedule, dag, task
from airflow.sdk.exceptions import AirflowFailException

from include.orchestration.alerts import DEFAULT_ARGS, RUN_FAILED, AlertNotifier, tell_when_late
from include.orchestration.assets import DRIFT, NEW_DATA
from include.orchestration.connections import check_unpaused, get_warehouse_url, start_dag
from include.orchestration.following import FollowRuns, find_rival
from include.orchestration.presentation import MAIN, MODELS, choice, first_sentence, flag, in_force
from include.orchestration.runs import name_run, note_run, skip_run
from include.orchestration.schedules import cron
from include.retraining.results import EndedRun, RetrainingValues, StartedRun
from include.settings import read_settings, read_usable_settings

SETTINGS = read_usable_settings()
# A run is followed to the decision on its models, which a person may take.
TO_DECIDE = timedelta(hours=SETTINGS.approval_deadline)
PARAMS = {
    "force": flag("Retrain anyway", "Retrain even if there is no reason to."),
    "ignore_failures": choice(
        "Ignore failures",
        "Whether to succeed, with a warning, if one family fails.",
        ["yes", "no"],
        in_force("IGNORE_FAILURES"),
    ),
}


@task
def detect(**context: Any) -> RetrainingValues:
    """Finds the reasons to retrain and what to train on; skips the rest if there is none or a run is in progress.

    It also skips the rest in the pause after a retraining that failed. It fails if a DAG that it needs is paused.
    """
    from include.retraining import reasons, report

    run, url, settings = context["dag_run"], get_warehouse_url(), read_settings()
    if rival := find_rival(run.dag_id, run.run_id):
        skip_run(context, f"Nothing to do: {rival} is in progress.")
    found = reasons.detect(url, settings, force=context["params"]["force"])
    if found is None:
        nothing = "no new or changed month, no alarm on what would be trained on, and the champion is not too old"
        skip_run(context, f"No reason to retrain: {nothing}.")
    if not context["params"]["force"] and (pause := reasons.describe_pause(url, found, name_run(context))):
        skip_run(context, f"Not retrained: {pause}")
    note_run(context, f"Retraining: {'; '.join(found.reasons)}.")
    values, trainings = found.to_dict(), settings.training_dags
    # The event of a preparation starts the trainings.
    check_unpaused({*report.plan_starts(values, trainings), *trainings})
    report.begin(url, name_run(context), found.reasons, found.months, found.fingerprint)
    return values


@task
def start(found: RetrainingValues, **context: Any) -> list[StartedRun]:
    """Starts a run of the preparation, or of the training DAGs."""
    from include.retraining.report import plan_starts

    # A second attempt finds what the first one started; a run that is cleared has looked again, and starts anew.
    run_id = f"retraining__{context['dag_run'].run_id}__{found['requested_at']}"
    note = f"Started by automatic_retraining: {'; '.join(found['reasons'])}."
    return [
        {"dag_id": dag_id, "run_id": start_dag(dag_id, note, conf, run_id)}
        for dag_id, conf in plan_starts(found, read_settings().training_dags).items()
    ]


@task(on_success_callback=AlertNotifier("retrained"))
def report(found: RetrainingValues, runs: list[EndedRun], **context: Any) -> str:
    """Reports what was trained, the errors before and after, and the decisions."""
    from include.retraining import report

    settings, given = read_settings(), context["params"]["ignore_failures"]
    conclusion = report.finish(
        get_warehouse_url(),
        settings,
        name_run(context),
        found,
        [report.FollowedRun(**followed) for followed in runs],
        ignore_failures=given == "yes" if given else settings.ignore_failures,
    )
    note_run(context, conclusion.report)
    if conclusion.state == "failed":
        raise AirflowFailException(conclusion.report)
    return conclusion.report


@dag(
    schedule=AssetOrTimeSchedule(timetable=cron(SETTINGS.retraining_schedule), assets=(DRIFT | NEW_DATA)),
    catchup=False,
    dagrun_timeout=timedelta(hours=24) + TO_DECIDE,
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS,
    on_failure_callback=RUN_FAILED,
    deadline=tell_when_late(timedelta(hours=6) + (TO_DECIDE if SETTINGS.approval == "human" else timedelta())),
    params=PARAMS,
    description=first_sentence(__doc__),
    doc_md=__doc__,
    tags=[MAIN, MODELS],
)
def automatic_retraining() -> None:
    """Spells the graph."""
    found = detect()
    # A task that wakes up at once can be taken for lost on a busy scheduler; to begin again costs nothing.
    follow = FollowRuns(task_id="follow", runs=start(found), retries=10)
    report(found, follow.output)


automatic_retraining()
