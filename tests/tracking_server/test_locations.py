"""Artifacts below the served root alone, on a running server."""

import os
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.artifact import artifact_repository_registry

from include.tracking_server.locations import confine
from tests.conftest import TrackingServer, name_database

API = "/api/2.0/mlflow"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
NUMBERS = count(1)
SECRET = "POSTGRES_PASSWORD=open sesame"
FOREIGN = [
    "file:///etc",
    "FILE:///etc",
    "/etc",
    "etc",
    "s3://bucket/key",
    "gs://bucket/key",
    "ftp://host/key",
    "sftp://host/key",
    "hdfs://host/key",
    "dbfs:/key",
    "http://127.0.0.1:1/key",
    "mlflow-artifacts://other:80/key",
    "mlflow-artifacts:/../key",
    "mlflow-artifacts:/%2e%2e/key",
    "mlflow-artifacts:/%252e%252e/key",
]


@pytest.fixture
def run(writer: httpx.Client) -> dict[str, Any]:
    """A run of an experiment of its own, with one artifact."""
    run = create_run(writer)
    path = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    writer.put(f"{ARTIFACTS}/{path}/a.txt", content=b"hello").raise_for_status()
    return run["info"] | {"path": path}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory that is none of the server's, with a secret in it."""
    directory = tmp_path / "home"
    directory.mkdir()
    (directory / "secrets.env").write_text(SECRET)
    return directory


def create_run(client: httpx.Client, **experiment: str) -> dict[str, Any]:
    body = {"name": f"located {next(NUMBERS)}", **experiment}
    created = client.post(f"{API}/experiments/create", json=body).raise_for_status().json()
    return client.post(f"{API}/runs/create", json=created).raise_for_status().json()["run"]


@pytest.mark.parametrize("location", FOREIGN)
@pytest.mark.parametrize("key", ["artifact_location", "artifactLocation"])
def test_experiment_cannot_be_kept_elsewhere(writer: httpx.Client, location: str, key: str) -> None:
    for prefix in (API, "/ajax-api/2.0/mlflow"):
        answer = writer.post(f"{prefix}/experiments/create", json={"name": f"at {next(NUMBERS)}", key: location})
        assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("location", [*FOREIGN, "models:/../../etc", "prompt-template:x"])
def test_model_version_cannot_be_made_of_what_is_elsewhere(
    writer: httpx.Client, run: dict[str, Any], location: str
) -> None:
    name = f"model {next(NUMBERS)}"
    writer.post(f"{API}/registered-models/create", json={"name": name}).raise_for_status()
    for more in ({}, {"run_id": run["run_id"]}, {"tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]}):
        answer = writer.post(f"{API}/model-versions/create", json={"name": name, "source": location, **more})
        assert answer.status_code in (400, 404), answer.text
    versions = writer.get(f"{API}/model-versions/search", params={"filter": f"name='{name}'"}).raise_for_status()
    assert versions.json() == {}


def test_runs_artifacts_are_read_through_every_route(reader: httpx.Client, run: dict[str, Any]) -> None:
    listed = reader.get(f"{API}/artifacts/list", params={"run_id": run["run_id"]}).raise_for_status().json()
    assert [file["path"] for file in listed["files"]] == ["a.txt"]
    for address in (f"{ARTIFACTS}/{run['path']}/a.txt", f"/get-artifact?run_uuid={run['run_id']}&path=a.txt"):
        assert reader.get(address).raise_for_status().content == b"hello"


def test_file_outside_of_the_root_cannot_be_read_through_a_link(
    mlflow_server: TrackingServer, reader: httpx.Client, run: dict[str, Any], outside: Path
) -> None:
    (mlflow_server.artifacts / run["path"] / "link").symlink_to(outside)
    (mlflow_server.artifacts / run["path"] / "secrets.env").symlink_to(outside / "secrets.env")
    for path in ("link/secrets.env", "secrets.env", "../../../secrets.env", str(outside / "secrets.env")):
        for answer in (
            reader.get("/get-artifact", params={"run_uuid": run["run_id"], "path": path}),
            reader.get(f"{ARTIFACTS}/{run['path']}/{path}"),
        ):
            assert answer.status_code >= 400 and SECRET not in answer.text, path
    listed = reader.get(f"{API}/artifacts/list", params={"run_id": run["run_id"]}).raise_for_status().json()
    assert [file["path"] for file in listed["files"]] == ["a.txt"]
    assert "secrets.env" not in reader.get(f"{API}/artifacts/list?run_id={run['run_id']}&path=link").text


def test_file_outside_of_the_root_cannot_be_written_or_deleted_through_a_link(
    mlflow_server: TrackingServer, writer: httpx.Client, run: dict[str, Any], outside: Path
) -> None:
    (mlflow_server.artifacts / run["path"] / "link").symlink_to(outside)
    upload = {"run_uuid": run["run_id"], "path": "link/probe.py"}
    answers = [
        writer.put(f"{ARTIFACTS}/{run['path']}/link/probe.py", content=b"import os"),
        writer.post("/ajax-api/2.0/mlflow/upload-artifact", params=upload, content=b"import os"),
        writer.delete(f"{ARTIFACTS}/{run['path']}/link/secrets.env"),
    ]
    assert all(answer.status_code >= 400 for answer in answers), answers
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"secrets.env": SECRET}


@pytest.mark.parametrize("scheme", ["file://", ""])
def test_location_that_stands_in_the_database_is_not_opened(
    postgres_url: str, writer: httpx.Client, run: dict[str, Any], outside: Path, scheme: str
) -> None:
    """As an earlier server, or someone with the database's password, may have written it."""
    with psycopg.connect(name_database(postgres_url, "mlflow")) as connection:
        query = "UPDATE runs SET artifact_uri = %s WHERE run_uuid = %s"
        assert connection.execute(query, [f"{scheme}{outside}", run["run_id"]]).rowcount == 1
    by_run = {"run_id": run["run_id"], "path": "secrets.env"}
    answers = [
        writer.get("/get-artifact", params=by_run),
        writer.get(f"{API}/artifacts/list", params={"run_id": run["run_id"]}),
        writer.post("/ajax-api/2.0/mlflow/upload-artifact", params=by_run, content=b"import os"),
    ]
    for answer in answers:
        assert answer.status_code >= 400 and SECRET not in answer.text
    assert (outside / "secrets.env").read_text() == SECRET


def test_object_store_is_opened_below_the_root_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = artifact_repository_registry.get_registered_artifact_repositories()
    for known in list(registry):
        monkeypatch.setitem(registry, known, registry[known])
    confine("s3://bucket/mlflow")
    assert set(registry) == {"s3"}
    opened = artifact_repository_registry.get_artifact_repository("s3://bucket/mlflow/1/artifacts")
    assert opened.artifact_uri == "s3://bucket/mlflow/1/artifacts"
    for location in ("s3://bucket", "s3://bucket/mlflow-other", "s3://other/mlflow", "s3://bucket/mlflow/../x", os.sep):
        with pytest.raises(MlflowException, match="root|registered"):
            artifact_repository_registry.get_artifact_repository(location)
