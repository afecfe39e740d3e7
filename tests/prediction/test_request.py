from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from include.errors import NoChampion, SettingsError
from include.prediction.form_fields import collect_inputs
from include.prediction.inputs import InputsInvalid
from include.prediction.request import predict
from include.problem.declaration import Problem
from include.problem.problem_file import change_problem
from include.settings import Settings
from include.tracking.runs import open_tracker
from tests.redeclared import ADDED, make_later, remove
from tests.registered import BOOSTER, configure, make_model, register
from tests.splits import make_trips

TRIP = {"pickup_at": "2024-01-14T18:30:00", "pickup_zone": 2, "dropoff_zone": 5, "trip_distance": 1.98}
PROBLEM = Settings().problem
EMPTY = dict.fromkeys(("inputs", "pickup_at", "pickup_zone", "dropoff_zone", "trip_distance"))


@pytest.fixture
def settings(mlflow_url: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A registered model of the test's own, which has no version yet."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_url)
    return configure(mlflow_url, request.node.name)


def read_log(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT source, request_id, model_version, pickup_zone, predicted FROM prediction.log ORDER BY pickup_zone"
        ).fetchall()


def test_list_of_inputs_is_taken_as_it_is() -> None:
    assert collect_inputs({**EMPTY, "inputs": [TRIP, TRIP]}, PROBLEM) == [TRIP, TRIP]


def test_single_fields_are_one_trip_without_what_was_left_empty() -> None:
    params = {**EMPTY, "pickup_zone": 2, "dropoff_zone": 5, "trip_distance": 1.98}
    assert collect_inputs(params, PROBLEM) == [{"pickup_zone": 2, "dropoff_zone": 5, "trip_distance": 1.98}]


def test_single_fields_may_have_the_names_of_the_source() -> None:
    params = {**EMPTY, "PULocationID": 2, "dropoff_zone": 5, "trip_distance": 1.98, "level": 0.9}
    [row] = collect_inputs(params, PROBLEM)
    assert row == {"PULocationID": 2, "dropoff_zone": 5, "trip_distance": 1.98}


def test_parameter_of_the_run_is_no_field_of_a_row_though_a_column_of_the_source_is_called_so() -> None:
    problem = change_problem(PROBLEM, {"column_trip_distance": "level"})
    params = {**EMPTY, "pickup_zone": 2, "trip_distance": 1.98, "level": 0.9}
    assert collect_inputs(params, problem) == [{"pickup_zone": 2, "trip_distance": 1.98}]


@pytest.mark.parametrize(
    "params", [{}, {"inputs": []}, {"lpep_pickup_datetime": "2024-01-14"}, {"pickup_at": "2024-01-14"}]
)
def test_nothing_to_predict_is_an_error_with_an_example(params: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r'give `inputs`, for example \[\{"pickup_zone": 74'):
        collect_inputs({**EMPTY, **params}, PROBLEM)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range")
def test_champion_predicts_and_each_prediction_is_logged_once_however_often_it_is_tried(
    warehouse_url: str, settings: Settings, tmp_path: Path
) -> None:
    register(open_tracker(settings), settings.registered_model, BOOSTER)
    inputs = [TRIP, {**TRIP, "pickup_zone": 3}]
    for _ in range(2):
        result = predict(warehouse_url, settings, inputs, "manual__1", level=0.8, store=tmp_path)
    trips = make_trips([str(TRIP["pickup_at"])] * 2, [(2, 5), (3, 5)], [1.98] * 2)
    expected = make_model(BOOSTER).predict(trips)
    assert result["predictions"] == pytest.approx(expected.tolist(), rel=1e-6)
    low, high = np.array(result["intervals"]).T
    assert np.array_equal(
        [low, high], make_model(BOOSTER).outputs.find_intervals(np.array(result["predictions"]), trips, 0.8)
    )
    assert result["level"] == 0.8
    assert result["model"] == {"name": settings.registered_model, "version": 1}
    assert read_log(warehouse_url) == [
        ("rest", "manual__1", 1, 2, result["predictions"][0]),
        ("rest", "manual__1", 1, 3, result["predictions"][1]),
    ]


@pytest.mark.slow
def test_no_champion_is_an_error_and_nothing_is_logged(warehouse_url: str, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(NoChampion, match="start sklearn_training, xgboost_training or lightgbm_training"):
        predict(warehouse_url, settings, [TRIP], "manual__1", store=tmp_path)
    assert read_log(warehouse_url) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range")
@pytest.mark.parametrize("change", [make_later, remove])
def test_champion_is_asked_for_what_it_was_trained_with_though_the_declaration_has_changed(
    warehouse_url: str, settings: Settings, tmp_path: Path, change: Callable[[Problem], Problem]
) -> None:
    register(open_tracker(settings), settings.registered_model, BOOSTER)
    changed = settings.model_copy(update={"problem": change(settings.problem)})
    result = predict(warehouse_url, changed, [TRIP], "manual__1", store=tmp_path)
    assert read_log(warehouse_url) == [("rest", "manual__1", 1, 2, result["predictions"][0])]
    with pytest.raises(InputsInvalid, match=rf"inputs\[0\]\.{ADDED} is not a field of a trip"):
        predict(warehouse_url, changed, [{**TRIP, ADDED: 2}], "manual__2", store=tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range")
def test_trip_that_cannot_be_used_is_refused_and_nothing_is_logged(
    warehouse_url: str, settings: Settings, tmp_path: Path
) -> None:
    register(open_tracker(settings), settings.registered_model, BOOSTER)
    with pytest.raises(InputsInvalid, match=r"inputs\[0\]\.pickup_zone must be a whole number"):
        predict(warehouse_url, settings, [{**TRIP, "pickup_zone": "x"}], "manual__1", store=tmp_path)
    assert read_log(warehouse_url) == []
