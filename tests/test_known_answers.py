"""What the built-in sample becomes on the whole way from its rows to an answer, figure by figure.

The figures are in `known_answers.json`. Where one is meant to change, write the file again and read its diff:

    REWRITE_KNOWN_ANSWERS=yes python -m pytest tests/test_known_answers.py
"""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.models.artifact import Model
from include.models.fitting import encode, fit
from include.models.table import MODELS
from include.prediction import request as rest
from include.prediction.inputs import InputFormat, parse_rows
from include.problem.data import Split
from include.sets.examples import get_training_set, load_references, load_split
from include.sets.publish import Published
from include.settings import Settings
from include.tracking import runs
from include.tracking.lineage import Lineage
from include.training.final_model import train_model
from include.training.job import Job
from include.training.steps import register_best
from include.tuning.search import Limits
from tests.published_sets import publish_set
from tests.registered import configure
from tests.serving.conftest import run_service
from tests.splits import PROBLEM
from tests.warehouse_rows import query

ANSWERS = Path(__file__).with_name("known_answers.json")
REWRITE = "REWRITE_KNOWN_ANSWERS" in os.environ
SETTINGS: dict[str, Any] = {"source": "sample", "sample_rows": 3_000, "minimum_rows": 300, "threads_per_model": 1,
                            "refit": False}  # fmt: skip
SET = {"months": ["2024-01", "2024-02"], "test_from": "2024-02-15"}
# By the names of the warehouse's columns, not by those that the code gives them.
EXAMPLES = """
    SELECT encode(sha256(convert_to(string_agg(line, E'\\n' ORDER BY split, month, row_number), 'UTF8')), 'hex')
    FROM (
        SELECT split, month, row_number, concat_ws('|', split, month, row_number,
            to_char(pickup_at, 'YYYY-MM-DD HH24:MI:SS.US'), pickup_zone, dropoff_zone, trip_distance, target) AS line
        FROM training.examples_1
    ) AS lines
"""
RANDOM_STATE = 42
MODELS_AND_FEATURES = [
    (model, feature_set)
    for model in ("linear_model.LinearRegression", "linear_model.Lasso", "gbtree.squarederror", "gbtree.gamma")
    for feature_set in ("rich", "reference")
]
SERVED, FEATURES = "gbtree.gamma", "rich"
NOW = datetime(2024, 3, 9, 17, 45)
TRIPS: list[dict[str, Any]] = [
    {"pickup_at": "2024-02-20T08:15:00", "pickup_zone": 74, "dropoff_zone": 41, "trip_distance": 1.98},
    {"pickup_zone": 7, "dropoff_zone": 223, "trip_distance": 3.4},
    {"pickup_at": "2024-02-24T23:59:59", "pickup_zone": 99_999, "dropoff_zone": 42, "trip_distance": 5.25},
    {"lpep_pickup_datetime": "2024-02-21T12:30:00Z", "PULocationID": "166", "DOLocationID": "265",
     "trip_distance": "11.7"},
    {"pickup_at": "2024-03-10 02:30", "pickup_zone": 130, "dropoff_zone": 130, "trip_distance": 0},
]  # fmt: skip
# The REST API and the service take the clock for a missing time.
TIMED_TRIPS = [{"pickup_at": NOW.isoformat(), **trip} if len(trip) == 3 else trip for trip in TRIPS]
needs_mlflow = pytest.mark.slow
# MLflow says so of every model: our integers are never missing, and the other is its own.
pytestmark = pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range")


def check(name: str, found: Any, *, tolerance: float = 0.0) -> None:
    """Compares with what is known by that name: to the last digit, unless a relative tolerance is given."""
    known = json.loads(ANSWERS.read_text()) if ANSWERS.exists() else {}
    found = json.loads(json.dumps(found, allow_nan=False))
    if REWRITE:
        known[name] = found
        ANSWERS.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")
    assert _approximate(found, tolerance) == known[name]


def _approximate(value: Any, tolerance: float) -> Any:
    """The same value, whose numbers equal those that are as near as the tolerance allows."""
    if isinstance(value, dict):
        return {name: _approximate(part, tolerance) for name, part in value.items()}
    if isinstance(value, list):
        return [_approximate(part, tolerance) for part in value]
    return pytest.approx(value, rel=tolerance, abs=0) if isinstance(value, float) and tolerance else value


@pytest.fixture(scope="module")
def published(module_warehouse_url: str) -> Published:
    return publish_set(module_warehouse_url, Settings(**SETTINGS), **SET)


