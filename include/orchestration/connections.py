"""Airflow's connections, as the domain takes them, and Airflow's own REST API for what tasks cannot do otherwise."""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException

from include.errors import AirflowUnavailable
from include.orchestration.secrecy import hide_secrets

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)
REQUEST_TIMEOUT = 10.0
# What Airflow keeps; it refuses a longer one.
LONGEST_NOTE = 1000


def get_warehouse_url() -> str:
    """The libpq address in the connection `warehouse`."""
    return Connection.get("warehouse").get_uri().replace("postgres://", "postgresql://", 1)


def log_in(location: str, connection_id: str) -> str:
    """An http or Postgres address with the login of an Airflow connection in it.

    Raises:
        SettingsError: There is no such connection, it is of another server, or the address takes no login.
    """
    from include.errors import SettingsError
    from include.sources.location import mask

    try:
        connection = Connection.get(connection_id)
    except AirflowNotFoundException as error:
        raise SettingsError(f"connection_id: there is no Airflow connection '{connection_id}'") from error
    parts = urlsplit(location)
    if parts.scheme not in ("http", "https", "postgresql", "postgres"):
        raise SettingsError(
            f"connection_id: {mask(location)} takes no login; object stores are read with the worker's own credentials"
        )
    # No one is to send a connection's password anywhere but to its own server.
    host = (connection.host or "").rpartition("//")[2].partition("/")[0].lower()
    if host != parts.hostname or connection.port not in (None, parts.port):
        raise SettingsError(
            f"connection_id: '{connection_id}' is not for the server of {mask(location)}: host and port must match"
        )
    login = ":".join(quote(part, safe="") for part in (connection.login or "", connection.password or ""))
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}"))


def _call_airflow(method: str, path: str, body: dict[str, Any] | None = None, **params: Any) -> Any:
    import httpx

    connection = Connection.get("airflow_api")
    address = f"{connection.schema or 'http'}://{connection.host}:{connection.port}"
    with httpx.Client(base_url=address, timeout=REQUEST_TIMEOUT) as client:
        login = {"username": connection.login, "password": connection.password}
        token = _read_answer(client.post("/auth/token", json=login))["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        return _read_answer(client.request(method, path, json=body, params=params, headers=headers))


def _read_answer(response: "httpx.Response") -> Any:
    """What Airflow's API answers; an error says what it says.

    Raises:
        AirflowUnavailable: It has too much to do, or what it stands on is away.
        httpx.HTTPStatusError: It refused.
    """
    import httpx

    if response.is_success:
        return response.json()
    request = response.request
    says = hide_secrets(_read_detail(response))
    text = f"Airflow's API answered {response.status_code} to {request.method} {request.url.path}: {says}"
    if response.is_server_error or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise AirflowUnavailable(text)
    raise httpx.HTTPStatusError(text, request=request, response=response)


def _read_detail(response: "httpx.Response") -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):  # a proxy's page
        return response.reason_phrase


def start_dag(dag_id: str, note: str, conf: Mapping[str, Any] | None = None, run_id: str | None = None) -> str:
    """Starts a run and returns its id; a run of that id that is there already is left as it is.

    Args:
        conf: Parameters other than the default ones.

    Raises:
        httpx.HTTPError, AirflowUnavailable: Airflow's API (connection `airflow_api`) refused or did not answer.
    """
    import httpx

    body: dict[str, Any] = {"logical_date": None, "conf": dict(conf or {}), "note": note}
    if run_id:
        body["dag_run_id"] = run_id
    try:
        return str(_call_airflow("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"])
    except httpx.HTTPStatusError as error:
        if run_id is None or error.response.status_code != httpx.codes.CONFLICT:
            raise
        return run_id


def list_active_runs(dag_ids: Collection[str] | None = None) -> list[dict[str, Any]]:
    """The runs that are queued or running as the API describes them: dag_id, dag_run_id, queued_at, ...

    Those that are queued while their DAG is paused never start, and are left out.

    Args:
        dag_ids: Whose runs; None: those of all DAGs. The API gives the 100 oldest ones.

    Raises:
        httpx.HTTPError, AirflowUnavailable: Airflow's API (connection `airflow_api`) refused or did not answer.
    """
    wanted = {"dag_ids": None if dag_ids is None else list(dag_ids), "states": ["queued", "running"]}
    runs = _call_airflow("POST", "/api/v2/dags/~/dagRuns/list", wanted)["dag_runs"]
    paused = list_paused({run["dag_id"] for run in runs if run["state"] == "queued"})
    return [run for run in runs if run["state"] != "queued" or run["dag_id"] not in paused]


