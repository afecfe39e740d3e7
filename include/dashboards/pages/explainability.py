"""Explainability: what drives a model's predictions, over many rows and for one."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from plotly.graph_objects import Bar, Figure, Scatter, Waterfall

from include.dashboards.context import Context
from include.dashboards.drawing.charts import Rows, chart
from include.dashboards.drawing.figures import AMOUNT, figure
from include.dashboards.drawing.palette import HIGH, LOW, LOW_TO_HIGH, MUTED, PALETTE
from include.dashboards.drawing.tables import Facts
from include.dashboards.reading.explanations import Explained, explain_sample
from include.models.explanation import Explanation
from include.models.factors import MOST_TICKS, show_factor, tick_factors
from include.problem.declaration import Problem
from include.problem.words import name_unit, show_amount

FROM = "from the validation split"
FROM_LEARNT = "a row that this model has learnt from"
MOST_FEATURES = 12
MOST_STEPS = 9
# The chart is narrow.
MOST_TICKS_OF_BARS = 5
NOTHING = (
    "Nothing to explain: no model is registered yet, its training set has been dropped, or its type (forest) provides"
    " no contributions. Start a training DAG (without a training set, data_preparation), or select another model."
)


def _explained(context: Context) -> Rows:
    explained = explain_sample(context)
    if explained is None or explained.explanation is None:
        return []
    return [{"explained": explained, "row": min(context.filters.row, len(explained.rows) - 1)}]


@chart("explainability", "What drives predictions, row by row", _explained, empty=NOTHING, columns=8, height=480)
def beeswarm(rows: Rows, problem: Problem) -> Figure:
    """Each point is a feature's contribution to one row, colored by the feature's value. Click: select the row."""
    explained: Explained = rows[0]["explained"]
    explanation = explained.explanation
    assert explanation is not None
    names = explanation.features[:MOST_FEATURES]
    traces = []
    for at, name in enumerate(names):
        values = explained.values.get(name)
        marker: dict[str, Any] = {"size": 5, "opacity": 0.8, "color": MUTED}
        if values is not None:
            marker |= {"color": _ranks(values).tolist(), "colorscale": LOW_TO_HIGH, "cmin": 0, "cmax": 1}
        contributions = explanation.contributions[:, at]
        traces.append(
            Scatter(
                x=[float(f"{value:.4g}") for value in contributions.tolist()],
                y=(at + _spread(contributions)).round(3).tolist(),
                mode="markers",
                name=name,
                marker=marker,
                customdata=list(range(len(contributions))),
                text=[f"{name} = {texts[name]}: {_show_step(value, explanation, problem.unit)}"
                      for texts, value in zip(explained.texts, contributions.tolist(), strict=True)],
                hovertemplate="%{text}\nclick to show this row below<extra></extra>",
            )
        )  # fmt: skip
    bar = {"title": {"text": "value", "side": "right"}, "tickvals": [0, 1], "ticktext": ["low", "high"],
           "thickness": 8, "len": 0.5, "outlinewidth": 0}  # fmt: skip
    scale = Scatter(
        x=[None], y=[None], marker={"color": [0], "cmin": 0, "cmax": 1, "colorscale": LOW_TO_HIGH, "showscale": True,
                                    "colorbar": bar}, hoverinfo="skip",
    )  # fmt: skip
    factor = f"factor on {explanation.factor_on}"
    title = factor if explanation.multiplies else name_unit("contribution", problem.unit)
    drawn = figure(
        [*traces, scale],
        x_title=title,
        showlegend=False,
        meta={"picks": "row"},
        hovermode="closest",
    )
    if explanation.multiplies:
        _name_factors(drawn, float(explanation.contributions.min()), float(explanation.contributions.max()))
    return drawn.update_yaxes(
        tickvals=list(range(len(names))), ticktext=list(names), range=[len(names) - 0.4, -0.6], showgrid=False
    ).update_xaxes(zeroline=True, zerolinecolor=MUTED)


def _name_factors(drawn: Figure, low: float, high: float, most: int = MOST_TICKS) -> None:
    """Names factors on an axis of their logarithms."""
    factors = tick_factors(low, high, most)
    drawn.update_xaxes(tickvals=[math.log(each) for each in factors], ticktext=list(map(show_factor, factors)))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Each value's place among the others, 0 to 1: outliers do not use up the scale. NaN is in the middle."""
    filled = np.where(np.isnan(values), np.nanmedian(values) if not np.isnan(values).all() else 0.0, values)
    known, at = np.unique(filled, return_inverse=True)
    return at / max(len(known) - 1, 1)


