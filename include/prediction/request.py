"""Predicts rows on request with the champion, and keeps what was answered: the work of the DAG `prediction`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from include.models.intervals import DEFAULT_LEVEL
from include.models.learnt import Unusual, describe_unusual
from include.prediction.accepted import find_accepted
from include.prediction.inputs import InputFormat, parse_rows
from include.prediction.log import Predictions, replace_predictions
from include.problem.data import Columns, Values
from include.problem.words import show_amount
from include.settings import Settings
from include.tracking.runs import open_registry
from include.tracking.store import STORE, LoadedModel, load_champion
from include.warehouse import connect


def predict(
    url: str,
    settings: Settings,
    inputs: Sequence[Any],
    request_id: str,
    *,
    level: float = DEFAULT_LEVEL,
    store: Path = STORE,
) -> dict[str, Any]:
    """Predicts with the champion and writes each prediction to `prediction.log`.

    Args:
        url: The warehouse's libpq address.
        inputs: One mapping per row, see `parse_rows`, with the fields that the champion was trained with.
        request_id: Names the request; asked again, its rows are replaced.
        level: Of the intervals, see `Intervals.find`.

    Returns:
        What `make_answer` returns.

    Raises:
        InputsInvalid: A row cannot be used.
        NoChampion, ModelInvalid: There is no champion, or one that cannot be loaded.
        TrackingUnavailable, WarehouseUnavailable: A server is away.
    """
    champion = load_champion(open_registry(settings), settings.registered_model, store=store)
    problem = find_accepted(champion.model.problem, settings.problem)
    rows = parse_rows(inputs, InputFormat.of(problem))
    predicted = champion.model.predict(rows)
    number = champion.version.version
    with connect(url) as connection:
        kinds, kept = problem.input_kinds, champion.model.outputs.record(predicted)
        replace_predictions(connection, Predictions(datetime.now(UTC), "rest", request_id, number, rows, kinds, kept))
    return make_answer(champion, rows, predicted, champion.model.learnt.find_unusual(rows), level)


def make_answer(
    loaded: LoadedModel, rows: Columns, predicted: Values, unusual: Sequence[Unusual], level: float = DEFAULT_LEVEL
) -> dict[str, Any]:
    """What each way of asking answers.

    Returns:
        What the model's outputs tell of n rows in their order, see `Outputs.answer`, the `model` behind it, and
        `warnings`: the values of the rows that are not as those the model learnt from.
    """
    return {
        **loaded.model.outputs.answer(predicted, rows, level),
        "model": {"name": loaded.version.name, "version": loaded.version.version},
        "warnings": describe_unusual(unusual, len(predicted)),
    }


def describe(predicted: Mapping[str, Any]) -> str:
    """The first prediction of a result of `predict`, in words, and the warnings."""
    model = predicted["model"]
    value, region = (_describe_class if "probabilities" in predicted else _describe_number)(predicted)
    sure = f" ({predicted['level']:.0%}: {region})" if region else ""
    answer = f"{value}{sure}, by version {model['version']} of {model['name']}."
    return " ".join((answer, *(f"Warning: {warning}." for warning in predicted["warnings"])))


def _describe_number(predicted: Mapping[str, Any]) -> tuple[str, str]:
    """The first prediction, and the interval around it."""
    value, region = show_amount(predicted["predictions"][0], predicted["unit"]), ""
    if predicted["intervals"]:
        low, high = predicted["intervals"][0]
        region = f"{show_amount(low)} to {show_amount(high, predicted['unit'])}"
    return value, region


def _describe_class(predicted: Mapping[str, Any]) -> tuple[str, str]:
    """The first prediction with its probability, and the label set beside it.

    Of two classes the probability is that of the positive one, which the threshold is for.
    """
    label, probabilities = predicted["predictions"][0], predicted["probabilities"][0]
    if predicted["threshold"] is None:
        value = f"{label}, with a probability of {probabilities[label]:.1%}"
    else:
        positive, probability = list(probabilities.items())[-1]
        value = f"{label}: the probability of {positive} is {probability:.1%}, the threshold"
        value += f" {predicted['threshold']:.1%}"
    return value, " or ".join(predicted["label_sets"][0]) if predicted["label_sets"] else ""
