"""The bell that wakes the scheduler, and which requests ring it."""

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from include.embedded.programs.bell import Bell, Ringing, ring


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bell"


def test_rings_before_the_wait_are_heard_once(path: Path) -> None:
    bell = Bell(path)
    for _ in range(3):
        ring(path)
    assert [bell.wait(0), bell.wait(0)] == [True, False]


def test_more_rings_than_the_pipe_holds_harm_nobody(path: Path) -> None:
    bell = Bell(path)
    for _ in range(70_000):
        ring(path)
    assert [bell.wait(0), bell.wait(0)] == [True, False]


def test_bell_of_a_former_run_is_taken_up_again(path: Path) -> None:
    Bell(path)
    bell = Bell(path)
    ring(path)
    assert bell.wait(0)


@pytest.mark.parametrize("there", [True, False])
def test_ring_without_anybody_who_listens_does_nothing(path: Path, there: bool) -> None:
    if there:
        path.write_bytes(b"")
        path.chmod(0o400)
    ring(path)
    assert path.exists() is there


@pytest.mark.parametrize(
    ("method", "target", "rings"),
    [
        ("POST", "/api/v2/dags/prediction/dagRuns", True),
        ("PATCH", "/api/v2/dags/a/dagRuns/b/taskInstances/c/-1/hitlDetails", True),
        ("PATCH", "/execution/task-instances/01a2/state", True),
        ("POST", "/execution/dag-runs/prediction/r1", True),
        ("GET", "/api/v2/dags/prediction/dagRuns/r1/wait", False),
        ("PUT", "/execution/task-instances/01a2/heartbeat", False),
        ("POST", "/auth/token", False),
    ],
)
def test_bell_rings_behind_requests_that_make_work(path: Path, method: str, target: str, rings: bool) -> None:
    app, bell = FastAPI(), Bell(path)

    @app.api_route("/{rest:path}", methods=["GET", "POST", "PUT", "PATCH"])
    async def answer(rest: str) -> dict[str, Any]:
        return {"rung before": bell.wait(0)}

    client = TestClient(Ringing(app, path))
    assert client.request(method, target).json() == {"rung before": False}
    assert bell.wait(0) is rings
