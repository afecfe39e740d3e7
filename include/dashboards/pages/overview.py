"""Overview: which model is used and how good it is, how errors went, what was trained on, what is amiss."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from plotly.graph_objects import Pie

from include.dashboards.charts import Rows, chart
from include.dashboards.context import Context
from include.dashboards.figures import (
    Bar,
    Figure,
    bars,
    by,
    color_of,
    column,
    count_on,
    counted,
    figure,
    lines,
    short,
)
from include.dashboards.registered import CHALLENGER, CHAMPION, Registered, list_registered
from include.dashboards.tables import Fact, Facts, show_age, show_minutes

TRAIN_FIRST = "Nothing was trained in this period: start data_preparation, whose event starts the training DAGs."
_BEST = """
    SELECT run_key, model, trials, best_loss AS rmse, finished_at FROM training.tunings
    WHERE finished_at > %(since)s AND split_part(run_key, '/', 1) = ANY(%(dag_ids)s)
      AND (%(model)s::text IS NULL OR model = %(model)s)
"""


def _registered(context: Context) -> Sequence[dict[str, Any]]:
    return [{"version": version} for version in list_registered(context)]


def _fact(label: str, version: Registered) -> Fact:
    rmse = version.metrics.get("validation_rmse")
    return Fact(label, show_minutes(rmse), f"{version.label} · {show_age(version.created_at)}")


@chart(
    "overview",
    "In use, and waiting",
    _registered,
    empty=TRAIN_FIRST.replace(" in this period", ""),
    columns=12,
    height=150,
)
def models_in_use(rows: Rows) -> Facts:
    """The champion and the newest challenger of each family, with error and age."""
    versions = [row["version"] for row in rows]
    facts = [_fact("Champion", version) for version in versions if CHAMPION in version.aliases]
    if not facts:
        facts = [Fact("Champion", "none yet", "model_promotion makes the first")]
    newest: dict[str, Registered] = {}
    for version in versions:
        if CHAMPION not in version.aliases:
            newest.setdefault(version.model, version)
    facts += [
        _fact("Challenger" if CHALLENGER in version.aliases else f"Newest {short(version.model)}", version)
        for version in newest.values()
    ]
    return Facts(facts[:6])


@chart(
    "overview",
    "Error of every model over time",
    # Long histories are thinned to 200 points a model: the mean of neighboring runs.
    f"""
    SELECT model, avg(rmse) AS rmse, max(finished_at) AS finished_at
    FROM (SELECT *, ntile(200) OVER (PARTITION BY model ORDER BY finished_at) AS tile FROM ({_BEST}) best) tiled
    GROUP BY model, tile ORDER BY model, tile
    """,
    empty=TRAIN_FIRST,
    columns=8,
)
def error_over_time(rows: Rows) -> Figure:
    """Validation RMSE of each model type's best trial, run by run."""
    return lines(rows, "finished_at", "rmse", "model", y_title="validation RMSE, minutes")


@chart(
    "overview",
    "Distribution of errors",
    """
    WITH t AS (
        SELECT model, loss FROM training.trials
        WHERE finished_at > %(since)s AND loss IS NOT NULL AND split_part(run_key, '/', 1) = ANY(%(dag_ids)s)
          AND (%(model)s::text IS NULL OR model = %(model)s)
    ), edges AS MATERIALIZED (
        SELECT min(loss) AS low, percentile_cont(0.95) WITHIN GROUP (ORDER BY loss) + 1e-9 AS high FROM t
    ), counted AS (
        SELECT model, width_bucket(loss, (SELECT low FROM edges), (SELECT high FROM edges), 30) AS bucket,
               count(*) AS trials
        FROM t WHERE loss < (SELECT high FROM edges) GROUP BY 1, 2
    )
    SELECT model, bucket, trials,
           low + (bucket - 1) * (high - low) / 30 AS low, low + bucket * (high - low) / 30 AS high
    FROM counted, edges WHERE high > low + 1e-9 ORDER BY model, bucket
    """,
    empty=TRAIN_FIRST,
    columns=4,
)
def error_distribution(rows: Rows) -> Figure:
    """How often trials came to which error; the worst twentieth is left out."""
    return counted(
        rows, "low", "high", "trials", "model", x_title="validation RMSE, minutes", y_title="trials", showlegend=False
    )


@chart(
    "overview",
    "Error per run",
    f"SELECT * FROM ({_BEST} ORDER BY finished_at DESC LIMIT 120) newest ORDER BY finished_at",
    empty=TRAIN_FIRST,
    columns=8,
)
def error_per_run(rows: Rows) -> Figure:
    """The newest runs, a bar for each model type: its best trial's error."""
    runs = list(dict.fromkeys(row["run_key"] for row in rows))
    began = {row["run_key"]: row["finished_at"] for row in reversed(rows)}
    # Model types of one DAG stand side by side; those of another take the same places at other runs.
    dag_of = {row["model"]: row["run_key"].partition("/")[0] for row in rows}
    place = {model: sorted(m for m in dag_of if dag_of[m] == dag_of[model]).index(model) for model in dag_of}
    traces = [
        Bar(
            x=[runs.index(row["run_key"]) for row in group],
            y=column(group, "rmse"),
            name=short(model),
            offsetgroup=place[model],
            marker_color=color_of(model),
            customdata=column(group, "run_key"),
            hovertemplate="%{customdata}<br>%{y:.3f} min<extra>%{fullData.name}</extra>",
        )
        for model, group in by(rows, "model").items()
    ]
    every = max(1, len(runs) // 8)
    ticks = list(range(0, len(runs), every))
    labels = [_label(began[runs[at]]) for at in ticks]
    drawn = figure(traces, barmode="group", y_title="validation RMSE, minutes")
    return drawn.update_xaxes(tickmode="array", tickvals=ticks, ticktext=labels)


def _label(moment: datetime) -> str:
    return moment.strftime("%b %d %H:%M")


_RUNS_BY_MODEL = f"SELECT model, count(*) AS runs FROM ({_BEST}) best GROUP BY model ORDER BY runs DESC, model"


@chart("overview", "Runs by model", _RUNS_BY_MODEL, empty=TRAIN_FIRST, columns=4)
def runs_by_model(rows: Rows) -> Figure:
    """How many runs trained each model type."""
    drawn = bars(
        [{**row, "model": short(row["model"])} for row in rows], "model", "runs", horizontal=True, x_title="runs"
    )
    drawn.update_traces(marker_color=[color_of(row["model"]) for row in rows])
    return count_on(drawn, "x", max(column(rows, "runs")))


@chart("overview", "Share of runs by model", _RUNS_BY_MODEL, empty=TRAIN_FIRST, columns=4)
def share_of_runs(rows: Rows) -> Figure:
    """The same as shares of all."""
    pie = Pie(
        labels=[short(row["model"]) for row in rows],
        values=column(rows, "runs"),
        marker={"colors": [color_of(row["model"]) for row in rows]},
        hole=0.55,
        sort=False,
        textinfo="percent",
    )
    return figure([pie], legend={"orientation": "v", "y": 0.5, "yanchor": "middle", "x": 1.02})
