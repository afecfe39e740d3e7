"""What Airflow's callbacks are handed, as alerts.

Each function takes a callback's context and returns the work that makes the alerts: what only Airflow can answer is
asked at once, while everything else (MLflow, the warehouse) waits until the caller need not.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from include.alerting import drift_reports, model_reports, pipeline_reports, recording
from include.alerting.alert import Alert
from include.alerting.incidents import (
    NOT_READ,
    FailedTask,
    describe_failure,
    report_failure,
    report_lateness,
    report_run_failure,
    report_waiting,
    write_duration,
)
from include.alerting.recording import has_alerts
from include.errors import WarehouseUnavailable
from include.models.table import TRAINING_DAGS
from include.orchestration.connections import (
    add_to_note,
    find_map_label,
    find_queued_at,
    get_warehouse_url,
    list_active_runs,
    list_failed_tasks,
)
from include.orchestration.pages import dashboard_page, link, link_training, run_page, task_page
from include.orchestration.runs import list_type_notes
from include.orchestration.secrecy import hide_secrets
from include.settings import read_usable_settings

log = logging.getLogger(__name__)
Context = Mapping[str, Any]
MakeAlerts = Callable[[], Sequence[Alert]]
TIMED_OUT = "timed_out"  # Airflow's reason
USE_NONE = "Airflow never starts such a run: leave the logical date out, or set it to null."
NO_TASK_FAILED = (
    "No task failed, but one could not start: a task before it passed on no result, or was marked as failed. If one"
    " was marked as success by hand, clear it, so that it runs; or start a new run."
)
TASKS_FAILED = (
    "These tasks failed. Their errors could not be looked up, because the warehouse was unavailable; their logs have"
    " them."
)
# Of these, nothing more is to be heard; what failed is still to be reported by its own callback.
QUIET_ENDS = {"success", "skipped", "upstream_failed", "removed"}


def task_failed(context: Context) -> MakeAlerts:
    """A task failed after its last attempt; without an exception where its worker was lost."""
    failed = find_failed_task(context)
    return lambda: [report_failure(failed, hide_secrets)]


def find_failed_task(context: Context) -> FailedTask:
    """The task that calls back."""
    ti = context["ti"]
    label = getattr(ti, "rendered_map_index", None) or ""
    if ti.map_index >= 0 and not label and "exception" not in context:
        # The DAG processor, which speaks for lost workers, does not know the label.
        label = find_map_label(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)
    return FailedTask(
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=ti.map_index,
        try_number=ti.try_number,
        label=label,
        log_url=ti.log_url,
        dashboard_url=dashboard_page(),
        error=context.get("exception"),
    )


def run_failed(context: Context) -> MakeAlerts:
    """A run failed: speaks for those of its tasks whose process was killed, which Airflow calls back for no task."""
    dag_id, run_id, page = context["dag"].dag_id, context["run_id"], run_page(context["dag"].dag_id, context["run_id"])
    url, reason = get_warehouse_url(), _explain_end(context)
    try:
        # Where no task failed, the context does not hold the run.
        entries, queued_at = list_failed_tasks(dag_id, run_id), find_queued_at(dag_id, run_id)
    except Exception as error:  # whatever is wrong with the API: the run has failed, and that is told
        entries, queued_at, reason = [], None, f"{reason} Its tasks could not be looked up: {error!r}"
    alerts = [report_failure(_read_failed(entry, dag_id, run_id, page), hide_secrets) for entry in entries]
    of_run = report_run_failure(dag_id, run_id, queued_at, reason, page)
    is_timeout = context.get("reason") == TIMED_OUT

    def make() -> Sequence[Alert]:
        try:
            is_told = has_alerts(url, dag_id, run_id, queued_at)
        except WarehouseUnavailable:
            # Which tasks were killed is known there alone; those that raised something have told it themselves.
            return [_name_failed(of_run, alerts, is_timeout=is_timeout) if alerts else of_run]
        return alerts or ([] if is_told and not is_timeout else [of_run])

    return make


def _name_failed(of_run: Alert, alerts: Sequence[Alert], *, is_timeout: bool) -> Alert:
    """The alert of a run with its failed tasks, of which nothing else is known."""
    names = "\n".join(f"{alert.task_id} {alert.label}".strip() for alert in alerts)
    return replace(of_run, headline=of_run.headline if is_timeout else TASKS_FAILED, details=names)


def _read_failed(entry: Mapping[str, Any], dag_id: str, run_id: str, page: str, error: str | None = None) -> FailedTask:
    return FailedTask(
        dag_id=dag_id,
        run_id=run_id,
        task_id=entry["task_id"],
        map_index=entry["map_index"],
        try_number=entry["try_number"],
        label=entry["rendered_map_index"] or "",
        log_url=task_page(page, entry),
        dashboard_url=dashboard_page(),
        error=error,
    )


def _explain_end(context: Context) -> str:
    """Why a run ended as failed where no task can say it."""
    reason, run, limit = context.get("reason"), context.get("dag_run"), getattr(context["dag"], "dagrun_timeout", None)
    if reason != TIMED_OUT:
        return NO_TASK_FAILED
    if run is not None and run.logical_date and run.logical_date > datetime.now(UTC):
        return f"It was stopped: its logical date, {run.logical_date:%Y-%m-%d %H:%M} UTC, is in the future. {USE_NONE}"
    allowed = f" within {write_duration(limit)}" if limit else " in time"
    return f"It was stopped because it did not finish{allowed}. The logs of its tasks show how far it got."


def note_failure(event: str, context: Context) -> None:
    """Puts why a task or its run failed into the run's note; a note is never worth an error."""
    if event == "task_failed":
        failed = find_failed_task(context)
        add_to_note(failed.dag_id, failed.run_id, [describe_failure(failed, hide_secrets)])
    elif event == "run_failed":
        dag_id, run_id = context["dag"].dag_id, context["run_id"]
        # Two tasks that fail at once may overwrite each other's line, and one that is killed writes none.
        try:
            headlines, otherwise = recording.list_headlines(get_warehouse_url(), dag_id, run_id), None
        except WarehouseUnavailable:
            headlines, otherwise = {}, NOT_READ
        failed_tasks = [
            _read_failed(entry, dag_id, run_id, "", headlines.get((entry["task_id"], entry["map_index"]), otherwise))
            for entry in list_failed_tasks(dag_id, run_id)
        ]
        lines = [describe_failure(task, hide_secrets) for task in failed_tasks]
        add_to_note(dag_id, run_id, lines or [_explain_end(context)])


