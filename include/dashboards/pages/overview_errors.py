"""Overview, errors of trained models; pale where they were measured on other rows than the newest."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from plotly.graph_objects import Bar, Figure, Pie, Scatter

from include.dashboards.drawing.charts import Rows, chart
from include.dashboards.drawing.figures import (
    AMOUNT,
    MOMENT,
    bars,
    by,
    column,
    count_on,
    counted,
    figure,
    name_point,
    short,
    span_times,
)
from include.dashboards.drawing.palette import MUTED, PALE, color_of, fill, mark_of
from include.dashboards.reading.histograms import HIGH, place_in_bar
from include.problem.declaration import Problem

TRAIN_FIRST = (
    "No model was trained in this period: start a training DAG; without a training set, data_preparation, whose event"
    " starts them."
)
MOST_NAMED = 8
BARS_OF_ERRORS = 30
_BEST = """
    SELECT run_key, model, trials, best_loss AS loss, set_version, finished_at FROM training.tunings
    WHERE finished_at > %(since)s AND split_part(run_key, '/', 1) = ANY(%(dag_ids)s)
      AND (%(model)s::text IS NULL OR model = %(model)s)
"""


@chart(
    "overview",
    "Error by model over time",
    # Long histories are thinned to 200 points per model: the mean of neighboring runs.
    f"""
    SELECT model, avg(loss) AS loss, count(*) AS runs, max(finished_at) AS finished_at, max(set_version) AS set_version,
           (array_agg(run_key ORDER BY finished_at DESC))[1] AS run_key
    FROM (SELECT *, ntile(200) OVER (PARTITION BY model ORDER BY finished_at) AS tile FROM ({_BEST}) best) tiled
    GROUP BY model, tile ORDER BY model, tile
    """,
    empty=TRAIN_FIRST,
    columns=8,
)
def error_over_time(rows: Rows, problem: Problem) -> Figure:
    """Validation {error} of each model type's best trial, run by run.

    Pale, left of the last dotted line: measured on an earlier training set, so not comparable. Click a point to open
    its run.
    """
    newest, unit = _newest_set(rows), problem.objective.unit
    traces = []
    for model, group in by(rows, "model").items():
        now = [row for row in group if row["set_version"] == newest]
        before = [row for row in group if row["set_version"] != newest]
        traces += [_line(model, part, unit, part is now, part is (now or before)) for part in (before, now) if part]
    title = f"validation {problem.objective.title}"
    drawn = figure(traces, x_title="time, UTC", y_title=title, meta={"opens": "training_run"})
    span_times(drawn, column(rows, "finished_at"))
    return _mark_sets(drawn, rows)


def _newest_set(rows: Rows) -> int:
    return max(rows, key=lambda row: row["finished_at"])["set_version"]


def _line(model: str, rows: Sequence[Mapping[str, Any]], unit: str, comparable: bool, in_legend: bool) -> Scatter:
    looks = mark_of(model)
    return Scatter(
        x=column(rows, "finished_at"),
        y=column(rows, "loss"),
        name=short(model),
        legendgroup=model,
        showlegend=in_legend,
        mode="lines+markers",
        line={"color": looks.color, "dash": looks.dash, "width": 2},
        marker={"size": 8, "symbol": looks.symbol},
        opacity=1 if comparable else PALE,
        customdata=[
            [row["run_key"], row["set_version"], f", mean of {row['runs']} runs" if row["runs"] > 1 else ""]
            for row in rows
        ],
        hovertemplate=name_point(unit).replace("<extra>", ", training set %{customdata[1]}%{customdata[2]}<extra>"),
    )


def _mark_sets(drawn: Figure, rows: Rows) -> Figure:
    """A dotted line where trainings went over to another training set."""
    begins: dict[int, datetime] = {}
    for row in sorted(rows, key=lambda row: row["finished_at"]):
        begins.setdefault(row["set_version"], row["finished_at"])
    changes = list(begins.items())[1:]
    for version, moment in changes[-40:]:
        named = version in [known for known, _ in changes[-MOST_NAMED:]]
        line = {"dash": "dot", "color": MUTED, "width": 1}
        drawn.add_shape(type="line", x0=moment, x1=moment, y0=0, y1=1, yref="paper", line=line, layer="below")
        if named:
            drawn.add_annotation(x=moment, y=0, yref="paper", text=f"set {version}", showarrow=False,
                                 xanchor="left", yanchor="bottom", font={"size": 10})  # fmt: skip
    return drawn


@chart(
    "overview",
    "Distribution of errors",
    f"""
    WITH chosen AS (
        SELECT set_version FROM training.tunings
        WHERE finished_at > %(since)s AND split_part(run_key, '/', 1) = ANY(%(dag_ids)s)
        ORDER BY finished_at DESC LIMIT 1
    ), t AS (
        SELECT model, loss FROM training.trials
        WHERE finished_at > %(since)s AND loss IS NOT NULL AND split_part(run_key, '/', 1) = ANY(%(dag_ids)s)
          AND (%(model)s::text IS NULL OR model = %(model)s)
          AND set_version = (SELECT set_version FROM chosen)
    ), found AS (
        SELECT min(loss) AS low, percentile_cont(0.95) WITHIN GROUP (ORDER BY loss) AS top FROM t
    ), ends AS MATERIALIZED (
        SELECT *, {HIGH} FROM found
    ), counted AS (
        SELECT model, {place_in_bar("loss", BARS_OF_ERRORS)} AS bucket, count(*) AS trials
        FROM t, ends WHERE loss <= top GROUP BY 1, 2
    )
    SELECT model, bucket, trials,
           low + (bucket - 1) * (high - low) / {BARS_OF_ERRORS} AS low,
           low + bucket * (high - low) / {BARS_OF_ERRORS} AS high
    FROM counted, ends ORDER BY model, bucket
    """,
    empty=TRAIN_FIRST,
    columns=4,
)
def error_distribution(rows: Rows, problem: Problem) -> Figure:
    """Number of trials by error, on the newest training set; the worst 5 % are left out."""
    unit, title = problem.objective.unit, f"validation {problem.objective.title}"
    return counted(rows, "low", "high", "trials", "model", unit=unit, x_title=title, y_title="trials", showlegend=False)


@chart(
    "overview",
    "Error per run",
    f"SELECT * FROM ({_BEST} ORDER BY finished_at DESC LIMIT 120) newest ORDER BY finished_at",
    empty=TRAIN_FIRST,
    columns=8,
)
def error_per_run(rows: Rows, problem: Problem) -> Figure:
    """The latest runs, one bar per model type: the error of its best trial.

    Pale: on an earlier training set. Click a bar to open its run.
    """
    newest = _newest_set(rows)
    runs = list(dict.fromkeys(row["run_key"] for row in rows))
    # Model types of one DAG stand side by side; those of another take the same places at other runs.
    dag_of = {row["model"]: row["run_key"].partition("/")[0] for row in rows}
    place = {model: sorted(m for m in dag_of if dag_of[m] == dag_of[model]).index(model) for model in dag_of}
    traces = [
        Bar(
            x=[runs.index(row["run_key"]) for row in group],
            y=column(group, "loss"),
            name=short(model),
            offsetgroup=place[model],
            marker=fill(color_of(model), mark_of(model).pattern)
            | {"opacity": [1 if row["set_version"] == newest else PALE for row in group]},
            customdata=[
                [row["run_key"], f"{row['finished_at']:{MOMENT}}", row["set_version"]] for row in group
            ],
            hovertemplate="%{fullData.name}, %{customdata[1]}: "
            + f"%{{y:{AMOUNT}}} {problem.objective.unit}".rstrip()
            + ", training set %{customdata[2]}<extra></extra>",
        )
        for model, group in by(rows, "model").items()
    ]  # fmt: skip
    first_of = {row["run_key"]: row for row in reversed(rows)}
    every = max(1, len(runs) // 8)
    ticks = list(range(0, len(runs), every))
    labels = [
        f"{first_of[runs[at]]['finished_at']:%d %b %H:%M}\nset {first_of[runs[at]]['set_version']}" for at in ticks
    ]
    title = f"validation {problem.objective.title}"
    drawn = figure(traces, barmode="group", x_title="run, time in UTC", y_title=title, meta={"opens": "training_run"})
    return drawn.update_xaxes(tickmode="array", tickvals=ticks, ticktext=labels)


_RUNS_BY_MODEL = f"SELECT model, count(*) AS runs FROM ({_BEST}) best GROUP BY model ORDER BY runs DESC, model"


@chart("overview", "Runs by model", _RUNS_BY_MODEL, empty=TRAIN_FIRST, columns=4)
def runs_by_model(rows: Rows) -> Figure:
    """How many runs trained each model type."""
    drawn = bars(
        [{**row, "model": short(row["model"])} for row in rows], "model", "runs", horizontal=True, x_title="runs"
    )
    drawn.update_traces(marker={
        "color": [color_of(row["model"]) for row in rows],
        "pattern": {"shape": [mark_of(row["model"]).pattern for row in rows], "fillmode": "overlay", "size": 6},
    })  # fmt: skip
    return count_on(drawn, "x", max(column(rows, "runs")))


@chart("overview", "Share of runs by model", _RUNS_BY_MODEL, empty=TRAIN_FIRST, columns=4)
def share_of_runs(rows: Rows) -> Figure:
    """The same, as shares of all runs."""
    pie = Pie(
        labels=[short(row["model"]) for row in rows],
        values=column(rows, "runs"),
        marker={
            "colors": [color_of(row["model"]) for row in rows],
            "pattern": {"shape": [mark_of(row["model"]).pattern for row in rows], "fillmode": "overlay", "size": 6},
        },
        hole=0.55,
        sort=False,
        textinfo="percent",
        hovertemplate="%{label}: %{value} runs, %{percent}<extra></extra>",
    )
    return figure([pie], legend={"orientation": "v", "y": 0.5, "yanchor": "middle", "x": 1.02})
