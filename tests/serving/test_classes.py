"""What callers of the service get where classes are predicted."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck

from include.prediction.inputs import InputFormat
from include.problem.declaration import Problem
from include.raw.tables import ensure_columns
from include.serving.app import create_app
from include.serving.holder import Champion
from include.settings import Settings
from include.tracking.runs import Tracker
from tests.classified import (
    CUSTOMER,
    FOREST,
    LEAVING,
    LINEAR,
    LOGISTIC,
    SOFTPROB,
    TIERS,
    fit_model,
    load_model,
    make_split,
)
from tests.serving.conftest import KEY, Service, build_parts, run_service
from tests.warehouse_rows import query

pytestmark = pytest.mark.slow
BOTH = pytest.mark.parametrize(("problem", "model"), [(LEAVING, LOGISTIC), (TIERS, SOFTPROB)], ids=["two", "three"])
Serve = Callable[[Problem, str], Service]


def take_champion(service: Service, problem: Problem, model: str) -> None:
    """Has the service answer with a model that is in no registry."""
    champion = Champion(load_model(problem, model), InputFormat.of(problem), datetime.now(UTC))
    service.parts.holder.current = champion


@pytest.fixture
def serve(tracker: Tracker, warehouse_url: str, tmp_path: Path) -> Iterator[Serve]:
    """Starts a service with a champion."""
    with ExitStack() as stack:

        def start(problem: Problem, model: str) -> Service:
            ensure_columns(warehouse_url, problem)
            settings = Settings(problem=problem, mlflow_tracking_uri=tracker.uri, serving_poll_seconds=60)
            service = stack.enter_context(run_service(settings, warehouse_url, tmp_path))
            take_champion(service, problem, model)
            return service

        yield start


@BOTH
def test_class_is_answered_with_probabilities_and_label_set_and_logged(
    serve: Serve, warehouse_url: str, problem: Problem, model: str
) -> None:
    service, made = serve(problem, model), fit_model(problem, model)
    rows = make_split(problem, 60, seed=9).rows
    asked = [
        {"tenure": tenure, "contract": contract}
        for tenure, contract in zip(rows["tenure"], rows["contract"], strict=True)
    ]
    answer, predicted = service.predict(asked), made.predict(rows)
    assert answer.keys() == {"predictions", "probabilities", "threshold", "label_sets", "level", "model", "warnings"}
    assert answer.items() >= made.outputs.answer(predicted, rows, 0.9).items()
    assert service.predict(asked[0])["probabilities"] == answer["probabilities"][:1]
    assert service.parts.writer.flush()
    logged = query(
        warehouse_url, "SELECT predicted_class, probabilities FROM prediction.log ORDER BY at, ctid LIMIT 60"
    )
    assert logged == list(zip(*made.outputs.record(predicted).values(), strict=True))


@BOTH
def test_rows_are_counted_by_the_class_that_they_are_taken_for(serve: Serve, problem: Problem, model: str) -> None:
    service = serve(problem, model)
    answer = service.predict([{**CUSTOMER, "tenure": tenure} for tenure in range(0, 60, 6)])
    for label in set(answer["predictions"]):
        counted = service.metric(f'serving_predicted_classes_total{{label="{label}"}}')
        assert counted == answer["predictions"].count(label)


@BOTH
def test_label_sets_are_larger_with_a_higher_level(serve: Serve, problem: Problem, model: str) -> None:
    service, asked = serve(problem, model), [{**CUSTOMER, "tenure": tenure} for tenure in range(0, 60, 6)]
    sizes = {}
    for level in (0.5, 0.99):
        answer = service.client.post("/predict", params={"level": level}, json=asked).json()
        assert answer["level"] == level
        sizes[level] = sum(map(len, answer["label_sets"]))
    assert sizes[0.5] < sizes[0.99]


@pytest.mark.parametrize(
    ("problem", "model", "factor_on"),
    [
        (LEAVING, LINEAR, "the odds of Yes"),
        (LEAVING, LOGISTIC, "the odds of Yes"),
        (TIERS, LINEAR, "the odds of the most probable class"),
        (TIERS, SOFTPROB, "the odds of the most probable class"),
    ],
)
def test_explanation_adds_up_to_log_odds(serve: Serve, problem: Problem, model: str, factor_on: str) -> None:
    service, tenures = serve(problem, model), (1, 25, 30, 59)
    asked = [{**CUSTOMER, "tenure": tenure} for tenure in tenures]
    answer = service.client.post("/explain", json=asked).json()
    assert (answer["contributions_unit"], answer["factor_on"]) == ("log-odds", factor_on)
    assert [row.keys() for row in answer["probability_changes"]] == [row.keys() for row in answer["contributions"]]
    bases = np.broadcast_to(answer["base"], len(tenures))
    assert isinstance(answer["base"], list) == (problem is TIERS)
    totals = [base + sum(row.values()) for base, row in zip(bases, answer["contributions"], strict=True)]
    if problem is LEAVING:  # the longer somebody has been there, the less probable, before calibration as after it
        given = [row["Yes"] for row in answer["probabilities"]]
        assert np.argsort(totals).tolist() == np.argsort(given).tolist()
        starts = [p - sum(row.values()) for p, row in zip(given, answer["probability_changes"], strict=True)]
        assert starts == pytest.approx([starts[0]] * len(tenures)), "each begins at the typical row"
    else:
        assert min(totals) > 0


def test_classifier_that_cannot_be_explained_says_so(serve: Serve) -> None:
    answer = serve(LEAVING, FOREST).client.post("/explain", json=CUSTOMER)
    assert answer.status_code == 501
    assert answer.json()["detail"].startswith("RandomForestClassifier cannot be explained here")


@BOTH
def test_service_keeps_to_the_document_of_classes(
    tracker: Tracker, warehouse_url: str, tmp_path: Path, problem: Problem, model: str
) -> None:
    ensure_columns(warehouse_url, problem)
    settings = Settings(problem=problem, mlflow_tracking_uri=tracker.uri, serving_poll_seconds=60)
    parts = build_parts(settings, warehouse_url, tmp_path)
    take_champion(Service(parts, None), problem, model)  # type: ignore[arg-type]
    app = create_app(parts, InputFormat.of(problem))
    document: Any = schemathesis.openapi.from_asgi("/openapi.json", app, headers={"X-API-Key": KEY})
    for path in ("/predict", "/explain"):
        operation = document[path]["POST"]

        @hypothesis.settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @hypothesis.given(case=operation.as_strategy())
        def keeps_to_it(case: Any) -> None:
            case.call_and_validate(headers={"X-API-Key": KEY})

        keeps_to_it()


def test_document_describes_the_answers_of_the_task(serve: Serve) -> None:
    document = serve(LEAVING, LOGISTIC).client.get("/openapi.json").json()
    assert {"PredictedClasses", "ExplainedClasses"} <= document["components"]["schemas"].keys()
    assert not {"Predicted", "Explained"} & document["components"]["schemas"].keys()
    assert "intervals" not in json.dumps(document["components"])
