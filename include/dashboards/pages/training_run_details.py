"""Training runs, in detail: the parameters of the trials, and the slices of the best model."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from plotly.graph_objects import Bar, Figure, Parcoords

from include.dashboards.context import Context
from include.dashboards.drawing.charts import Rows, chart
from include.dashboards.drawing.figures import AMOUNT, by, column, figure, short
from include.dashboards.drawing.palette import BEST_TO_WORST, PALETTE
from include.dashboards.drawing.tables import Table
from include.dashboards.pages.training_run import BEST, NO_TRIALS, TRIALS, read_best
from include.dashboards.reading.value_names import find_names, show_name
from include.models.table import MODELS
from include.prediction.value_names import Names
from include.problem.declaration import Problem
from include.problem.words import name_unit, show_amount

MOST_TICKS = 10


@chart(
    "training_run",
    "Trial parameters",
    f"""
    WITH t AS ({TRIALS})
    SELECT model, number, loss, parameters FROM t WHERE loss IS NOT NULL AND parameters <> '{{}}'
      AND model = (SELECT model FROM t WHERE loss IS NOT NULL AND parameters <> '{{}}' ORDER BY loss LIMIT 1)
    ORDER BY loss DESC
    """,
    empty="The selected model type has no parameters to search.",
    columns=12,
    height=340,
    live=True,
)
def parameters_of_trials(rows: Rows, problem: Problem) -> Figure:
    """One line per trial of the best model type, or of the selected one.

    Its parameters, then its error; the best trials are orange.
    """
    model, objective = rows[0]["model"], problem.objective
    space = MODELS[model].space if model in MODELS else {}
    names = sorted({name for row in rows for name in row["parameters"]})
    dimensions = [_dimension(name, [row["parameters"].get(name) for row in rows], space) for name in names]
    losses = column(rows, "loss")
    dimensions.append({"label": f"{objective.name} of {short(model)}", "values": losses})
    bar = {
        "title": {"text": objective.title, "side": "right"},
        "thickness": 8,
        "outlinewidth": 0,
        "tickformat": AMOUNT,
    }
    lines = {"color": losses, "colorscale": BEST_TO_WORST, "showscale": True, "colorbar": bar}
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
        if all(isinstance(value, int) for value in values):
            return {"label": name, "values": list(values), "tickvals": _whole_ticks(min(values), max(values))}
        return {"label": name, "values": list(values)}
    known = sorted({str(value) for value in values})
    return {
        "label": name,
        "values": [known.index(str(value)) for value in values],
        "tickvals": list(range(len(known))),
        "ticktext": known,
    }


def _whole_ticks(low: int, high: int) -> list[int]:
    """Whole numbers from low to high, about ten at most."""
    return sorted({*range(low, high + 1, max(1, math.ceil((high - low) / MOST_TICKS))), high})


def _slices(context: Context) -> Rows:
    """The validation slices of the chosen model type, or of the run's best one."""
    found = [row for row in read_best(context, "slices") if row["split"] == "validation"]
    if not found:
        return []
    return _name_slices(found, context.settings.problem, find_names(context))


def _name_slices(rows: Rows, problem: Problem, names: Mapping[str, Names]) -> Rows:
    """The rows with the labels of their slices; equal ones, such as long names that are cut, are numbered."""
    seen: Counter[tuple[str, str]] = Counter()
    named = []
    for row in rows:
        name = _slice_name(row, problem, names)
        seen[row["slicing"], name] += 1
        number = seen[row["slicing"], name]
        named.append({**row, "shown": f"{name} ({number})" if number > 1 else name})
    return named


@chart("training_run", "Error by slice", _slices, columns=7, height=420,
       empty="No slices: the final model is not trained yet, or this problem declares none.")  # fmt: skip
def slices(rows: Rows, problem: Problem) -> Figure:
    """Validation {error} of the best model by slice of the rows, such as a band of hours or a frequent value."""
    objective = problem.objective
    main, *others = objective.in_slices
    shown = [f"{main.name} %{{x:{AMOUNT}}}"]
    shown += [f"{measure.name} %{{customdata[{at}]:{AMOUNT}}}" for at, measure in enumerate(others, 1)]
    said = f"{', '.join(shown)} {objective.unit}".rstrip()
    traces = [
        Bar(
            y=[[slicing.replace("_", " ")] * len(group), column(group, "shown")],
            x=column(group, main.key),
            orientation="h",
            marker_color=PALETTE[at],
            customdata=[[row["rows"], *(row[measure.key] for measure in others)] for row in group],
            hovertemplate=f"{said}, %{{customdata[0]:,}} {problem.row[1]}<extra></extra>",
        )
        for at, (slicing, group) in enumerate(by(sorted(rows, key=_order(problem)), "slicing").items())
    ]
    drawn = figure(
        traces,
        x_title=name_unit(f"validation {objective.name} of {short(rows[0]['model'])}", objective.unit),
        showlegend=False,
    )
    return drawn.update_yaxes(autorange="reversed", showgrid=False).update_xaxes(showgrid=True)


def _order(problem: Problem) -> Callable[[Mapping[str, Any]], int]:
    """Bands in their own order; all else as it was stored."""
    bands = [band for part in problem.slices for band in part.bands]
    return lambda row: bands.index(row["value"]) if row["value"] in bands else len(bands)


def _slice_name(row: Mapping[str, Any], problem: Problem, names: Mapping[str, Names]) -> str:
    column = next((part.column for part in problem.slices if part.label == row["slicing"]), row["slicing"])
    return show_name(names, column, row["value"])


@chart(
    "training_run",
    "Best parameters",
    BEST,
    empty=NO_TRIALS,
    columns=5,
    height=420,
)
def best_parameters(rows: Rows, problem: Problem) -> Table:
    """The parameters of the best trial of each model type."""
    return Table(
        ("model", "trial", problem.objective.title, "parameters"),
        [
            (
                short(row["model"]),
                row["number"],
                show_amount(row["loss"]),
                ", ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                          for name, value in sorted(row["parameters"].items())) or "none to search",
            )
            for row in sorted(rows, key=lambda row: row["loss"])
        ],
    )  # fmt: skip
