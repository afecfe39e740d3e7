"""Predictions from the running stack: over Airflow's API, in batch, and from the service."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import mlflow
import numpy as np
import pytest

from include.embedded.commands.airflow_api import Run
from include.embedded.programs.supervision import connect, program_states
from include.problem.words import show_amount
from tests.e2e.conftest import Bench
from tests.waiting import wait_until

MODEL = "trip-duration"
pytestmark = pytest.mark.usefixtures("main_job")
TRIP = {"pickup_zone": 3, "dropoff_zone": 5, "trip_distance": 1.98, "pickup_at": "2024-02-14T18:30:00"}


@pytest.fixture
def registry(bench: Bench) -> Iterator[mlflow.MlflowClient]:
    """The stack's registry; the champion is put back."""
    client = mlflow.MlflowClient(bench.stack.mlflow_address)
    champion = client.get_model_version_by_alias(MODEL, "champion").version
    yield client
    client.set_registered_model_alias(MODEL, "champion", champion)


@pytest.fixture
def service(bench: Bench) -> Iterator[httpx.Client]:
    """A caller of the service that knows the key; the registry's champion answers, and no other one is on its way."""
    bench.wait_until_quiet()
    headers = {"X-API-Key": bench.stack.credentials.serving_api_key}
    with httpx.Client(base_url=bench.stack.serving_address, headers=headers, timeout=60, trust_env=False) as client:
        wait_until(
            lambda: is_ready(client) and client.get("/model").json()["name"] == MODEL, "the service has the champion"
        )
        client.post("/reload").raise_for_status()
        yield client


def is_ready(service: httpx.Client) -> bool:
    try:
        return bool(service.get("/readyz").json()["ready"])
    except httpx.TransportError:
        return False


def wait_for_result(bench: Bench, run: Run) -> dict[str, Any]:
    """What Airflow's API hands over once the run has ended."""
    path = f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/wait"
    return json.loads(bench.api.get(path, params={"interval": 0.1}).text.splitlines()[-1])


def test_call_over_the_api_gets_the_services_prediction_and_both_are_logged(
    bench: Bench, service: httpx.Client
) -> None:
    run = bench.trigger("prediction", inputs=[TRIP, {**TRIP, "trip_distance": "8"}])
    answer = wait_for_result(bench, run)
    assert answer["state"] == "success", bench.report(run)
    result = answer["results"]["predict"]
    again = service.post(
        "/predict", json=[TRIP, {**TRIP, "trip_distance": 8}], headers={"X-Request-ID": run.run_id}
    ).json()
    assert result["predictions"] == pytest.approx(again["predictions"], abs=1e-5)
    assert result["model"] == again["model"]
    query = (
        "SELECT source, model_version, trip_distance, predicted FROM prediction.log WHERE request_id = %s ORDER BY 1, 3"
    )
    wait_until(lambda: len(bench.query(query, run.run_id)) == 4, "the service has written its log")
    rows = bench.query(query, run.run_id)
    assert [row[:3] for row in rows] == [
        (source, result["model"]["version"], distance) for source in ("rest", "service") for distance in (1.98, 8.0)
    ]
    assert [row[3] for row in rows] == [*result["predictions"], *again["predictions"]]


def test_form_without_a_list_predicts_its_one_trip_and_notes_it(bench: Bench, service: httpx.Client) -> None:
    run = bench.trigger("prediction", **TRIP)
    answer = wait_for_result(bench, run)["results"]["predict"]
    [minutes], [[low, high]] = answer["predictions"], answer["intervals"]
    interval = f"{show_amount(low)} to {show_amount(high, 'minutes')}"
    assert bench.details(run)["note"].startswith(f"{show_amount(minutes, 'minutes')} (90%: {interval}), by version ")


def test_missing_champion_fails_the_run_with_a_note_of_what_to_start(bench: Bench) -> None:
    bench.configure(registered_model="not-yet")
    run = bench.trigger("prediction", inputs=[TRIP])
    details = bench.wait(run, "failed")
    assert "start sklearn_training, xgboost_training or lightgbm_training" in details["note"]
    assert bench.tasks(run)["predict", -1]["try_number"] == 1, "waiting makes no champion"


@pytest.mark.usefixtures("trainings_paused")
def test_month_is_scored_and_the_service_gives_the_same_values(bench: Bench, service: httpx.Client) -> None:
    bench.wait(bench.trigger("data_preparation"))
    run = bench.trigger("batch_prediction", months=["2024-02"])
    bench.wait(run)
    version = service.get("/model").json()["version"]
    rows = bench.query(
        "SELECT pickup_at::text, pickup_zone, dropoff_zone, trip_distance, predicted, predicted_low, predicted_high"
        " FROM prediction.batch"
        " WHERE month = '2024-02' AND model_version = %s ORDER BY row_number",
        version,
    )
    assert len(rows) > 2000
    assert bench.tasks(run)["score", 0]["rendered_map_index"] == f"2024-02: {len(rows):,} trips"
    told = f"Version {version} predicted {len(rows):,} trips of 2024-02, stored in prediction.batch."
    assert bench.details(run)["note"].startswith(told)
    names = ("pickup_at", "pickup_zone", "dropoff_zone", "trip_distance")
    trips = [dict(zip(names, row, strict=False)) for row in rows]
    answer = service.post("/predict", json=trips).json()
    assert answer["model"]["version"] == version
    assert answer["predictions"] == pytest.approx([row[4] for row in rows], abs=1e-5)
    assert np.array(answer["intervals"]) == pytest.approx(np.array([row[5:] for row in rows]), abs=1e-5)


def test_new_champion_answers_soon_and_no_request_fails_meanwhile(
    bench: Bench, service: httpx.Client, registry: mlflow.MlflowClient
) -> None:
    before = service.get("/model").json()["version"]
    other = next(v.version for v in registry.search_model_versions(f"name = '{MODEL}'") if int(v.version) != before)
    registry.set_registered_model_alias(MODEL, "champion", other)
    answers: list[httpx.Response] = []

    def is_new() -> bool:
        answers.append(service.post("/predict", json=TRIP))
        return answers[-1].json()["model"]["version"] == int(other)

    wait_until(is_new, "the new champion answers")
    assert {answer.status_code for answer in answers} == {200}
    by_version = {(a.json()["model"]["version"], a.json()["predictions"][0]) for a in answers}
    assert len(by_version) == len({version for version, _ in by_version}), "one prediction a version"


def test_service_starts_from_its_copy_while_the_registry_is_away(bench: Bench, service: httpx.Client) -> None:
    before = service.post("/predict", json=TRIP).json()
    supervisor = connect(bench.stack)
    supervisor.stopProcess("mlflow")
    try:
        pid = program_states(bench.stack)["serving"]["pid"]
        supervisor.stopProcess("serving")
        supervisor.startProcess("serving", False)
        wait_until(lambda: is_ready(service), "the service is back")
        assert program_states(bench.stack)["serving"]["pid"] != pid
        assert service.post("/predict", json=TRIP).json() == before
        wait_until(
            lambda: "TrackingUnavailable" in (service.get("/readyz").json()["problem"] or ""), "it says what is wrong"
        )
        assert is_ready(service)
    finally:
        supervisor.startProcess("mlflow")
    wait_until(lambda: service.get("/readyz").json()["problem"] is None, "the registry answers again")
