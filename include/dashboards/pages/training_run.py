"""Training runs: the trials of one run as they come, what its models came to, and where they err."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from plotly.graph_objects import Bar, Figure, Parcoords, Scatter

from include.dashboards.charts import Rows, chart, read_rows
from include.dashboards.context import Context
from include.dashboards.figures import PALETTE, by, color_of, column, figure, short
from include.dashboards.registered import list_model_runs, read_table
from include.dashboards.tables import Fact, Facts, Table, show_age, show_minutes, show_seconds
from include.taxi.evaluation import DISTANCE_BANDS, HOUR_BANDS
from include.taxi.models import MODELS
from include.taxi.zone_names import read_zone_names

NO_TRIALS = "No trials in this run: it has not tuned a model yet, or it is not a training run."
# The run that the page is filtered to, else the newest one.
_TRIALS = """
    SELECT run_key, model, number, loss, parameters, metrics, started_at, finished_at FROM training.trials
    WHERE run_key = coalesce(
        nullif(%(run_key)s, ''),
        (SELECT run_key FROM training.trials WHERE split_part(run_key, '/', 1) = ANY(%(dag_ids)s)
         ORDER BY finished_at DESC LIMIT 1))
      AND split_part(run_key, '/', 1) = ANY(%(dag_ids)s) AND (%(model)s::text IS NULL OR model = %(model)s)
"""
_BEST = f"SELECT DISTINCT ON (model) * FROM ({_TRIALS}) t WHERE loss IS NOT NULL ORDER BY model, loss, number"
BANDS = [*HOUR_BANDS, *DISTANCE_BANDS]
MEASURES = {"rmse": "RMSE", "mae": "MAE", "p50_error": "median error", "p90_error": "90 % quantile of errors"}


@chart(
    "training_run",
    "The run",
    f"""
    SELECT run_key, count(*) AS trials, count(*) FILTER (WHERE loss IS NULL) AS failed, count(DISTINCT model) AS models,
           min(loss) AS rmse, min(started_at) AS began, max(finished_at) AS finished,
           (array_agg(model ORDER BY loss))[1] AS best
    FROM ({_TRIALS}) t GROUP BY run_key
    """,
    empty=NO_TRIALS,
    columns=12,
    height=140,
    live=True,
)
def run_facts(rows: Rows) -> Facts:
    """What the run came to so far."""
    [row] = rows
    lasted = (row["finished"] - row["began"]).total_seconds()
    return Facts(
        [
            Fact("Best error", show_minutes(row["rmse"]), short(row["best"])),
            Fact("Trials", str(row["trials"]), f"{row['failed']} failed" if row["failed"] else "none failed"),
            Fact("Model types", str(row["models"])),
            Fact("Tuning took", show_seconds(lasted), f"newest trial {show_age(row['finished'])}"),
        ]
    )


@chart(
    "training_run",
    "Error by trial",
    f"SELECT model, number, loss FROM ({_TRIALS}) t WHERE loss IS NOT NULL ORDER BY model, number",
    empty=NO_TRIALS,
    columns=7,
    height=360,
    live=True,
)
def error_by_trial(rows: Rows) -> Figure:
    """Each trial as a point, the best so far as a line."""
    traces = []
    for model, trials in by(rows, "model").items():
        numbers, losses = column(trials, "number"), column(trials, "loss")
        best = [min(losses[: at + 1]) for at in range(len(losses))]
        marker = {"color": color_of(model), "size": 7, "opacity": 0.55}
        traces += [
            Scatter(x=numbers, y=losses, name=short(model), legendgroup=model, mode="markers", marker=marker),
            Scatter(
                x=numbers,
                y=best,
                name=f"{short(model)}, best so far",
                legendgroup=model,
                showlegend=False,
                mode="lines",
                line={"color": color_of(model), "width": 2, "shape": "hv"},
            ),
        ]
    return figure(traces, x_title="trial", y_title="validation RMSE, minutes")


@chart("training_run", "Models compared", _BEST, empty=NO_TRIALS, columns=5, height=360, live=True)
def models_compared(rows: Rows) -> Figure:
    """Errors of each model type with its best parameters."""
    names = [short(row["model"]) for row in rows]
    traces = [
        Bar(x=names, y=[row["metrics"].get(name) for row in rows], name=title, marker_color=PALETTE[at])
        for at, (name, title) in enumerate(MEASURES.items())
    ]
    return figure(traces, barmode="group", y_title="minutes")


@chart(
    "training_run",
    "Parameters of the trials",
    f"""
    WITH t AS ({_TRIALS})
    SELECT model, number, loss, parameters FROM t WHERE loss IS NOT NULL AND parameters <> '{{}}'
      AND model = (SELECT model FROM t WHERE loss IS NOT NULL AND parameters <> '{{}}' ORDER BY loss LIMIT 1)
    ORDER BY loss DESC
    """,
    empty="The chosen model type has no parameters to search.",
    columns=12,
    height=340,
    live=True,
)
def parameters_of_trials(rows: Rows) -> Figure:
    """A line for each trial of the best model type, or of the chosen one: its parameters, then its error."""
    model = rows[0]["model"]
    space = MODELS[model].space if model in MODELS else {}
    names = sorted({name for row in rows for name in row["parameters"]})
    dimensions = [_dimension(name, [row["parameters"].get(name) for row in rows], space) for name in names]
    losses = column(rows, "loss")
    dimensions.append({"label": f"RMSE of {short(model)}", "values": losses})
    lines = {"color": losses, "colorscale": "Viridis", "reversescale": True, "showscale": False}
    margin = {"l": 70, "r": 80, "t": 48, "b": 24}
    return figure([Parcoords(dimensions=dimensions, line=lines)], margin=margin)


def _dimension(name: str, values: Sequence[Any], space: Mapping[str, Any]) -> dict[str, Any]:
    """An axis: numbers as they are, by order of magnitude where they were drawn so; all else by its names."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        if "log" in str(space.get(name, ("",))[0]) and min(values) > 0:
            powers = [math.log10(value) for value in values]
            ticks = list(range(math.floor(min(powers)), math.ceil(max(powers)) + 1))
            return {
                "label": name,
                "values": powers,
                "tickvals": ticks,
                "ticktext": [f"{10.0**tick:g}" for tick in ticks],
                "range": [ticks[0], ticks[-1]],
            }
        return {"label": name, "values": list(values)}
    known = sorted({str(value) for value in values})
    return {
        "label": name,
        "values": [known.index(str(value)) for value in values],
        "tickvals": list(range(len(known))),
        "ticktext": known,
    }