def list_paused(dag_ids: Collection[str]) -> list[str]:
    """Those of the DAGs that are paused.

    Raises:
        httpx.HTTPError, AirflowUnavailable: Airflow's API (connection `airflow_api`) refused or did not answer.
    """
    return [dag_id for dag_id in sorted(dag_ids) if _call_airflow("GET", f"/api/v2/dags/{dag_id}")["is_paused"]]


def check_unpaused(dag_ids: Collection[str]) -> None:
    """Before runs of these DAGs are started: Airflow accepts a run of a paused DAG, but never starts it.

    Raises:
        AirflowFailException: One of them is paused; names it, and what to do.
        httpx.HTTPError, AirflowUnavailable: Airflow's API (connection `airflow_api`) refused or did not answer.
    """
    if paused := list_paused(dag_ids):
        verb, them = ("is", "it") if len(paused) == 1 else ("are", "them")
        raise AirflowFailException(
            f"{', '.join(paused)} {verb} paused, and Airflow starts no run of a paused DAG: unpause {them} in Airflow,"
            " then clear this task."
        )


def list_events(dag_id: str, run_id: str) -> list[dict[str, Any]]:
    """The asset events that a run left as the API describes them: name, extra, created_dagruns, ...

    Raises:
        httpx.HTTPError, AirflowUnavailable: Airflow's API (connection `airflow_api`) refused or did not answer.
    """
    path = "/api/v2/assets/events"
    return _call_airflow("GET", path, source_dag_id=dag_id, source_run_id=run_id, limit=100)["asset_events"]


def list_queued_events(dag_id: str) -> list[dict[str, Any]]:
    """The asset events that no run of the DAG has taken up yet as the API describes them: asset_id, created_at, ...

    Raises:
        httpx.HTTPError, AirflowUnavailable: Airflow's API (connection `airflow_api`) refused or did not answer.
    """
    return _call_airflow("GET", f"/api/v2/dags/{dag_id}/assets/queuedEvents")["queued_events"]


def write_note(dag_id: str, run_id: str, text: str) -> None:
    """Writes a run's note, without secrets; one that cannot be written is a warning in the log, never a failed task."""
    text = hide_secrets(text)
    try:
        _call_airflow("PATCH", f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}", {"note": _cut(text)})
    except Exception as error:  # a note is not worth an error, whatever is wrong with the API or its connection
        log.warning("The run's note could not be written (%s): %s", error, text)


def add_to_note(dag_id: str, run_id: str, lines: Sequence[str]) -> None:
    """Puts lines before what a run's note says, each once; the note begins with why the run failed then."""
    lines = [hide_secrets(line) for line in lines]
    try:
        run = _call_airflow("GET", f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}")
    except Exception as error:  # as in `write_note`
        log.warning("The run's note could not be read (%s): %s", error, "; ".join(lines))
        return
    note = run["note"] or ""
    missing = [line for line in dict.fromkeys(lines) if line not in note]
    if missing:
        write_note(dag_id, run_id, "\n".join([*missing, *([note] if note else [])]))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_NOTE else f"{text[: LONGEST_NOTE - 4]} ..."


def find_queued_at(dag_id: str, run_id: str) -> str:
    """When a run was queued, or cleared last, as the API writes it (ISO 8601).

    Raises:
        httpx.HTTPError, AirflowUnavailable: Airflow's API (connection `airflow_api`) refused or did not answer.
    """
    return _call_airflow("GET", f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}")["queued_at"]


def list_failed_tasks(dag_id: str, run_id: str) -> list[dict[str, Any]]:
    """A run's failed task instances as the API describes them: task_id, map_index, rendered_map_index, try_number, ...

    Raises:
        httpx.HTTPError, AirflowUnavailable: Airflow's API (connection `airflow_api`) refused or did not answer.
    """
    path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances"
    return _call_airflow("GET", path, state="failed", limit=100)["task_instances"]


def find_map_label(dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
    """What a mapped task instance is shown as; empty where Airflow's API does not say."""
    path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/{map_index}"
    try:
        return _call_airflow("GET", path)["rendered_map_index"] or ""
    except Exception as error:  # a label is not worth an error, whatever is wrong with the API or its connection
        log.warning("The label of %s %d could not be found: %s", task_id, map_index, error)
        return ""
