"""One trip with several models: predictions with their intervals, and why the first of them.

Nothing of it is stored: `prediction.log` is for real requests.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plotly.graph_objects import Figure, Scatter

from include.dashboards.charts import read_rows
from include.dashboards.context import Context
from include.dashboards.explanations import explain_rows, load_model, name_features
from include.dashboards.figures import figure
from include.dashboards.pages.explainability import waterfall
from include.dashboards.palette import mark_of
from include.dashboards.registered import CHAMPION, Registered, list_registered
from include.errors import MltrainError, ModelInvalid
from include.models.artifact import Model
from include.prediction.inputs import InputFormat, parse_rows
from include.tracking.registry import START_TRAINING

log = logging.getLogger(__name__)
MOST_MODELS = 5
NO_MODEL = f"No model is registered yet: {START_TRAINING}."
# Nine of ten validation trips lay within this distance of their prediction.
INTERVAL_ERROR = "validation_p90_error"


class NoModel(MltrainError):
    """There is nothing to predict with."""


@dataclass(frozen=True)
class Predicted:
    """What one model predicts for the trip.

    Attributes:
        low: With `high`, the interval that held nine of ten validation trips; None where that is not known.
    """

    version: int
    label: str
    role: str
    model: str
    minutes: float
    low: float | None
    high: float | None


def list_zones(context: Context) -> list[Mapping[str, Any]]:
    """Zones by name; none where there is no zones table or the warehouse is away."""
    try:
        return list(read_rows("SELECT zone_id, name, borough FROM raw.zones ORDER BY name, zone_id", context))
    except MltrainError:
        return []


def choose_models(context: Context) -> list[Registered]:
    """The champion first, then the newest version of each other model type."""
    versions = list_registered(context)
    chosen = [version for version in versions if CHAMPION in version.aliases]
    for version in versions:
        if version.model not in {each.model for each in chosen}:
            chosen.append(version)
    return chosen[:MOST_MODELS]


def predict(context: Context, trip: Mapping[str, Any]) -> dict[str, Any]:
    """Predicts one trip with the champion and the newest other models.

    Returns:
        `predictions`, the champion's first; `models` and `contributions`, figures; `trip`, as it was understood.

    Raises:
        InputsInvalid: The trip cannot be used; says why, field by field.
        NoModel: No model is registered.
        TrackingUnavailable, ModelInvalid: A model cannot be loaded.
    """
    trips = parse_rows([trip], InputFormat.of(context.settings))
    chosen = choose_models(context)
    if not chosen:
        raise NoModel(NO_MODEL)
    models = _load_usable(context, chosen)
    predictions = [_with_interval(version, float(model.predict(trips)[0])) for version, model in models]
    explanation = explain_rows(models[0][1], trips)
    contributions = None
    if explanation:
        contributions = json.loads(waterfall(explanation, 0, name_features(models[0][1], trips)).to_json())
    return {
        "predictions": [prediction.__dict__ for prediction in predictions],
        "models": json.loads(draw_predictions(predictions).to_json()),
        "contributions": contributions,
        "trip": {name: values.tolist()[0] for name, values in trips.items() if name != "pickup_at"}
        | {"pickup_at": str(trips["pickup_at"][0].astype("datetime64[s]"))},
    }


def _load_usable(context: Context, chosen: Sequence[Registered]) -> list[tuple[Registered, Model]]:
    """The versions with their models, but for those beside the first one that cannot be loaded."""
    models = [(chosen[0], load_model(context, chosen[0]))]
    for version in chosen[1:]:
        try:
            models.append((version, load_model(context, version)))
        except ModelInvalid as error:
            log.warning("%s is left out: %s", version.label, error)
    return models


def _with_interval(version: Registered, minutes: float) -> Predicted:
    error = version.metrics.get(INTERVAL_ERROR)
    low, high = (max(minutes - error, 0.0), minutes + error) if error is not None else (None, None)
    return Predicted(version.version, version.label, version.role, version.model, minutes, low, high)


def draw_predictions(predictions: list[Predicted]) -> Figure:
    """A point for each model, with its interval in the same color."""
    names = [f"{each.label} ({each.role})" if each.role != "version" else each.label for each in predictions]
    traces = [
        Scatter(
            x=[each.minutes],
            y=[name],
            mode="markers+text",
            text=[f"{each.minutes:.1f}"],
            textposition="top center",
            marker={"size": 12, "color": mark_of(each.model).color, "symbol": mark_of(each.model).symbol},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [(each.high or each.minutes) - each.minutes],
                "arrayminus": [each.minutes - (each.minutes if each.low is None else each.low)],
                "color": mark_of(each.model).color,
                "thickness": 1.5,
            },
            name=name,
            customdata=[f"{each.low:.1f} to {each.high:.1f} min" if each.low is not None else "interval unknown"],
            hovertemplate="%{y}: %{x:.1f} min, 9 of 10: %{customdata}<extra></extra>",
        )
        for each, name in zip(predictions, names, strict=True)
    ]
    drawn = figure(traces, x_title="minutes, with the interval that covers 9 of 10 validation trips", showlegend=False)
    return drawn.update_yaxes(range=[len(predictions) - 0.5, -0.5], showgrid=False).update_xaxes(
        showgrid=True, rangemode="tozero"
    )