def _slices(context: Context) -> Rows:
    """The validation slices of the chosen model type, or of the run's best one."""
    best = sorted(read_rows(_BEST, context), key=lambda row: row["loss"])
    if not best:
        return []
    for run in list_model_runs(context, best[0]["run_key"]):
        if run["model"] == best[0]["model"]:
            rows = read_table(context, run["run_id"], "slices")
            return [{**row, "model": run["model"]} for row in rows if row["split"] == "validation"]
    return []


@chart("training_run", "Where the best model errs", _slices, columns=7, height=420,
       empty="Slices come with the final model, after tuning.")  # fmt: skip
def slices(rows: Rows) -> Figure:
    """Validation RMSE by hour of day, distance and pickup zone."""
    zones = read_zone_names()
    traces = [
        Bar(
            y=[[slicing.replace("_", " ")] * len(group), [_slice_name(row, zones) for row in group]],
            x=column(group, "rmse"),
            orientation="h",
            marker_color=PALETTE[at],
            customdata=[[row["rows"], row["mae"], row["p90_error"]] for row in group],
            hovertemplate="RMSE %{x:.2f}, MAE %{customdata[1]:.2f}, 90 %: %{customdata[2]:.2f} min,"
            " %{customdata[0]:,} trips<extra></extra>",
        )
        for at, (slicing, group) in enumerate(by(sorted(rows, key=_slice_place), "slicing").items())
    ]
    drawn = figure(traces, x_title=f"validation RMSE of {short(rows[0]['model'])}, minutes", showlegend=False)
    return drawn.update_yaxes(autorange="reversed", showgrid=False).update_xaxes(showgrid=True)


def _slice_place(row: Mapping[str, Any]) -> int:
    """Bands in their own order; all else as it was stored."""
    return BANDS.index(row["value"]) if row["value"] in BANDS else len(BANDS)


def _slice_name(row: Mapping[str, Any], zones: Mapping[int, str]) -> str:
    value = str(row["value"])
    if row["slicing"] == "pickup_zone" and value.isdigit():
        return zones.get(int(value), f"zone {value}")
    return value


@chart(
    "training_run",
    "Best parameters",
    _BEST,
    empty=NO_TRIALS,
    columns=5,
    height=420,
)
def best_parameters(rows: Rows) -> Table:
    """What the best trial of each model type was given."""
    return Table(
        ("model", "trial", "RMSE", "parameters"),
        [
            (
                short(row["model"]),
                row["number"],
                round(row["loss"], 3),
                ", ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                          for name, value in sorted(row["parameters"].items())) or "none to search",
            )
            for row in sorted(rows, key=lambda row: row["loss"])
        ],
    )  # fmt: skip
