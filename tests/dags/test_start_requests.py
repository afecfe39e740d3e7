"""What stands before Airflow's API where runs are started, in front of an application that answers as Airflow does."""

import json
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.testclient import TestClient

from include.orchestration import start_requests
from include.orchestration.start_requests import StartRequests
from include.settings import Settings
from tests.conftest import find_free_port
from tests.promoted import promote
from tests.redeclared import ADDED, DISTANCE, remove

PATH = "/api/v2/dags/prediction/dagRuns"
LOGIN = {"Authorization": "Bearer x"}
TRIP = {"pickup_zone": 74, "dropoff_zone": 75, "trip_distance": 1.98}


@pytest.fixture
def client(warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """The application behind it: refuses as JSON Schema does, and says what it was sent."""
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse_url.replace("postgresql://", "postgres://"))
    app = FastAPI()

    @app.post("/api/v2/dags/{dag_id}/dagRuns")
    async def start(dag_id: str, request: Request) -> dict[str, Any]:
        conf = (await request.json())["conf"]
        if "refused" in conf:
            raise HTTPException(
                400, f"Invalid input for param refused: 'x' is wrong\n\nIn schema:\n    {'y' * 100_000}"
            )
        return {"dag_id": dag_id, "conf": conf}

    @app.post("/api/v2/other")
    async def other() -> None:
        raise HTTPException(400, "long\n" + "y" * 100_000)

    return TestClient(StartRequests(app))


def post(client: TestClient, conf: Any, headers: dict[str, str] = LOGIN) -> tuple[int, Any]:
    answer = client.post(PATH, content=json.dumps({"conf": conf}), headers=headers)
    assert int(answer.headers["content-length"]) == len(answer.content)
    return answer.status_code, answer.json()


def test_what_is_right_reaches_airflow_as_it_was_sent(client: TestClient) -> None:
    conf = {"inputs": [TRIP] * 5_000}
    assert post(client, conf) == (200, {"dag_id": "prediction", "conf": conf})


def test_trip_that_is_wrong_is_400_with_trip_and_field(client: TestClient) -> None:
    status, answer = post(client, {"inputs": [TRIP, {**TRIP, "trip_distance": float("nan")}]})
    assert status == 400
    assert answer["detail"].startswith("inputs[1].trip_distance must be a number from ")


def test_trip_is_asked_for_the_fields_that_the_champion_was_trained_with(
    client: TestClient, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(warehouse_url, 1, remove(Settings().problem))
    trip = {name: value for name, value in TRIP.items() if name != DISTANCE}
    assert post(client, {"inputs": [{**trip, ADDED: 2}]})[0] == 200
    status, answer = post(client, {"inputs": [TRIP]})
    assert status == 400
    assert answer["detail"].startswith("inputs[0].trip_distance is not a field of a trip")


def test_trip_is_left_to_the_task_while_the_warehouse_is_away(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", f"postgres://taxi@127.0.0.1:{find_free_port()}/x")
    assert post(client, {"inputs": [{}]})[0] == 200
    assert post(client, {"inputs": "all of them"})[0] == 400
    status, answer = post(client, {"inputs": [{**TRIP, "trip_distance": float("nan")}]})
    assert (status, answer["detail"]) == (400, "inputs[0].trip_distance must be a valid JSON number, not nan")


def test_too_many_trips_are_refused_in_a_sentence(client: TestClient) -> None:
    assert post(client, {"inputs": [TRIP] * 10_001}) == (
        400,
        {"detail": "inputs must contain 1 to 10000 trips, not 10001"},
    )


def test_refusal_of_airflow_is_made_short(client: TestClient) -> None:
    answer = client.post(PATH.replace("prediction", "model_promotion"), json={"conf": {"refused": 1}}, headers=LOGIN)
    assert (answer.status_code, answer.json()) == (400, {"detail": "Invalid input for param refused: 'x' is wrong"})


def test_body_that_is_too_large_is_not_kept(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_requests, "MOST_BYTES", 1024 * 1024)
    status, answer = post(client, {"x": "y" * 1024 * 1024})
    assert (status, answer["detail"]) == (413, "A request that starts a run may have at most 1 MB.")


def test_request_without_a_login_and_other_paths_are_left_alone(client: TestClient) -> None:
    assert post(client, {"inputs": "odd"}, headers={})[0] == 200
    assert len(client.post("/api/v2/other", headers=LOGIN).content) > 100_000


def test_setting_that_cannot_be_used_leaves_the_request_to_airflow(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIP_DISTANCE_MAX", "far")
    assert post(client, {"inputs": [TRIP]})[0] == 200