def late(context: Context) -> MakeAlerts:
    """A deadline has passed; Airflow calls back for runs too that had failed before it."""
    run, deadline = context["dag_run"], context["deadline"]
    ended = run["end_date"] and datetime.fromisoformat(run["end_date"])
    if ended and ended <= deadline["deadline_time"]:
        return list
    dag_id, run_id = run["dag_id"], run["dag_run_id"]
    queued_at = datetime.fromisoformat(run["queued_at"])
    return lambda: [
        report_lateness(
            dag_id, run_id, str(deadline["id"]), queued_at, deadline["deadline_time"], run_page(dag_id, run_id)
        )
    ]


def drill_late(context: Context) -> MakeAlerts:
    """A deadline of the drill has passed, which is what one of its ways of failing is to show, and no other."""
    return late(context) if (context["dag_run"]["conf"] or {}).get("how") == "late" else list


def waiting(context: Context) -> MakeAlerts:
    """A task waits for a person's decision."""
    ti, task = context["ti"], context["task"]
    page = f"{run_page(ti.dag_id, ti.run_id)}/tasks/{ti.task_id}/required_actions"
    links = {"Decide": page, "Run": run_page(ti.dag_id, ti.run_id)}
    return lambda: [
        report_waiting(ti.dag_id, ti.run_id, ti.task_id, ti.try_number, task.subject, task.body or "", links)
    ]


