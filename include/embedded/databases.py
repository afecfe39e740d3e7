"""The stack's three databases: creating them, and bringing the warehouse's and Airflow's up to date."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import psycopg

from include import warehouse
from include.embedded.environment import airflow_environment
from include.embedded.errors import StackError
from include.embedded.programs import postgres
from include.embedded.programs.supervision import log_path, tail
from include.embedded.settings import name_warehouse, read_stack_settings
from include.embedded.stack import Stack
from include.problem.problem_file import list_problems
from include.raw.tables import ensure_columns
from include.settings import read_settings


def create_databases(stack: Stack) -> None:
    """Creates missing databases, each with its own role on the embedded server.

    Raises:
        StackError: The server cannot be reached, or its login may not create databases.
    """
    settings, secrets = stack.settings, stack.credentials
    passwords = {
        settings.airflow_database: secrets.airflow_database_password,
        settings.mlflow_database: secrets.mlflow_database_password,
        settings.warehouse_database: secrets.warehouse_password,
    }
    try:
        for name, password in passwords.items():
            if settings.warehouse_url:
                postgres.create_database(stack.admin_url, name)
            else:
                postgres.create_database(stack.admin_url, name, name, password)
    except psycopg.Error as error:
        raise StackError(f"The databases could not be created: {error}") from error


def find_problems(stack: Stack) -> list[str]:
    """The problems that have a warehouse on the stack's server.

    Raises:
        psycopg.Error: The server cannot be reached.
    """
    settings = read_stack_settings()
    with psycopg.connect(stack.admin_url, connect_timeout=10) as connection:
        there = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
    return [problem for problem in list_problems() if name_warehouse(settings, problem) in there]


def list_kept(stack: Stack) -> list[str]:
    """The databases that stay when the stack is deleted, on a server that is not its own.

    If that server is unavailable, they are those that the stack used last.
    """
    settings = stack.settings
    if not settings.warehouse_url:
        return []
    try:
        base = read_stack_settings()
        warehouses = {name_warehouse(base, problem) for problem in find_problems(stack)}
    except (psycopg.Error, StackError):
        warehouses = set()
    return [settings.airflow_database, settings.mlflow_database, *sorted({*warehouses, settings.warehouse_database})]


def migrate_databases(stack: Stack, *, with_airflow: bool) -> None:
    """Applies missing migrations to the warehouse and, if asked, to Airflow's database, in parallel.

    Raises:
        StackError: A migration failed; the message ends with its last log lines.
    """
    with ThreadPoolExecutor() as pool:
        airflow = pool.submit(_migrate_airflow, stack) if with_airflow else None
        try:
            warehouse.migrate(stack.warehouse_url)
            ensure_columns(stack.warehouse_url, read_settings().problem)
        except psycopg.Error as error:
            raise StackError(f"The warehouse could not be migrated: {error}") from error
        if airflow:
            airflow.result()


def _migrate_airflow(stack: Stack) -> None:
    """Runs Airflow's migrations, unless this release of Airflow has left the database as it is now."""
    stamp = stack.home / "airflow" / "migrated"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == _airflow_revision(stack):
        return
    log = log_path(stack.home, "airflow-migration")
    with log.open("w") as output:
        command = [sys.executable, "-m", "include.embedded.programs.airflow", "db", "migrate"]
        done = subprocess.run(
            command, check=False, env=airflow_environment(stack), cwd=stack.home, stdout=output, stderr=output
        )
    if done.returncode:
        raise StackError(f"Airflow's database could not be migrated; the end of {log}:\n{tail(log)}")
    stamp.write_text(_airflow_revision(stack), encoding="utf-8")


def _airflow_revision(stack: Stack) -> str:
    """Airflow's release and the revisions that its database says it is at; empty for an empty database."""
    with psycopg.connect(stack.airflow_url, connect_timeout=10) as connection:
        if connection.execute("SELECT 1 WHERE to_regclass('alembic_version') IS NULL").fetchone():
            return ""
        revisions = connection.execute("SELECT version_num FROM alembic_version ORDER BY 1").fetchall()
    return " ".join([version("apache-airflow"), *(revision for (revision,) in revisions)])
