"""Where the databases and artifacts of a stack are: the embedded one's by its home, any other's by its environment."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from include.deployment.backup import KEYS, Places, check, load
from include.deployment.errors import DeploymentError
from include.embedded.databases import create_databases
from include.embedded.lifecycle import find_running, start, stop
from include.embedded.stack import Stack

# The variables that the programs are given; see docker-compose.yaml.
VARIABLES = {
    "airflow": "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "warehouse": "WAREHOUSE_ADDRESS",
    "mlflow": "MLFLOW_BACKEND_STORE_URI",
}
ARTIFACTS_VARIABLE = "MLFLOW_ARTIFACTS_DESTINATION"


def find_places(home: Path, environment: Mapping[str, str] = os.environ) -> Places:
    """The places that the environment names, else those of the embedded stack in `home`.

    Raises:
        DeploymentError: Neither is there.
    """
    if speaks_of_databases(environment):
        return read_environment(environment)
    stack = find_running(home)
    if not stack:
        raise DeploymentError(
            f"No stack runs in {home} (`make up`), and the environment does not set {', '.join(VARIABLES.values())}"
        )
    return places_of(stack)


def speaks_of_databases(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment names all three databases."""
    return all(environment.get(variable) for variable in VARIABLES.values())


def places_of(stack: Stack) -> Places:
    """The places of an embedded stack."""
    databases = {"airflow": stack.airflow_url, "warehouse": stack.warehouse_url, "mlflow": stack.mlflow_url}
    return Places(databases, stack.home / "mlflow" / "artifacts", stack.home / "secrets.env")


def read_environment(environment: Mapping[str, str] = os.environ) -> Places:
    """The places that programs of a team's stack or a cluster are given; a bucket of artifacts is not among them."""
    databases = {name: _plain(environment[variable]) for name, variable in VARIABLES.items()}
    artifacts = environment.get(ARTIFACTS_VARIABLE, "")
    return Places(databases, Path(artifacts) if artifacts and "://" not in artifacts else None)


def restore_embedded(source: Path, home: Path, say: Callable[[str], None] = print) -> None:
    """Creates an embedded stack in `home` from a backup; `make up` starts it.

    Raises:
        DeploymentError: The backup is damaged, or there is a stack in `home` already.
    """
    check(source)
    if (home / "secrets.env").exists():
        raise DeploymentError(f"There is a stack in {home}: back it up, then `make reset`")
    home.mkdir(parents=True, exist_ok=True)
    # Connections and variables in Airflow's database are readable with the former key alone.
    shutil.copy(source / KEYS, home / "secrets.env")
    try:
        stack = start(home, ("postgres",), say)
        _empty_warehouse(stack)
        load(source, places_of(stack))
    finally:
        stop(home)


def _empty_warehouse(stack: Stack) -> None:
    """Drops the tables that the stack's start has just made, for the backup's own to take their place."""
    name = urlsplit(stack.warehouse_url).path[1:]
    with psycopg.connect(stack.admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    create_databases(stack)


def _plain(url: str) -> str:
    """SQLAlchemy's or Airflow's address as libpq reads it."""
    return "postgresql://" + url.split("://", 1)[1]
