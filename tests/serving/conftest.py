"""The service with a small champion, as an application that is called without a network."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from fastapi.testclient import TestClient

from include.prediction.inputs import InputFormat
from include.serving.access import Secrets
from include.serving.app import create_app
from include.serving.holder import Holder
from include.serving.log_writer import LogWriter
from include.serving.metrics import Metrics
from include.serving.parts import Parts
from include.settings import Settings
from include.tracking.runs import Tracker, open_tracker
from include.tracking.store import load_champion
from tests.conftest import find_free_port
from tests.registered import BOOSTER, configure, register

KEY, SECRET = "test-key", "test-secret"
TRIP = {"pickup_at": "2024-01-14T18:30:00", "pickup_zone": 2, "dropoff_zone": 5, "trip_distance": 1.98}


@dataclass
class Service:
    """The application's parts, and a client that shows the key."""

    parts: Parts
    client: TestClient

    def predict(self, body: Any, **headers: str) -> Any:
        """The answer to `/predict`, which must be a good one."""
        answer = self.client.post("/predict", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def metric(self, line: str) -> float:
        """A figure of `/metrics` by its whole name, labels included."""
        lines = self.client.get("/metrics").text.splitlines()
        return float(next(found for found in lines if found.startswith(f"{line} ")).rsplit(" ", 1)[1])


@pytest.fixture(scope="session")
def tracker(mlflow_url: str) -> Iterator[Tracker]:
    """A connection to the tests' registry; MLflow writes its address into the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", mlflow_url)
        yield open_tracker(configure(mlflow_url))


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that is away is noticed at once."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.fixture
def settings(tracker: Tracker, request: pytest.FixtureRequest) -> Settings:
    """Settings with a registered model of the test's own, which has no version yet; nothing is looked up by itself."""
    return configure(tracker.uri, request.node.name[:100], serving_poll_seconds=60)


@pytest.fixture
def away(settings: Settings) -> Settings:
    """The same settings with a registry that does not answer."""
    return settings.model_copy(update={"mlflow_tracking_uri": f"http://127.0.0.1:{find_free_port()}"})


def build_parts(settings: Settings, warehouse_url: str, store: Path) -> Parts:
    """The parts of a service, which nothing has started yet."""
    metrics = Metrics()
    holder = Holder(metrics, lambda: settings, store)
    # Each service's own: what one leaves is written by the next, into its warehouse.
    journals = store / f"journals-{uuid4()}"
    writer = LogWriter(warehouse_url, settings.serving_queue_rows, metrics, journals)
    return Parts(holder, writer, metrics, Secrets(KEY, SECRET))


@contextmanager
def run_service(settings: Settings, warehouse_url: str, store: Path) -> Iterator[Service]:
    """A service for the length of the block."""
    parts = build_parts(settings, warehouse_url, store)
    app = create_app(parts, InputFormat.of(settings.problem))
    with TestClient(app, headers={"X-API-Key": KEY}, raise_server_exceptions=False) as client:
        yield Service(parts, client)


@pytest.fixture(scope="module")
def store(tracker: Tracker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Local copies with a booster as the champion, registered as `served`."""
    directory = tmp_path_factory.mktemp("store")
    register(tracker, "served", BOOSTER)
    load_champion(tracker, "served", store=directory)
    return directory


@pytest.fixture
def service(tracker: Tracker, store: Path, warehouse_url: str) -> Iterator[Service]:
    """A service with a champion and a warehouse."""
    settings = configure(tracker.uri, "served", serving_poll_seconds=60)
    with run_service(settings, warehouse_url, store) as running:
        yield running


def read_log(url: str) -> list[tuple[Any, ...]]:
    """All of prediction.log, in the order of pickup zones."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT at, source, request_id, model_version, pickup_at, pickup_zone, dropoff_zone, trip_distance,"
            " predicted FROM prediction.log ORDER BY pickup_zone"
        ).fetchall()
