"""Pipelines: how runs went, what started them, and where their time goes."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from plotly.graph_objects import Bar, Figure, Pie, Scatter

from include.dashboards.context import Context
from include.dashboards.drawing.charts import Rows, chart
from include.dashboards.drawing.figures import (
    MOMENT,
    by,
    column,
    count_stacks,
    figure,
    short,
    span_times,
    stacked_bars,
)
from include.dashboards.drawing.palette import MUTED, PALETTE, PATTERNS, STATES, mark
from include.dashboards.drawing.tables import Cell, Table, run_page, show_age, show_seconds

NO_RUNS = "No runs in this period: start a DAG, or select a longer period."
MOST_TASKS = 14
MILLISECONDS_A_DAY = 86_400_000
HALF_A_DAY = timedelta(hours=12)
FEW_DAYS = 21
MOST_OF_A_NOTE = 200


def _runs(name: str) -> Callable[[Context], Rows]:
    """A query of `airflow_runs`, which is loaded when it is asked: the pages run without Airflow too."""

    def query(context: Context) -> Rows:
        from include.dashboards.reading import airflow_runs

        return getattr(airflow_runs, name)(context)

    return query


@chart("pipeline", "Runs per day", _runs("count_by_day"), empty=NO_RUNS, columns=8)
def runs_a_day(rows: Rows) -> Figure:
    """Runs by state up to today; failed ones are hatched. Excludes alert_maintenance unless that DAG is selected."""
    hatches = {"failed": PATTERNS[1]}
    drawn = stacked_bars(rows, "day", "runs", "state", colors=STATES, patterns=hatches, y_title="runs")
    # One day alone would be as wide as the chart.
    drawn.update_traces(
        width=0.8 * MILLISECONDS_A_DAY, hovertemplate="%{x|%d %b}: %{y:,} %{fullData.name}<extra></extra>"
    )
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = min([*column(rows, "day"), today - timedelta(days=13)])
    drawn.update_xaxes(type="date", tickformat="%d %b", range=[first - HALF_A_DAY, today + HALF_A_DAY])
    # One tick per day at most: the axis counts days.
    drawn.update_xaxes(minallowed=first - HALF_A_DAY, maxallowed=today + HALF_A_DAY)
    if today - first < timedelta(days=FEW_DAYS):
        drawn.update_xaxes(dtick=2 * MILLISECONDS_A_DAY)
    return count_stacks(drawn, "y", rows, "day", "runs")


@chart("pipeline", "Runs by trigger", _runs("count_by_trigger"), empty=NO_RUNS, columns=4)
def runs_by_trigger(rows: Rows) -> Figure:
    """Schedule, asset events, the REST API, people in the UI, and the master DAG, which starts other DAGs."""
    pie = Pie(labels=column(rows, "trigger"), values=column(rows, "runs"), hole=0.55, sort=False, textinfo="value",
              hovertemplate="%{label}: %{value:,} runs, %{percent}<extra></extra>")  # fmt: skip
    return figure([pie], legend={"orientation": "v", "y": 0.5, "yanchor": "middle", "x": 1.02})


@chart("pipeline", "Duration by task", _runs("measure_tasks"), empty=NO_RUNS, columns=8, height=420)
def task_durations(rows: Rows) -> Figure:
    """Median of the latest runs, up to the 90th percentile; mapped tasks by model type or month."""
    several = len(by(rows, "dag_id")) > 1
    shown = rows[:MOST_TASKS]
    names = [_task_name(row, several) for row in shown]
    bar = Bar(
        x=column(shown, "median"),
        y=names,
        orientation="h",
        marker_color=PALETTE[0],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [row["p90"] - row["median"] for row in shown],
            "color": MUTED,
            "thickness": 1.2,
            "width": 3,
        },
        customdata=[[row["tasks"], row["p90"]] for row in shown],
        hovertemplate="median %{x:.1f} s, 90th percentile %{customdata[1]:.1f} s, of %{customdata[0]}"
        "<extra>%{y}</extra>",
    )
    drawn = figure([bar], x_title="seconds, median and 90th percentile")
    return drawn.update_yaxes(autorange="reversed", showgrid=False).update_xaxes(showgrid=True, rangemode="tozero")


def _task_name(row: Any, with_dag: bool) -> str:
    name = f"{row['task_id']} {short(row['label'])}".strip()
    return f"{row['dag_id']} · {name}" if with_dag else name


@chart("pipeline", "From event to first task", _runs("measure_reactions"), columns=4, height=420,
       empty="No asset event started a run in this period: data_preparation emits one for each set.")  # fmt: skip
def reaction_times(rows: Rows) -> Figure:
    """Time from an asset event to the first task of the run that it starts."""
    known = by([row for row in rows if row["seconds"] is not None], "dag_id")
    traces = [
        Scatter(
            x=column(group, "run_after"), y=column(group, "seconds"), name=dag_id, mode="markers",
            marker={"size": 8, "color": mark(place).color, "symbol": mark(place).symbol},
            hovertemplate=f"%{{fullData.name}}, %{{x|{MOMENT}}}: %{{y:.1f}} s<extra></extra>",
        )
        for place, (dag_id, group) in enumerate(known.items())
    ]  # fmt: skip
    drawn = figure(traces, x_title="time, UTC", y_title="seconds", showlegend=True).update_yaxes(rangemode="tozero")
    return span_times(drawn, column(rows, "run_after"))


@chart("pipeline", "Failed runs", _runs("list_failed"), columns=6, height=380,
       empty="No failed runs in this period.")  # fmt: skip
def failed_runs(rows: Rows) -> Table:
    """Newest first, with a link to each run and the reason: the run's note, or else the tasks that failed."""
    return Table(
        ("DAG", "why", "when", "duration"),
        [
            (
                Cell(f"✖ {row['dag_id']}", to=run_page(row["dag_id"], row["run_id"]), tone="bad", hint=row["run_id"]),
                _why_failed(row["note"], row["tasks"]),
                row["run_after"],
                show_seconds((row["end_date"] - row["start_date"]).total_seconds())
                if row["end_date"] and row["start_date"]
                else "",
            )
            for row in rows
        ],
    )


