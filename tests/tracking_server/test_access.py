"""Who may use which of MLflow's routes, on a running server; the routes are those that its own routers know."""

import base64
import re
import socket
import time
from contextlib import closing
from http.client import HTTPConnection
from itertools import product
from urllib.parse import urlsplit

import httpx
import pytest

from include.tracking_server.access import Guard, PasswordsMissing
from include.tracking_server.routes import READER, WRITER, find_role
from tests.conftest import TrackingServer

API = "/api/2.0/mlflow"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@pytest.fixture(scope="module")
def routes() -> list[tuple[str, str]]:
    """Method and path of every route of MLflow's application, parameters filled in."""
    from mlflow.server import app as pages
    from mlflow.server.fastapi_app import app

    found = {
        (method, re.sub(r"\{[^}]+\}", "x", path))
        for route in app.routes
        if (path := getattr(route, "path", None))
        for method in getattr(route, "methods", None) or ()
    }
    found |= {
        (method, re.sub(r"<[^>]+>", "x", rule.rule))
        for rule in pages.url_map.iter_rules()
        for method in rule.methods or ()
    }
    assert len(found) > 500, "the application's routes are no longer found where they were"
    return sorted(found)


def test_every_route_wants_a_login(nobody: httpx.Client, routes: list[tuple[str, str]]) -> None:
    answers = {route: nobody.request(*route) for route in routes}
    assert {route for route, answer in answers.items() if answer.status_code != 401} == set()
    assert {answer.headers["www-authenticate"] for answer in answers.values()} == {
        'Basic realm="MLflow", charset="UTF-8"'
    }


@pytest.mark.parametrize("path", ["/", "/nowhere", "//health", "/health/", "/%2e%2e/health", "/static-files/../health"])
def test_paths_that_are_no_route_want_a_login_too(nobody: httpx.Client, path: str) -> None:
    assert {nobody.request(method, path).status_code for method in METHODS} == {401}


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic %%%",
        "Bearer writer-password",
        *(
            "Basic " + base64.b64encode(login.encode()).decode()
            for login in (
                "writer:",
                "writer:reader-password",
                "reader:writer-password",
                ":writer-password",
                "admin:password",
            )
        ),
    ],
)
def test_wrong_login_is_refused(nobody: httpx.Client, header: str) -> None:
    answer = nobody.get("/health", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")


def test_only_what_the_table_names_is_open(
    reader: httpx.Client, writer: httpx.Client, routes: list[tuple[str, str]]
) -> None:
    closed = [route for route in routes if find_role(*route) is None]
    for client, route in product((reader, writer), closed):
        assert client.request(*route).status_code == 403, route
    assert {route for route in closed if re.search("webhook|gateway|assistant|trace|prompt|job|scorer|demo", route[1])}


def test_what_calls_addresses_or_runs_code_is_closed(routes: list[tuple[str, str]]) -> None:
    dangerous = "webhook|gateway|assistant|trace|prompt|job|scorer|demo|presigned|mpu|invoke|workspace|mcp|telemetry"
    assert {route for route in routes if re.search(dangerous, route[1]) and find_role(*route)} == set()


def test_reader_may_use_only_routes_that_read(reader: httpx.Client, routes: list[tuple[str, str]]) -> None:
    for route in routes:
        role = find_role(*route)
        answer = reader.request(*route, follow_redirects=False)
        assert (answer.status_code == 403) == (role != READER), route
        if role == READER and route[0] not in ("GET", "HEAD"):
            assert route[0] == "POST" and re.search("search|get-latest-versions|graphql", route[1]), route
        if role == WRITER:
            assert answer.json()["message"].startswith("The login 'reader' may only read; 'writer' may do this")


def test_reader_cannot_write(reader: httpx.Client, writer: httpx.Client) -> None:
    created = writer.post(f"{API}/experiments/create", json={"name": "not the reader's"}).raise_for_status()
    experiment = created.json()["experiment_id"]
    assert reader.post(f"{API}/runs/create", json={"experiment_id": experiment}).status_code == 403
    assert reader.put("/api/2.0/mlflow-artifacts/artifacts/x.txt", content=b"x").status_code == 403
    assert reader.delete("/api/2.0/mlflow-artifacts/artifacts/x.txt").status_code == 403
    found = reader.post(f"{API}/runs/search", json={"experiment_ids": [experiment]}).raise_for_status()
    assert found.json().get("runs", []) == []


def test_pages_of_another_address_may_not_use_the_login_that_a_browser_keeps(writer: httpx.Client) -> None:
    own = f"http://{writer.base_url.netloc.decode()}"
    for origin in ("http://localhost:9999", "http://127.0.0.1:9999", "null", "https://example.org"):
        answer = writer.post(f"{API}/runs/search", json={"experiment_ids": ["0"]}, headers={"Origin": origin})
        assert answer.status_code == 403, origin
    answer = writer.post(f"{API}/runs/search", json={"experiment_ids": ["0"]}, headers={"Origin": own})
    assert answer.is_success


def test_refused_upload_is_answered_before_its_body_arrives(mlflow_server: TrackingServer) -> None:
    address = urlsplit(mlflow_server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        request = "PUT /api/2.0/mlflow-artifacts/artifacts/x HTTP/1.1", "Host: localhost", "Content-Length: 1000000000"
        connection.sendall("".join(f"{line}\r\n" for line in (*request, "")).encode())
        assert connection.recv(12) == b"HTTP/1.1 401"


def test_connection_that_trials_left_idle_can_be_used_again(mlflow_server: TrackingServer) -> None:
    address = urlsplit(mlflow_server.url)
    with closing(HTTPConnection(str(address.hostname), address.port, timeout=30)) as connection:
        connection.connect()
        connection.auto_open = False
        # uvicorn would close it after five seconds.
        for pause in (0, 6):
            time.sleep(pause)
            connection.request("GET", "/version")
            answer = connection.getresponse()
            assert (answer.status, answer.read() != b"") == (401, True)


def test_pages_of_mlflow_are_shown_to_the_reader(reader: httpx.Client) -> None:
    page = reader.get("/").raise_for_status().text
    scripts = re.findall(r'src="(static-files/[^"]+\.js)"', page)
    assert scripts and all(reader.get(f"/{script}").is_success for script in scripts)


@pytest.mark.parametrize(
    "passwords",
    [{}, {"MLFLOW_READER_PASSWORD": "a"}, {"MLFLOW_READER_PASSWORD": "a", "MLFLOW_WRITER_PASSWORD": "a"}],
)
def test_server_does_not_start_without_two_passwords(passwords: dict[str, str]) -> None:
    async def app(*_: object) -> None:
        raise AssertionError

    with pytest.raises(PasswordsMissing, match="MLFLOW_READER_PASSWORD and MLFLOW_WRITER_PASSWORD"):
        Guard(app, passwords)
