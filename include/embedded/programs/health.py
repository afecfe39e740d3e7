"""How to check that a program of the stack works, as a table: program -> check."""

import socket
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

import httpx
import psycopg

from include.embedded.programs.ports import HOST
from include.embedded.programs.supervision import program_states
from include.embedded.stack import Stack
from include.tracking_server.routes import READER

SECONDS_TO_ANSWER = 5.0


def find_problem(stack: Stack, name: str) -> str | None:
    """What is wrong with a program of the stack; None when it works."""
    try:
        return CHECKS[name](stack)
    except (OSError, KeyError, httpx.HTTPError, psycopg.Error) as error:
        return f"{type(error).__name__}: {error}".strip()


def _postgres(stack: Stack) -> str | None:
    with psycopg.connect(stack.admin_url, connect_timeout=int(SECONDS_TO_ANSWER)) as connection:
        connection.execute("SELECT 1")
    return None


def _mail(stack: Stack) -> str | None:
    with socket.create_connection((HOST, stack.ports["smtp"]), timeout=SECONDS_TO_ANSWER) as connection:
        return None if connection.recv(3) == b"220" else "it does not send an SMTP greeting"


def _mlflow(stack: Stack) -> str | None:
    _get(f"{stack.mlflow_address}/health", stack.mlflow_login(READER))
    return None


def _api_server(stack: Stack) -> str | None:
    # The server makes the part that tasks talk to at its first question; without this one, the first task waits for it.
    _get(f"{stack.airflow_address}/execution/health")
    status = _get(f"{stack.airflow_address}/api/v2/monitor/health").json()["metadatabase"]["status"]
    return None if status == "healthy" else f"Airflow reports that its database is {status}"


def _beats(stack: Stack, program: str) -> str | None:
    """Checks a program by its heartbeat, which must be its own and not that of a process killed just before."""
    name = program.replace("-", "_")
    health = _get(f"{stack.airflow_address}/api/v2/monitor/health").json()[name]
    heartbeat = health[f"latest_{name}_heartbeat"]
    started = program_states(stack)[program]["start"]
    if not heartbeat or datetime.fromisoformat(heartbeat).timestamp() < started:
        return "no heartbeat yet"
    return None if health["status"] == "healthy" else f"Airflow reports that it is {health['status']}"


def _serving(stack: Stack) -> str | None:
    # Alive is enough: until a model is promoted, there is none to be ready with.
    _get(f"{stack.serving_address}/healthz")
    return None


def _get(url: str, login: tuple[str, str] | None = None) -> httpx.Response:
    return _client().get(url, auth=login).raise_for_status()


@lru_cache(maxsize=1)
def _client() -> httpx.Client:
    # One for all: each new client prepares TLS, which takes longer than the question. Proxies lead elsewhere.
    return httpx.Client(timeout=SECONDS_TO_ANSWER, trust_env=False)


CHECKS: dict[str, Callable[[Stack], str | None]] = {
    "postgres": _postgres,
    "mail": _mail,
    "mlflow": _mlflow,
    "api-server": _api_server,
    "scheduler": lambda stack: _beats(stack, "scheduler"),
    "dag-processor": lambda stack: _beats(stack, "dag-processor"),
    "triggerer": lambda stack: _beats(stack, "triggerer"),
    "serving": _serving,
}
