"""Runs of DAGs, from Airflow's own models: counted and measured in its database.

Columns of its tables change with versions, so no SQL of ours names them; its REST API has no aggregates.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from airflow.models import DagModel, DagRun, TaskInstance
from airflow.models.asset import AssetEvent
from airflow.models.dagrun import DagRunNote
from sqlalchemy import case, func, select

from include.dashboards.context import Context
from include.dashboards.drawing.charts import since
from include.errors import MltrainError

MOST_FAILED = 500
# Runs again and again, whatever else goes on.
HOUSEKEEPING = frozenset({"alert_maintenance"})
MOST_MEASURED = 200
RunQuery = Callable[[Context], list[dict[str, Any]]]


class NoAirflow(MltrainError):
    """The pages run alone, without Airflow, so there are no runs to show."""


def _on_airflow(make: Callable[[Context], Any]) -> RunQuery:
    """Runs the statement that `make` gives; rows are dicts by label."""

    @wraps(make)
    def query(context: Context) -> list[dict[str, Any]]:
        if context.sources.airflow_session is None:
            raise NoAirflow("Runs are only available when the dashboards run inside Airflow.")
        with context.sources.airflow_session() as session:
            return [dict(row) for row in session.execute(make(context)).mappings()]

    return query


def _runs(context: Context) -> Any:
    """Of the DAGs that the page shows: without housekeeping, which would bury the rest, unless it is chosen."""
    shown = context.dag_ids if context.filters.dag_id else [dag for dag in context.dag_ids if dag not in HOUSEKEEPING]
    return DagRun.dag_id.in_(shown) & (DagRun.run_after >= since(context))


@_on_airflow
def count_by_day(context: Context) -> Any:
    """Runs by day and state."""
    day = func.date_trunc("day", DagRun.run_after).label("day")
    counted = select(day, DagRun.state.label("state"), func.count().label("runs"))
    return counted.where(_runs(context)).group_by(day, DagRun.state).order_by(day, DagRun.state)


@_on_airflow
def count_by_trigger(context: Context) -> Any:
    """Runs by what started them."""
    trigger = case(
        (DagRun.run_type == "asset_triggered", "asset event"),
        (DagRun.run_type == "operator_triggered", "master DAG"),
        (DagRun.run_type == "scheduled", "schedule"),
        (DagRun.run_type == "backfill", "backfill"),
        (DagRun.triggered_by == "UI", "UI"),
        (DagRun.triggered_by == "REST_API", "REST API"),
        else_="other",
    ).label("trigger")
    counted = select(trigger, func.count().label("runs")).where(_runs(context))
    return counted.group_by(trigger).order_by(func.count().desc())


@_on_airflow
def list_failed(context: Context) -> Any:
    """The newest failed runs, those of housekeeping too, with their notes and the tasks that failed."""
    columns = (DagRun.id, DagRun.dag_id, DagRun.run_id, DagRun.run_after, DagRun.start_date, DagRun.end_date)
    newest = (
        select(*columns)
        .where(DagRun.dag_id.in_(context.dag_ids), DagRun.run_after >= since(context), DagRun.state == "failed")
        .order_by(DagRun.run_after.desc())
        .limit(MOST_FAILED)
        .subquery()
    )
    tasks = (
        select(func.string_agg(TaskInstance.task_id.distinct(), ", "))
        .where(
            TaskInstance.dag_id == newest.c.dag_id,
            TaskInstance.run_id == newest.c.run_id,
            TaskInstance.state == "failed",
        )
        .scalar_subquery()
    )
    note = select(DagRunNote.content).where(DagRunNote.dag_run_id == newest.c.id).scalar_subquery()
    return select(newest, tasks.label("tasks"), note.label("note")).order_by(newest.c.run_after.desc())


@_on_airflow
def measure_tasks(context: Context) -> Any:
    """Duration of successful tasks in seconds: median and 90 % quantile; mapped ones by the start of their label."""
    label = func.coalesce(func.split_part(TaskInstance.rendered_map_index, ":", 1), "").label("label")
    newest = (
        select(DagRun.dag_id, DagRun.run_id)
        .where(_runs(context))
        .order_by(DagRun.run_after.desc())
        .limit(MOST_MEASURED)
        .subquery()
    )
    duration = TaskInstance.duration
    return (
        select(
            TaskInstance.dag_id,
            TaskInstance.task_id,
            label,
            func.count().label("tasks"),
            func.percentile_cont(0.5).within_group(duration).label("median"),
            func.percentile_cont(0.9).within_group(duration).label("p90"),
        )
        .join(newest, (TaskInstance.dag_id == newest.c.dag_id) & (TaskInstance.run_id == newest.c.run_id))
        .where(TaskInstance.state == "success", duration.is_not(None))
        .group_by(TaskInstance.dag_id, TaskInstance.task_id, label)
        .order_by(func.percentile_cont(0.5).within_group(duration).desc())
    )


@_on_airflow
def measure_reactions(context: Context) -> Any:
    """Seconds from the newest of a run's asset events to the start of its first task."""
    run = (
        select(DagRun.id, DagRun.dag_id, DagRun.run_id, DagRun.run_after)
        .where(_runs(context), DagRun.run_type == "asset_triggered")
        .order_by(DagRun.run_after.desc())
        .limit(MOST_MEASURED)
        .subquery()
    )
    event = (
        select(func.max(AssetEvent.timestamp))
        .join(AssetEvent.created_dagruns)
        .where(DagRun.id == run.c.id)
        .scalar_subquery()
    )
    first = (
        select(func.min(TaskInstance.start_date))
        .where(TaskInstance.dag_id == run.c.dag_id, TaskInstance.run_id == run.c.run_id)
        .scalar_subquery()
    )
    seconds = func.extract("epoch", first - event).label("seconds")
    return select(run.c.dag_id, run.c.run_after, seconds).order_by(run.c.run_after)


@_on_airflow
def list_triggers(context: Context) -> Any:
    """What starts each DAG, whether it is switched on, and its newest run."""
    newest = (
        select(DagRun.dag_id, func.max(DagRun.run_after).label("last_run"))
        .where(DagRun.dag_id.in_(context.dag_ids))
        .group_by(DagRun.dag_id)
        .subquery()
    )
    return (
        select(
            DagModel.dag_id,
            DagModel.timetable_summary.label("schedule"),
            DagModel.timetable_description.label("words"),
            DagModel.asset_expression.label("assets"),
            DagModel.is_paused.label("paused"),
            DagModel.next_dagrun_create_after.label("next_run"),
            newest.c.last_run,
        )
        .join(newest, newest.c.dag_id == DagModel.dag_id, isouter=True)
        .where(DagModel.dag_id.in_(context.dag_ids), DagModel.is_stale.is_(False))
        .order_by(DagModel.dag_id)
    )