def _why_failed(note: str | None, tasks: str | None) -> str:
    if note:
        return note if len(note) <= MOST_OF_A_NOTE else f"{note[:MOST_OF_A_NOTE]}..."
    return f"failed: {tasks}" if tasks else "no task failed: the run was ended as a whole"


@chart("pipeline", "Active triggers", _runs("list_triggers"), columns=6, height=380,
       empty="There is no DAG that you may read.")  # fmt: skip
def active_triggers(rows: Rows) -> Table:
    """What starts each DAG; nothing starts a paused DAG."""
    return Table(
        ("DAG", "starts on", "state", "next run", "last run"),
        [
            (
                Cell(row["dag_id"], to=f"/dags/{row['dag_id']}"),
                describe_trigger(row["schedule"], row["assets"], row["words"]),
                Cell("paused", tone="warn") if row["paused"] else Cell("active", tone="good"),
                row["next_run"],
                show_age(row["last_run"]),
            )
            for row in rows
        ],
    )


def describe_trigger(schedule: str | None, assets: Any, words: str | None = None) -> str:
    """What starts a DAG: its assets by name, and its schedule.

    Args:
        schedule: Airflow's summary, such as `Asset or 0 6 * * *`.
        words: Airflow's description of the same, such as `Triggered by assets or At 06:00`; None: it has none.
    """
    names = sorted(set(_asset_names(assets)))
    timed = (schedule or "None").removeprefix("Asset or ")
    parts = [f"asset {' or '.join(names)}"] if names else []
    if timed not in ("None", "Asset"):
        spelled = (words or "").removeprefix("Triggered by assets or ")
        parts.append(f"{spelled[:1].lower()}{spelled[1:]} ({timed})" if spelled else timed)
    return ", or ".join(parts) or "by hand or REST API"


def _asset_names(expression: Any) -> Iterable[str]:
    if isinstance(expression, dict):
        if isinstance(expression.get("asset"), dict):
            yield expression["asset"]["name"]
        else:
            for value in expression.values():
                yield from _asset_names(value)
    elif isinstance(expression, list):
        for item in expression:
            yield from _asset_names(item)
