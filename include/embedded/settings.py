"""Settings of the embedded stack, read like the domain's: process environment, else the tracked `.env`."""

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from include.embedded.errors import StackError
from include.taxi.settings import ROOT


class StackSettings(BaseSettings):
    """What the programs of the stack listen on and are called; field `airflow_port` is `AIRFLOW_PORT` of `.env`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_file=ROOT / ".env", env_file_encoding="utf-8", env_ignore_empty=True
    )

    # Where each program listens on 127.0.0.1; the next free port where one is taken
    airflow_port: int = Field(default=8080, ge=1024, le=65535)
    mlflow_port: int = Field(default=5000, ge=1024, le=65535)
    postgres_port: int = Field(default=5433, ge=1024, le=65535)
    smtp_port: int = Field(default=1025, ge=1024, le=65535)
    supervisor_port: int = Field(default=9001, ge=1024, le=65535)
    serving_port: int = Field(default=8100, ge=1024, le=65535)

    # Databases, and the server that holds them when it is not the embedded one
    airflow_database: str = "airflow"
    mlflow_database: str = "mlflow"
    warehouse_database: str = "warehouse"
    warehouse_url: SecretStr | None = None

    # Airflow
    admin_user: str = "admin"
    parallel_tasks: int = Field(default=4, ge=1)

    # How long a program may take to come up, in seconds
    start_timeout: float = Field(default=180.0, gt=0)


STACK_KEYS = frozenset(name.upper() for name in StackSettings.model_fields)


def read_stack_settings() -> StackSettings:
    """Reads the stack's settings anew.

    Raises:
        StackError: A value cannot be used; the message names each key and what is wrong with it.
    """
    try:
        return StackSettings()
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise StackError(f"Settings that cannot be used (see .env): {problems}") from None
