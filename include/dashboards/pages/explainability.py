"""Explainability: what moves a model's predictions, over many trips and for one."""

from typing import Any

import numpy as np
from plotly.graph_objects import Bar, Figure, Scatter, Waterfall

from include.dashboards.charts import Rows, chart
from include.dashboards.context import Context
from include.dashboards.explanations import Explained, describe, explain_sample
from include.dashboards.figures import BAD, GOOD, LOW_TO_HIGH, MUTED, PALETTE, figure
from include.dashboards.tables import Fact, Facts, show_minutes

MOST_FEATURES = 12
MOST_STEPS = 9
NOTHING = (
    "Nothing to explain: no model is registered yet, its training set is gone, or it is of a kind without contributions"
    " of its own (forests). Start data_preparation, or choose another model."
)


def _explained(context: Context) -> Rows:
    explained = explain_sample(context)
    if explained is None or explained.explanation is None:
        return []
    return [{"explained": explained, "trip": min(context.filters.trip, len(explained.trips) - 1)}]


@chart("explainability", "What moves predictions, trip by trip", _explained, empty=NOTHING, columns=8, height=480)
def beeswarm(rows: Rows) -> Figure:
    """Each point is a feature's contribution to one trip, colored by the feature's value; a click picks the trip."""
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
                x=contributions.round(4).tolist(),
                y=(at + _spread(contributions)).round(3).tolist(),
                mode="markers",
                name=name,
                marker=marker,
                customdata=list(range(len(contributions))),
                hovertemplate=f"{name}: %{{x:+.2f}} {explanation.unit}<br>click: this trip below<extra></extra>",
            )
        )
    bar = {"title": {"text": "value", "side": "right"}, "tickvals": [0, 1], "ticktext": ["low", "high"],
           "thickness": 8, "len": 0.5, "outlinewidth": 0}  # fmt: skip
    scale = Scatter(
        x=[None], y=[None], marker={"color": [0], "cmin": 0, "cmax": 1, "colorscale": LOW_TO_HIGH, "showscale": True,
                                    "colorbar": bar}, hoverinfo="skip",
    )  # fmt: skip
    drawn = figure(
        [*traces, scale],
        x_title=f"contribution, {explanation.unit}",
        showlegend=False,
        meta={"picks": "trip"},
        hovermode="closest",
    )
    return drawn.update_yaxes(
        tickvals=list(range(len(names))), ticktext=list(names), range=[len(names) - 0.4, -0.6], showgrid=False
    ).update_xaxes(zeroline=True, zerolinecolor=MUTED)


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
def mean_contributions(rows: Rows) -> Figure:
    """Mean absolute contribution of each feature, mean |SHAP| for boosted trees."""
    explanation = rows[0]["explained"].explanation
    strengths = explanation.strengths[:MOST_FEATURES]
    bar = Bar(
        x=[entry["mean_abs_shap"] for entry in strengths],
        y=[entry["feature"] for entry in strengths],
        orientation="h",
        marker_color=PALETTE[0],
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
    )
    drawn = figure([bar], x_title=f"mean |contribution|, {explanation.unit}")
    return drawn.update_yaxes(autorange="reversed", showgrid=False).update_xaxes(showgrid=True)


@chart("explainability", "The picked trip", _explained, empty=NOTHING, columns=12, height=140)
def picked_trip(rows: Rows) -> Facts:
    """The trip that the next chart takes apart: pick another above, or by a click on a point."""
    explained, at = rows[0]["explained"], rows[0]["trip"]
    trip = explained.trips[at]
    predicted = float(explained.predicted[at])
    error = predicted - trip["target"]
    return Facts(
        [
            Fact("Predicted", show_minutes(predicted), explained.version.label),
            Fact("It took", show_minutes(trip["target"]), describe(trip)),
            Fact("Error", f"{error:+.2f} min", "of the validation split", "bad" if abs(error) > 10 else ""),
        ]
    )


@chart("explainability", "Why this prediction", _explained, empty=NOTHING, columns=12, height=420)
def why_this_prediction(rows: Rows) -> Figure:
    """From the mean prediction to this trip's, feature by feature."""
    explained, at = rows[0]["explained"], rows[0]["trip"]
    explanation = explained.explanation
    return waterfall(
        explanation.base,
        dict(zip(explanation.features, explanation.contributions[at].tolist(), strict=True)),
        explanation.unit,
    )


def waterfall(base: float, contributions: dict[str, float], unit: str) -> Figure:
    """The strongest contributions one after the other, the rest together, and what they add up to."""
    ordered = sorted(contributions.items(), key=lambda item: -abs(item[1]))
    rest = sum(value for _, value in ordered[MOST_STEPS:])
    steps = ordered[:MOST_STEPS] + ([("all others", rest)] if len(ordered) > MOST_STEPS else [])
    total = base + sum(contributions.values())
    texts = [f"{base:.2f}", *(f"{value:+.2f}" for _, value in steps), f"{total:.2f}"]
    trace = Waterfall(
        x=["mean", *(name for name, _ in steps), "prediction"],
        y=[base, *(value for _, value in steps), 0],
        measure=["absolute", *["relative"] * len(steps), "total"],
        text=texts,
        textposition="outside",
        cliponaxis=False,
        connector={"line": {"color": MUTED, "width": 1}},
        increasing={"marker": {"color": BAD}},
        decreasing={"marker": {"color": GOOD}},
        totals={"marker": {"color": PALETTE[0]}},
        hovertemplate="%{x}: %{text}<extra></extra>",
    )
    return figure([trace], y_title=unit, showlegend=False)