@pytest.fixture(scope="module")
def splits(module_warehouse_url: str, published: Published) -> dict[str, Split]:
    return {name: load_split(module_warehouse_url, published.version, name) for name in ("train", "validation")}


def test_examples_are_the_known_rows(module_warehouse_url: str, published: Published) -> None:
    [(sha256,)] = query(module_warehouse_url, EXAMPLES)
    [(left_out,)] = query(module_warehouse_url, "SELECT left_out FROM training.sets")
    check("training set", {"sha256 of the examples": sha256, "counts": published.counts, "left_out": left_out})


def test_training_split_has_the_known_profile(module_warehouse_url: str, published: Published) -> None:
    [(statistics,)] = query(module_warehouse_url, "SELECT statistics FROM training.sets")
    check("profile of the training split", statistics)


def predict_by_hand(
    model: str, feature_set: str, url: str, version: int, splits: dict[str, Split]
) -> tuple[dict[str, float], np.ndarray]:
    """Errors on the validation split, and the minutes of the known trips, by a model with its first parameters."""
    data = encode(
        MODELS[model],
        PROBLEM,
        feature_set,
        load_references(url, version),
        splits["train"],
        splits["validation"],
    )
    fitted = fit(MODELS[model], MODELS[model].start, data, random_state=RANDOM_STATE, threads=1)
    trips = parse_rows(TRIPS, InputFormat.of(PROBLEM), NOW)
    return fitted.metrics, Model.of(data, fitted.estimator, {}).predict(trips)


@pytest.mark.parametrize(("model", "feature_set"), MODELS_AND_FEATURES)
def test_model_has_the_known_errors_and_predictions(
    module_warehouse_url: str, published: Published, splits: dict[str, Split], model: str, feature_set: str
) -> None:
    metrics, predicted = predict_by_hand(model, feature_set, module_warehouse_url, published.version, splits)
    # BLAS adds up in an order that differs between machines; one thread of xgboost does not. The solver of the linear
    # regression stops, within a millionth of its aim, at a step that depends on the order.
    tolerances = {"linear_model.LinearRegression": 1e-3, "linear_model.Lasso": 1e-12}
    tolerance = tolerances.get(model, 0.0)
    check(f"{model}, {feature_set}", {"metrics": metrics, "minutes": predicted.tolist()}, tolerance=tolerance)


@pytest.fixture(scope="module")
def registered(module_warehouse_url: str, published: Published, mlflow_url: str) -> dict[str, Any]:
    """The champion, trained and registered as in production, with its first parameters."""
    settings = configure(mlflow_url, "known-answers", **SETTINGS)
    family = MODELS[SERVED].family
    job = Job("known/answers", family, published.version, FEATURES, Limits(1, 600, 25), RANDOM_STATE)
    tracker = runs.open_tracker(settings)
    training_set = get_training_set(module_warehouse_url, published.version)
    lineage = Lineage(job.run_key, training_set, FEATURES, "c0ffee", RANDOM_STATE)
    run_id = runs.open_run(tracker, lineage, family, SERVED)
    tuned = {"model": SERVED, "run_id": run_id, "parameters": dict(MODELS[SERVED].start)}
    trained = train_model(module_warehouse_url, settings, job, tuned)
    best = register_best(module_warehouse_url, settings, job, [trained])
    tracker.client.set_registered_model_alias(best["name"], "champion", str(best["version"]))
    return best


@needs_mlflow
def test_registered_model_has_the_known_errors(registered: dict[str, Any]) -> None:
    check("registered model", {name: registered[name] for name in ("name", "version", "model", "metrics")})


@needs_mlflow
def test_rest_request_gets_the_known_answer(
    registered: dict[str, Any], module_warehouse_url: str, mlflow_url: str, tmp_path: Path
) -> None:
    settings = configure(mlflow_url, registered["name"])
    check("answer", rest.predict(module_warehouse_url, settings, TIMED_TRIPS, "known", store=tmp_path))


@needs_mlflow
def test_service_gives_the_known_answer_and_reasons(
    registered: dict[str, Any], module_warehouse_url: str, mlflow_url: str, tmp_path: Path
) -> None:
    settings = configure(mlflow_url, registered["name"], serving_poll_seconds=60)
    with run_service(settings, module_warehouse_url, tmp_path) as service:
        service.parts.holder.refresh()
        check("answer", service.predict(TIMED_TRIPS))
        explained = service.client.post("/explain", json=TIMED_TRIPS[0])
    check("explanation of the first trip", explained.json())
