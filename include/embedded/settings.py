"""Settings of the embedded stack, read like the domain's: process environment, else the tracked `.env`."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from include.configuration.layers import ENV_FILE, SettingsModel, build, gather
from include.configuration.values import Database, Person, Port, Seconds
from include.embedded.errors import StackError
from include.errors import SettingsError
from include.settings.domain import DEFAULT_PROBLEM


class StackSettings(SettingsModel):
    """What the programs of the stack listen on and are called; field `airflow_port` is `AIRFLOW_PORT` of `.env`."""

    SECTIONS: ClassVar[Mapping[str, str]] = {
        "airflow_port": "Embedded stack (read when it starts)",
    }

    airflow_port: Port = 8080
    """Port of Airflow on 127.0.0.1. If a port of the embedded stack is taken, the next free one is used and printed."""
    mlflow_port: Port = 5000
    """Port of MLflow."""
    postgres_port: Port = 5433
    """Port of Postgres."""
    smtp_port: Port = 1025
    """Port of the mail server that keeps mail as files."""
    supervisor_port: Port = 9001
    """Port of the process supervisor."""
    serving_port: Port = 8100
    """Port of the prediction service."""

    admin_user: Person = "admin"
    """Name of Airflow's administrator. The password is generated when the stack first starts."""
    parallel_tasks: int = Field(default=4, ge=1, le=1_024)
    """Maximum number of tasks that run at the same time."""

    airflow_database: Database = "airflow"
    """Name of Airflow's database, and of the role that owns it."""
    mlflow_database: Annotated[Database, Field(validate_default=True)] = "mlflow"
    """Name of MLflow's database, and of the role that owns it."""
    warehouse_database: Annotated[Database, Field(validate_default=True)] = "warehouse"
    """Name of the warehouse's database, and of the role that owns it. In the embedded stack, each problem but the
    default one has a database of its own, whose name ends in that of the problem.
    """
    warehouse_url: SecretStr | None = None
    """Address of a Postgres server to use instead of the embedded one, as
    `postgresql://user:password@host:port/database`. The user must be allowed to create databases. It contains
    a password: set it as an environment variable, not in `.env`.
    """

    start_timeout: Seconds = 180.0
    """Seconds for which a starting program may show no progress, neither in its log nor in the processor time that it
    uses, before the command stops waiting for it.
    """

    @field_validator("mlflow_database", "warehouse_database")
    @classmethod
    def _databases_differ(cls, database: str, info: ValidationInfo) -> str:
        for name, other in info.data.items():
            if name.endswith("_database") and other == database:
                raise ValueError(f"{database!r} is already the name of {name.upper()}")
        return database

    @field_validator("warehouse_url")
    @classmethod
    def _server_can_be_reached(cls, url: SecretStr | None) -> SecretStr | None:
        # It holds a password, so that no message repeats it.
        right = "write postgresql://user:password@host:port/database"
        if url is None:
            return None
        try:
            parts = urlsplit(url.get_secret_value())
            usable = parts.scheme in ("postgresql", "postgres") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ValueError(f"this is not the address of a Postgres server; {right}")
        return url


# Of a name in Postgres.
MOST_LETTERS = 63
STACK_KEYS = frozenset(name.upper() for name in StackSettings.model_fields)


def read_settings_of_problem() -> StackSettings:
    """As `read_stack_settings`, with the warehouse of the chosen problem: a warehouse holds one problem."""
    settings = read_stack_settings()
    problem = read_problem_name(os.environ)
    return settings.model_copy(update={"warehouse_database": name_warehouse(settings, problem)})


def read_problem_name(environment: Mapping[str, str]) -> str:
    """The chosen problem."""
    return gather(("problem",), (ENV_FILE,), environment).values.get("problem") or DEFAULT_PROBLEM


def name_warehouse(settings: StackSettings, problem: str) -> str:
    """The database of a problem's warehouse.

    Args:
        settings: As `read_stack_settings` gives them.
    """
    base = settings.warehouse_database
    return base if problem == DEFAULT_PROBLEM else f"{base}_{problem}"[:MOST_LETTERS]


def split_warehouse(database: str, base: str, problems: Iterable[str]) -> tuple[str, str]:
    """The inverse of `name_warehouse`: the base of the name, and the problem.

    Args:
        base: `WAREHOUSE_DATABASE`. A name that does not begin with it has another base, which is told by a problem at
            its end.
        problems: The problems that there are.
    """
    if database == base:
        return base, DEFAULT_PROBLEM
    if database.startswith(f"{base}_"):
        return base, database.removeprefix(f"{base}_")
    for problem in problems:
        if problem != DEFAULT_PROBLEM and database.endswith(f"_{problem}"):
            return database.removesuffix(f"_{problem}"), problem
    return database, DEFAULT_PROBLEM


def read_stack_settings(environment: Mapping[str, str] = os.environ) -> StackSettings:
    """Reads the stack's settings again; an empty one has its default.

    Raises:
        StackError: A value cannot be used; the message names each key and what is wrong with it.
    """
    try:
        given = gather(StackSettings.model_fields, (ENV_FILE,), environment)
        values = {name: value for name, value in given.values.items() if value.strip()}
        return build(StackSettings, replace(given, values=values), {})
    except SettingsError as error:
        raise StackError(str(error)) from None
