"""Predicts trips on request with the champion, and keeps what was answered: the work of the DAG `prediction`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from include.errors import SettingsError
from include.prediction.inputs import InputFormat, parse_rows
from include.prediction.log import Predictions, replace_predictions
from include.problem.data import Values
from include.problems.taxi.features import TRIP_COLUMNS
from include.settings import Settings
from include.tracking.registry import RegisteredVersion
from include.tracking.runs import open_tracker
from include.tracking.store import STORE, load_champion
from include.warehouse import connect

UNIT = "minutes"


def collect_inputs(parameters: Mapping[str, Any]) -> list[Any]:
    """The trips that a run's parameters name: the list `inputs`, or else the one trip in fields of its own.

    Raises:
        SettingsError: There is neither.
    """
    if parameters["inputs"]:
        return list(parameters["inputs"])
    trip = {name: parameters[name] for name in TRIP_COLUMNS if parameters[name] is not None}
    if not trip.keys() - {"pickup_at"}:
        raise SettingsError(
            'Nothing to predict: give `inputs`, for example [{"pickup_zone": 236, "dropoff_zone": 239, '
            '"trip_distance": 1.98}], or pickup_zone, dropoff_zone and trip_distance.'
        )
    return [trip]


def predict(
    url: str, settings: Settings, inputs: Sequence[Any], request_id: str, *, store: Path = STORE
) -> dict[str, Any]:
    """Predicts with the champion and writes each prediction to `prediction.log`.

    Args:
        url: The warehouse's libpq address.
        inputs: One mapping a trip, see `parse_rows`.
        request_id: Names the request; asked again, its rows are replaced.

    Returns:
        predictions (one a trip, in the inputs' order), unit, and the model's name and version.

    Raises:
        InputsInvalid: A trip cannot be used.
        NoChampion, ModelInvalid: There is no champion, or one that cannot be loaded.
        TrackingUnavailable, WarehouseUnavailable: A server is away.
    """
    trips = parse_rows(inputs, InputFormat.of(settings))
    champion = load_champion(open_tracker(settings), settings.registered_model, store=store)
    predicted = champion.model.predict(trips)
    number = champion.version.version
    with connect(url) as connection:
        replace_predictions(connection, Predictions(datetime.now(UTC), "rest", request_id, number, trips, predicted))
    return make_answer(champion.version, predicted)


def make_answer(version: RegisteredVersion, predicted: Values) -> dict[str, Any]:
    """What each way of asking answers: `predictions` of n rows in their order, `unit`, and the model behind them."""
    return {
        "predictions": predicted.tolist(),
        "unit": UNIT,
        "model": {"name": version.name, "version": version.version},
    }


def describe(predicted: Mapping[str, Any]) -> str:
    """The first prediction of a result of `predict`, in words."""
    model = predicted["model"]
    return f"{predicted['predictions'][0]:.1f} {predicted['unit']}, by version {model['version']} of {model['name']}."
