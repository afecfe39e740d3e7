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
from include.embedded.settings import name_warehouse, read_stack_settings, split_warehouse
from include.embedded.stack import Stack
from include.problem.problem_file import list_problems
from include.raw.tables import ensure_columns
from include.settings import read_settings
from include.settings.domain import DEFAULT_PROBLEM


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


def find_warehouses(stack: Stack) -> tuple[dict[str, str], list[str]]:
    """The warehouses on the server of a stack; settings that have changed since its start do not count.

    Returns:
        Problem -> database, the stack's own among them; and the databases that may be of the stack too, but of no
        problem in include/problems.

    Raises:
        psycopg.Error: The server cannot be reached.
        StackError: A setting cannot be used.
    """
    settings, problems = stack.settings, list_problems()
    base, own = split_warehouse(settings.warehouse_database, read_stack_settings().warehouse_database, problems)
    named = settings.model_copy(update={"warehouse_database": base})
    with psycopg.connect(stack.admin_url, connect_timeout=10) as connection:
        there = {name for (name,) in connection.execute("SELECT datname FROM pg_database WHERE NOT datistemplate")}
    names = {problem: name_warehouse(named, problem) for problem in sorted({DEFAULT_PROBLEM, *problems})}
    warehouses = {problem: name for problem, name in names.items() if name in there}
    warehouses[own] = settings.warehouse_database
    others = there - {*warehouses.values(), settings.airflow_database, settings.mlflow_database, "postgres"}
    # A server that is not the stack's own holds databases of other people.
    return warehouses, sorted(name for name in others if not settings.warehouse_url or name.startswith(f"{base}_"))


def list_kept(stack: Stack) -> list[str]:
    """The databases that stay when the stack is deleted, on a server that is not its own.

    If that server is unavailable, they are those that the stack used last.
    """
    settings = stack.settings
    if not settings.warehouse_url:
        return []
    try:
        warehouses = sorted(find_warehouses(stack)[0].values())
    except (psycopg.Error, StackError):
        warehouses = [settings.warehouse_database]
    return [settings.airflow_database, settings.mlflow_database, *warehouses]


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
