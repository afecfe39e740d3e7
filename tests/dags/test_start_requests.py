"""What stands before Airflow's API where runs are started, in front of an application that answers as Airflow does."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from airflow.sdk import DAG
from fastapi import FastAPI, HTTPException, Request
from fastapi.testclient import TestClient

from include.orchestration import start_requests
from include.orchestration.start_requests import StartRequests
from include.settings import Settings
from tests.conftest import find_free_port
from tests.dags.conftest import DAG_IDS
from tests.dags.test_handover import MISSPELT
from tests.dags.test_params import find_dag
from tests.promoted import promote
from tests.redeclared import ADDED, DISTANCE, remove

PATH = "/api/v2/dags/prediction/dagRuns"
SECRET = "secret-of-the-tests-with-its-sixty-four-bytes-and-a-few-more-of-them"
NOT_KNOWN: list[Any] = [
    {},
    {"Authorization": "x"},
    {"Authorization": "Bearer x"},
    {"Cookie": "a=b"},
    {"Cookie": "_token=x"},
]
TRIP = {"pickup_zone": 74, "dropoff_zone": 75, "trip_distance": 1.98}


def log_in(role: str) -> dict[str, str]:
    """The header of a person with a role, with a token as Airflow gives it."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="somebody", role=role))
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(autouse=True)
def logins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's simple auth manager, with an empty database: no token is revoked and no DAG belongs to a team."""
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", SECRET)
    from airflow.api_fastapi.app import create_auth_manager
    from airflow.models.dag import DagModel
    from airflow.models.revoked_token import RevokedToken

    create_auth_manager()
    monkeypatch.setattr(RevokedToken, "is_revoked", lambda *_, **__: False)
    monkeypatch.setattr(DagModel, "get_team_name", lambda *_, **__: None)


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


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's database, as far as it has DAGs: those of the bundle, and one from elsewhere without parameters."""
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.serialized_objects import DagSerialization

    def get(dag_id: str) -> Any:
        dag = find_dag(dag_id) if dag_id in DAG_IDS else DAG(dag_id, schedule=None)
        return DagSerialization.from_dict(DagSerialization.to_dict(dag))

    monkeypatch.setattr(SerializedDagModel, "get_dag", get)


def post(client: TestClient, conf: Any, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
    shown = log_in("user") if headers is None else headers
    answer = client.post(PATH, content=json.dumps({"conf": conf}), headers=shown)
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
    answer = client.post(
        PATH.replace("prediction", "model_promotion"), json={"conf": {"refused": 1}}, headers=log_in("user")
    )
    assert (answer.status_code, answer.json()) == (400, {"detail": "Invalid input for param refused: 'x' is wrong"})


@pytest.mark.parametrize(("dag_id", "name", "answer"), MISSPELT)
def test_parameter_by_a_name_that_there_is_not_is_400_with_the_nearest_one(
    client: TestClient, stored: None, dag_id: str, name: str, answer: str
) -> None:
    path = PATH.replace("prediction", dag_id)
    given = client.post(path, json={"conf": {name: True}}, headers=log_in("user"))
    assert given.status_code == 400
    assert given.json()["detail"].startswith(f"{name} is not a parameter of {dag_id}; {answer}")
    declared = dict.fromkeys(find_dag(dag_id).params)
    assert client.post(path, json={"conf": declared}, headers=log_in("user")).status_code == 200


def test_dag_from_elsewhere_takes_any_parameter(client: TestClient, stored: None) -> None:
    answer = client.post(PATH.replace("prediction", "elsewhere"), json={"conf": {"x": 1}}, headers=log_in("user"))
    assert answer.status_code == 200


def test_body_that_is_too_large_is_not_kept(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_requests, "MOST_BYTES", 1024 * 1024)
    status, answer = post(client, {"x": "y" * 1024 * 1024})
    assert (status, answer["detail"]) == (413, "A request that starts a run may have at most 1 MB.")


@pytest.mark.parametrize("headers", [*NOT_KNOWN, "viewer"], ids=str)
def test_request_of_who_may_not_start_the_run_is_left_to_airflow_unread(
    client: TestClient, headers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("include.prediction.refusals.find_refusal", lambda dag_id, *_: asked.append(dag_id))
    shown = log_in(headers) if isinstance(headers, str) else headers
    assert post(client, {"inputs": [{"odd": 1}]}, shown)[0] == 200
    assert asked == []


def test_login_may_come_in_the_cookie_of_the_web_interface(client: TestClient) -> None:
    token = log_in("user")["Authorization"].split()[1]
    assert post(client, {"inputs": "odd"}, {"Cookie": f"_token={token}"})[0] == 400


def test_request_is_left_to_airflow_while_its_rights_cannot_be_looked_up(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("the database is away")

    monkeypatch.setattr("airflow.models.dag.DagModel.get_team_name", fail)
    assert post(client, {"inputs": "odd"})[0] == 200


def test_other_paths_are_left_alone(client: TestClient) -> None:
    assert len(client.post("/api/v2/other", headers=log_in("user")).content) > 100_000


def test_setting_that_cannot_be_used_leaves_the_request_to_airflow(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIP_DISTANCE_MAX", "far")
    assert post(client, {"inputs": [TRIP]})[0] == 200
