"""One row with several models: predictions with their intervals, and why the first of them.

Nothing of it is stored: `prediction.log` is for real requests.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from plotly.graph_objects import Figure, Scatter

from include.dashboards.context import Context
from include.dashboards.drawing.figures import figure
from include.dashboards.drawing.palette import mark_of
from include.dashboards.pages.explainability import waterfall
from include.dashboards.reading.explanations import explain_rows, load_model, name_features
from include.dashboards.reading.registered import CHAMPION, Registered, list_registered
from include.dashboards.reading.suggestions import find_suggestions
from include.dashboards.reading.value_names import find_names
from include.errors import MltrainError, ModelInvalid
from include.models.artifact import Model
from include.models.intervals import DEFAULT_LEVEL
from include.models.learnt import describe_unusual
from include.prediction.form_fields import make_fields
from include.prediction.inputs import InputFormat, parse_rows
from include.problem.data import Columns
from include.problem.values import to_plain
from include.problem.words import make_example, show_amount
from include.tracking.registry import START_TRAINING

log = logging.getLogger(__name__)
MOST_MODELS = 5
NO_MODEL = f"No model is registered yet: {START_TRAINING}."


class NoModel(MltrainError):
    """There is nothing to predict with."""


@dataclass(frozen=True)
class Predicted:
    """What one model predicts for the row.

    Attributes:
        low: With `high`, the interval that is to hold nine of ten actual values; None where none is known.
    """

    version: int
    label: str
    role: str
    model: str
    value: float
    low: float | None
    high: float | None

    def show(self, unit: str) -> str:
        """The value in its unit."""
        return show_amount(self.value, unit)

    def show_interval(self, unit: str) -> str:
        """The interval in its unit; empty where it is not known."""
        return "" if self.low is None else f"{show_amount(self.low)} to {show_amount(self.high, unit)}"


def describe_form(context: Context) -> dict[str, Any]:
    """What the page makes its form of: the fields, and an example of a row."""
    problem = context.settings.problem
    suggestions, strongest = find_suggestions(context)
    fields = [field.to_dict() for field in make_fields(problem, find_names(context), suggestions, strongest)]
    return {"fields": fields, "example": make_example(problem), "title": problem.title or problem.model}


def choose_models(context: Context) -> list[Registered]:
    """The champion first, then the newest version of each other model type."""
    versions = list_registered(context)
    chosen = [version for version in versions if CHAMPION in version.aliases]
    for version in versions:
        if version.model not in {each.model for each in chosen}:
            chosen.append(version)
    return chosen[:MOST_MODELS]


def predict(context: Context, row: Mapping[str, Any]) -> dict[str, Any]:
    """Predicts one row with the champion and the newest other models.

    Returns:
        `predictions`, the champion's first, and their `unit`; `models` and `contributions`, figures; `row`, as it was
        understood; `warnings` of the first model.

    Raises:
        InputsInvalid: The row cannot be used; says why, field by field.
        NoModel: No model is registered.
        TrackingUnavailable, ModelInvalid: A model cannot be loaded.
    """
    problem = context.settings.problem
    rows = parse_rows([row], InputFormat.of(problem))
    chosen = choose_models(context)
    if not chosen:
        raise NoModel(NO_MODEL)
    models = _load_usable(context, chosen)
    predictions = [_predict(version, model, rows) for version, model in models]
    explanation = explain_rows(models[0][1], rows)
    contributions = None
    if explanation:
        texts = name_features(context, models[0][1], rows)
        contributions = json.loads(waterfall(explanation, 0, texts, problem.unit).to_json())
    return {
        "predictions": [
            {**each.__dict__, "shown": each.show(problem.unit), "interval": each.show_interval(problem.unit)}
            for each in predictions
        ],
        "models": json.loads(draw_predictions(predictions, problem.unit).to_json()),
        "contributions": contributions,
        "unit": problem.unit,
        "warnings": describe_unusual(models[0][1].learnt.find_unusual(rows), 1),
        "row": {name: _write(to_plain(kind, rows[name])[0]) for name, kind in problem.input_kinds.items()},
    }


def _write(value: Any) -> Any:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value


def _load_usable(context: Context, chosen: Sequence[Registered]) -> list[tuple[Registered, Model]]:
    """The versions with their models, but for those beside the first one that cannot be loaded."""
    models = [(chosen[0], load_model(context, chosen[0]))]
    for version in chosen[1:]:
        try:
            models.append((version, load_model(context, version)))
        except ModelInvalid as error:
            log.warning("%s is left out: %s", version.label, error)
    return models


def _predict(version: Registered, model: Model, rows: Columns) -> Predicted:
    predicted = model.predict(rows)
    intervals = model.outputs.answer(predicted, rows, DEFAULT_LEVEL).get("intervals")
    low, high = intervals[0] if intervals else (None, None)
    return Predicted(version.version, version.label, version.role, version.model, float(predicted[0]), low, high)


def draw_predictions(predictions: list[Predicted], unit: str) -> Figure:
    """A point for each model, with its interval in the same color."""
    names = [f"{each.label} ({each.role})" if each.role != "version" else each.label for each in predictions]
    traces = [
        Scatter(
            x=[each.value],
            y=[name],
            mode="markers+text",
            text=[each.show(unit)],
            textposition="top center",
            marker={"size": 12, "color": mark_of(each.model).color, "symbol": mark_of(each.model).symbol},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [(each.value if each.high is None else each.high) - each.value],
                "arrayminus": [each.value - (each.value if each.low is None else each.low)],
                "color": mark_of(each.model).color,
                "thickness": 1.5,
            },
            name=name,
            customdata=[each.show_interval(unit) or "interval unknown"],
            hovertemplate="%{y}: %{text}, 9 of 10: %{customdata}<extra></extra>",
        )
        for each, name in zip(predictions, names, strict=True)
    ]
    title = f"{unit or 'prediction'}, with the interval that holds 9 of 10 actual values"
    drawn = figure(traces, x_title=title, showlegend=False)
    return drawn.update_yaxes(range=[len(predictions) - 0.5, -0.5], showgrid=False).update_xaxes(
        showgrid=True, rangemode="tozero"
    )
