"""One row with several models: predictions with how sure they are, and why the first of them.

Nothing of it is stored: `prediction.log` is for real requests.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from plotly.graph_objects import Figure, Scatter

from include.dashboards.context import Context
from include.dashboards.drawing.figures import figure
from include.dashboards.drawing.outcomes import Outcome, list_outcomes
from include.dashboards.drawing.palette import mark_of
from include.dashboards.drawing.tables import Fact
from include.dashboards.pages.explainability import waterfall
from include.dashboards.reading.explanations import explain_rows, load_model, name_features
from include.dashboards.reading.registered import CHAMPION, Registered, list_registered
from include.dashboards.reading.suggestions import find_suggestions
from include.dashboards.reading.value_names import find_names
from include.errors import MltrainError, ModelInvalid
from include.models.artifact import Model
from include.models.learnt import describe_unusual
from include.prediction.accepted import find_accepted
from include.prediction.form_fields import make_fields
from include.prediction.inputs import InputFormat, parse_rows
from include.problem.declaration import Problem
from include.problem.values import to_plain
from include.problem.words import make_example
from include.tracking.registry import START_TRAINING

log = logging.getLogger(__name__)
MOST_MODELS = 5
NO_MODEL = f"No model is registered yet: {START_TRAINING}."


class NoModel(MltrainError):
    """There is nothing to predict with."""


@dataclass(frozen=True)
class Predicted:
    """What one model predicts for the row."""

    version: int
    label: str
    role: str
    model: str
    outcome: Outcome

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        version = {"version": self.version, "label": self.label, "role": self.role, "model": self.model}
        return version | self.outcome.to_dict()


def describe_form(context: Context) -> dict[str, Any]:
    """What the page makes its form of: the fields, and an example of a row."""
    problem = _find_problem(context)
    suggestions, strongest = find_suggestions(context)
    fields = [field.to_dict() for field in make_fields(problem, find_names(context), suggestions, strongest)]
    return {"fields": fields, "example": make_example(problem)}


def _find_problem(context: Context) -> Problem:
    """That of the model that predicts first: what it was trained with is asked for, whatever is declared since."""
    try:
        if chosen := choose_models(context):
            return find_accepted(load_model(context, chosen[0]).problem, context.settings.problem)
    # The form is there before the first model is, and while none can be loaded.
    except MltrainError:
        pass
    return context.settings.problem


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
        `predictions`, the champion's first, see `Outcome.to_dict`, and their `unit`; `facts`, what is said of the first
        one; `models` and `contributions`, figures; `row`, as it was understood; `warnings` of the first model.

    Raises:
        InputsInvalid: The row cannot be used; says why, field by field.
        NoModel: No model is registered.
        TrackingUnavailable, ModelInvalid: A model cannot be loaded.
    """
    problem = _find_problem(context)
    rows = parse_rows([row], InputFormat.of(problem))
    chosen = choose_models(context)
    if not chosen:
        raise NoModel(NO_MODEL)
    models = _load_usable(context, chosen)
    predictions = [
        Predicted(version.version, version.label, version.role, version.model, outcome)
        for version, model in models
        for outcome in list_outcomes(model, model.predict(rows), rows)
    ]
    explanation = explain_rows(models[0][1], rows)
    contributions = None
    if explanation:
        texts = name_features(context, models[0][1], rows)
        contributions = json.loads(waterfall(explanation, 0, texts, problem.unit).to_json())
    return {
        "predictions": [each.to_dict() for each in predictions],
        "facts": [asdict(fact) for fact in _list_facts(predictions[0], problem.title or problem.model)],
        "models": json.loads(draw_predictions(predictions).to_json()),
        "contributions": contributions,
        "unit": problem.unit,
        "warnings": describe_unusual(models[0][1].learnt.find_unusual(rows), 1),
        "row": {name: _write(to_plain(kind, rows[name])[0]) for name, kind in problem.input_kinds.items()},
    }


def _write(value: Any) -> Any:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value


def _load_usable(context: Context, chosen: Sequence[Registered]) -> list[tuple[Registered, Model]]:
    """The versions with their models, but for those beside the first one that cannot be loaded.

    Nor are those there that predict other classes than the first one, or a number: no axis is for both; or that need a
    column that the first one does not: the row does not have it.
    """
    first = load_model(context, chosen[0])
    models = [(chosen[0], first)]
    for version in chosen[1:]:
        try:
            model = load_model(context, version)
        except ModelInvalid as error:
            log.warning("%s is left out: %s", version.label, error)
            continue
        has_inputs = model.problem.input_kinds.items() <= first.problem.input_kinds.items()
        if has_inputs and model.problem.labels == first.problem.labels:
            models.append((version, model))
    return models


def _list_facts(first: Predicted, title: str) -> list[Fact]:
    region = first.outcome.region_in_unit
    told = first.outcome.list_facts(title, f"9 of 10: {region}" if region else "")
    return [*told, Fact("Model", first.label, first.role)]


def draw_predictions(predictions: list[Predicted]) -> Figure:
    """A point for each model, with its interval in the same color, or a line at its threshold."""
    traces = [trace for each in predictions for trace in _draw(each)]
    drawn = figure(traces, x_title=predictions[0].outcome.axis, showlegend=False)
    return drawn.update_yaxes(range=[len(predictions) - 0.5, -0.5], showgrid=False).update_xaxes(
        showgrid=True, rangemode="tozero"
    )


def _draw(predicted: Predicted) -> list[Scatter]:
    name = f"{predicted.label} ({predicted.role})" if predicted.role != "version" else predicted.label
    outcome, mark = predicted.outcome, mark_of(predicted.model)
    low, high = outcome.ends or (outcome.place, outcome.place)
    point = Scatter(
        x=[outcome.place],
        y=[name],
        mode="markers+text",
        text=[outcome.placed],
        textposition="top center",
        marker={"size": 12, "color": mark.color, "symbol": mark.symbol},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [high - outcome.place],
            "arrayminus": [outcome.place - low],
            "color": mark.color,
            "thickness": 1.5,
        },
        name=name,
        customdata=[outcome.region_in_unit or "unknown"],
        hovertemplate="%{y}: %{text}, 9 of 10: %{customdata}<extra></extra>",
    )
    if outcome.limit is None:
        return [point]
    at, meaning = outcome.limit
    line = Scatter(
        x=[at],
        y=[name],
        mode="markers",
        marker={"size": 24, "symbol": "line-ns-open", "color": mark.color, "line": {"width": 1.5}},
        name=f"{name}, threshold",
        text=[meaning],
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    return [point, line]