def prepared(context: Context) -> MakeAlerts:
    """A training set was published, by the task that calls back."""
    ti = context["ti"]
    published = ti.xcom_pull(task_ids=ti.task_id)
    url, links = get_warehouse_url(), link(ti, "data")
    return lambda: [pipeline_reports.report_preparation(url, ti.dag_id, ti.run_id, published, links)]


def trained(context: Context) -> MakeAlerts:
    """A family's best model was registered, by the task that calls back."""
    ti = context["ti"]
    registered = ti.xcom_pull(task_ids=ti.task_id)
    models, tuned = (_pull_mapped(ti, task_id) for task_id in ("train", "tune"))
    notes = list_type_notes(ti)
    url, links, settings = get_warehouse_url(), link_training(ti), read_usable_settings()
    return lambda: [
        pipeline_reports.report_training(
            url, settings, ti.dag_id, ti.run_id, registered, models, tuned, links, notes=notes
        )
    ]


def unusable(context: Context) -> MakeAlerts:
    """A task has looked at the champion, which may be one that cannot be used."""
    ti = context["ti"]
    url, name, links = get_warehouse_url(), read_usable_settings().registered_model, link(ti, "overview")
    return partial(model_reports.report_unusable, url, name, ti.dag_id, ti.run_id, links)


def judged(context: Context) -> MakeAlerts:
    """Versions were judged: the champion may be one that cannot be used, and without one, none may beat a baseline."""
    report = partial(model_reports.report_unbeaten, trainings=_list_trainings())
    make = (unusable(context), _from_run(report, "overview")(context))
    return lambda: [alert for each in make for alert in each()]


def _list_trainings() -> list[str]:
    try:
        runs = list_active_runs(TRAINING_DAGS)
    except Exception as error:  # whatever is wrong with the API: rather one mail too many than none
        log.warning("Whether a training is under way could not be looked up: %s", error)
        return []
    return [f"{run['dag_id']}/{run['dag_run_id']}" for run in runs]


def _pull_mapped(ti: Any, task_id: str) -> list[Any]:
    """What each instance of a mapped task returned, a dict; of a single one, Airflow gives that dict itself."""
    returned = ti.xcom_pull(task_ids=task_id)
    return [returned] if isinstance(returned, dict) else list(returned or [])


def _from_run(
    report: Callable[[str, str, str, dict[str, str]], Sequence[Alert]], page: str
) -> Callable[..., MakeAlerts]:
    """For reports on what a run has written to the warehouse."""

    def make_report(context: Context) -> MakeAlerts:
        ti = context["ti"]
        return partial(report, get_warehouse_url(), ti.dag_id, ti.run_id, link(ti, page))

    return make_report


# Kind of event -> what it says.
EVENTS: dict[str, Callable[[Context], MakeAlerts]] = {
    "task_failed": task_failed,
    "run_failed": run_failed,
    "late": late,
    "drill_late": drill_late,
    "waiting": waiting,
    "prepared": prepared,
    "trained": trained,
    "promoted": _from_run(model_reports.report_promotions, "overview"),
    "drift": _from_run(drift_reports.report_drift, "overview"),
    "unusable": unusable,
    "judged": judged,
    "retrained": _from_run(pipeline_reports.report_retraining, "pipeline"),
}


def list_outstanding(context: Context) -> set[int]:
    """Indexes of the mapped task that calls back from which a failure is still to be heard, or may be."""
    ti = context.get("ti")
    if ti is None or ti.map_index < 0:
        return set()
    states = ti.get_task_states(dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id]).get(ti.run_id, {})
    return {int(name.rpartition("_")[2]) for name, state in states.items() if state not in QUIET_ENDS}
