"""Airflow's connections, as the domain takes them, and Airflow's own REST API for what tasks cannot do otherwise."""

import logging
from typing import Any

from airflow.sdk import Connection

log = logging.getLogger(__name__)
REQUEST_TIMEOUT = 10.0


def get_warehouse_url() -> str:
    """The libpq address in the connection `warehouse`."""
    return Connection.get("warehouse").get_uri().replace("postgres://", "postgresql://", 1)


def _call_airflow(method: str, path: str, body: dict[str, Any]) -> Any:
    import httpx

    connection = Connection.get("airflow_api")
    address = f"{connection.schema or 'http'}://{connection.host}:{connection.port}"
    with httpx.Client(base_url=address, timeout=REQUEST_TIMEOUT) as client:
        login = {"username": connection.login, "password": connection.password}
        token = client.post("/auth/token", json=login).raise_for_status().json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        return client.request(method, path, json=body, headers=headers).raise_for_status().json()


def start_dag(dag_id: str, note: str) -> str:
    """Starts a run with its default parameters and returns its id.

    Raises:
        httpx.HTTPError: Airflow's API (connection `airflow_api`) refused or did not answer.
    """
    body: dict[str, Any] = {"logical_date": None, "conf": {}, "note": note}
    return str(_call_airflow("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"])


def write_note(dag_id: str, run_id: str, text: str) -> None:
    """Writes a run's note; a note that cannot be written is a warning in the log, never a failed task."""
    import httpx

    try:
        _call_airflow("PATCH", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}", {"note": text})
    except httpx.HTTPError as error:
        log.warning("The run's note could not be written (%s): %s", error, text)