def _spread(values: np.ndarray) -> np.ndarray:
    """Moves points of equal value apart, up and down by turns, as far as there are others close by: -0.4 to 0.4."""
    width = float(np.ptp(values)) or 1.0
    bins = np.floor((values - values.min()) / width * 60).astype(int)
    offsets = np.zeros(len(values))
    for each in np.unique(bins):
        inside = np.flatnonzero(bins == each)
        order = np.arange(len(inside))
        offsets[inside] = ((order + 1) // 2) * np.where(order % 2, 1, -1)
    return 0.4 * offsets / max(12.0, float(np.abs(offsets).max()))


@chart("explainability", "Mean contribution", _explained, empty=NOTHING, columns=4, height=480)
def mean_contributions(rows: Rows, problem: Problem) -> Figure:
    """How much each feature changes predictions on average, up or down: mean |SHAP| for boosted trees."""
    explanation = rows[0]["explained"].explanation
    strengths = explanation.strengths[:MOST_FEATURES]
    means = [entry["mean_abs_shap"] for entry in strengths]
    names = [entry["feature"] for entry in strengths]
    if explanation.classes is not None:  # odds change by too much for percentages
        return _draw_mean_factors(names, means, explanation.factor_on)
    bar = Bar(
        x=[100 * math.expm1(mean) for mean in means] if explanation.multiplies else means,
        y=names,
        orientation="h",
        marker_color=PALETTE[0],
        hovertemplate=f"%{{y}}: %{{x:{AMOUNT}}}"
        + (" %" if explanation.multiplies else f" {problem.unit}")
        + "<extra></extra>",
    )
    unit = "% of the prediction" if explanation.multiplies else problem.unit
    drawn = figure([bar], x_title=name_unit("mean change", unit))
    return drawn.update_yaxes(autorange="reversed", showgrid=False).update_xaxes(showgrid=True)


def _draw_mean_factors(names: Sequence[str], logarithms: Sequence[float], factor_on: str) -> Figure:
    bar = Bar(
        x=logarithms,
        y=names,
        orientation="h",
        marker_color=PALETTE[0],
        customdata=[show_factor(math.exp(each)) for each in logarithms],
        hovertemplate="%{y}: %{customdata}<extra></extra>",
    )
    drawn = figure([bar], x_title=f"mean factor on {factor_on}")
    _name_factors(drawn, 0.0, max(logarithms), MOST_TICKS_OF_BARS)
    return drawn.update_yaxes(autorange="reversed", showgrid=False).update_xaxes(showgrid=True)


@chart("explainability", "Selected row", _explained, empty=NOTHING, columns=12, height=140)
def picked_row(rows: Rows) -> Facts:
    """The row that the next chart explains. Select another one above, or click a point."""
    explained, at = rows[0]["explained"], rows[0]["row"]
    outcome = explained.outcomes[at]
    told = f"9 of 10: {outcome.region}" if outcome.region else ""
    said = FROM_LEARNT if explained.version.has_twin else FROM
    return Facts(
        [
            *outcome.list_facts("Predicted", "; ".join(filter(None, (explained.version.label, told)))),
            *outcome.judge(float(explained.rows[at]["target"]), explained.describe(at), said),
        ]
    )


@chart("explainability", "Why this prediction", _explained, empty=NOTHING, columns=12, height=420)
def why_this_prediction(rows: Rows, problem: Problem) -> Figure:
    """From the mean prediction to this row's, feature by feature."""
    explained, at = rows[0]["explained"], rows[0]["row"]
    explanation = explained.explanation
    return waterfall(explanation, at, explained.texts[at], problem.unit)


def _show_step(contribution: float, explanation: Explanation, unit: str) -> str:
    return (
        show_factor(math.exp(contribution)) if explanation.multiplies else show_amount(contribution, unit, signed=True)
    )


def waterfall(explanation: Explanation, at: int, texts: Mapping[str, str], unit: str) -> Figure:
    """The strongest contributions to one prediction, the rest together, and their total, all in the unit.

    Where contributions multiply, each step is written as its factor and drawn as the change that it makes there: of
    the number, or of the probability of a class, which the axis names.

    Args:
        texts: Feature -> its value, shown beside its name.
        unit: Of the target.
    """
    contributions = zip(
        explanation.features, explanation.contributions[at].tolist(), explanation.changes[at].tolist(), strict=True
    )
    ordered = sorted(contributions, key=lambda step: -abs(step[1]))
    steps = [(f"{name}\n= {texts[name]}" if name in texts else name, *values) for name, *values in ordered[:MOST_STEPS]]
    if rest := ordered[MOST_STEPS:]:
        steps.append(("all others", sum(value for _, value, _ in rest), sum(change for _, _, change in rest)))
    first, last = (show_amount(float(values[at])) for values in (explanation.start, explanation.predicted))
    written = [
        show_factor(math.exp(value)) if explanation.multiplies else show_amount(value, signed=True)
        for _, value, _ in steps
    ]  # fmt: skip
    changes = [change for _, _, change in steps]
    start = "typical row" if explanation.multiplies else "mean"
    names = [start, *(name for name, *_ in steps), "prediction"]
    trace = Waterfall(
        x=names,
        y=[float(explanation.start[at]), *changes, 0],
        measure=["absolute", *["relative"] * len(steps), "total"],
        text=[first, *written, last],
        textposition="outside",
        cliponaxis=False,
        connector={"line": {"color": MUTED, "width": 1}},
        # As SHAP's own pictures: longer and shorter are neither good nor bad, and everyone tells the two apart.
        increasing={"marker": {"color": HIGH}},
        decreasing={"marker": {"color": LOW}},
        totals={"marker": {"color": MUTED}},
        customdata=[
            f"{name}: {text}, {show_amount(change, unit, signed=True)}"
            if explanation.multiplies and name not in (start, "prediction")
            else f"{name}: {text} {unit}".rstrip()
            for name, text, change in zip(
                (name.replace("\n", " ") for name in names), [first, *written, last], [0, *changes, 0], strict=True
            )
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip
    return figure([trace], y_title=explanation.name_scale(at) or unit or "prediction", showlegend=False)
