"""Settings of the embedded stack, read like the domain's: process environment, else the tracked `.env`."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from include.embedded.errors import StackError
from include.taxi.errors import SettingsError
from include.taxi.setting_sources import ENV_FILE, SettingsModel, build, gather
from include.taxi.setting_values import Database, Person, Port, Seconds


class StackSettings(SettingsModel):
    """What the programs of the stack listen on and are called; field `airflow_port` is `AIRFLOW_PORT` of `.env`."""

    # Where each program listens on 127.0.0.1; the next free port where one is taken
    airflow_port: Port = 8080
    mlflow_port: Port = 5000
    postgres_port: Port = 5433
    smtp_port: Port = 1025
    supervisor_port: Port = 9001
    serving_port: Port = 8100

    # Databases, and the server that holds them when it is not the embedded one
    airflow_database: Database = "airflow"
    mlflow_database: Annotated[Database, Field(validate_default=True)] = "mlflow"
    warehouse_database: Annotated[Database, Field(validate_default=True)] = "warehouse"
    warehouse_url: SecretStr | None = None

    # Airflow
    admin_user: Person = "admin"
    parallel_tasks: int = Field(default=4, ge=1, le=1_024)

    # How long a program may take to come up, in seconds
    start_timeout: Seconds = 180.0

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


STACK_KEYS = frozenset(name.upper() for name in StackSettings.model_fields)


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
