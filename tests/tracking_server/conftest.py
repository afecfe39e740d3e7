"""Clients of the MLflow server: without a login, and with each of its two."""

from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import Login, TrackingServer


def open_client(server: TrackingServer, login: Login | None) -> httpx.Client:
    return httpx.Client(base_url=server.url, auth=login, trust_env=False, timeout=30)


@pytest.fixture(scope="module")
def nobody(mlflow_server: TrackingServer) -> Iterator[httpx.Client]:
    """A client without a login."""
    with open_client(mlflow_server, None) as client:
        yield client


@pytest.fixture(scope="module")
def reader(mlflow_server: TrackingServer) -> Iterator[httpx.Client]:
    """A client that may read."""
    with open_client(mlflow_server, mlflow_server.login("reader")) as client:
        yield client


@pytest.fixture(scope="module")
def writer(mlflow_server: TrackingServer) -> Iterator[httpx.Client]:
    """A client that may write."""
    with open_client(mlflow_server, mlflow_server.login("writer")) as client:
        yield client
