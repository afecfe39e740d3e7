"""What the programs of the stack find in their environment: Airflow's and MLflow's configuration, connections."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from include.embedded.isolation import choose_environment
from include.embedded.options import (
    AIRFLOW_OPTIONS,
    MLFLOW_SERVER_ENVIRONMENT,
    SERVING_ENVIRONMENT,
    SHARED_ENVIRONMENT,
    name_variables,
)
from include.embedded.overrides import list_overridable
from include.embedded.programs.bell import BELL
from include.embedded.programs.ports import HOST
from include.embedded.programs.processes import MARKER
from include.embedded.settings import STACK_KEYS
from include.settings import ROOT
from include.tracking_server.access import READER_PASSWORD, WRITER_PASSWORD
from include.tracking_server.routes import READER, WRITER

if TYPE_CHECKING:
    from include.embedded.stack import Stack

BUNDLE = "mltrain"
MAIL_SERVER = "AIRFLOW_CONN_SMTP_DEFAULT"
LOCAL_ADDRESSES = f"{HOST},localhost"


def base_environment(stack: "Stack", caller: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What of the caller's environment is let through, without settings, plus what all programs share.

    Settings are left out because each task reads them from their files again.
    """
    left_out = list_overridable(caller) | STACK_KEYS
    kept = {key: value for key, value in choose_environment(caller).items() if key not in left_out}
    return kept | {
        **SHARED_ENVIRONMENT,
        MARKER: str(stack.home),
        "MLTRAIN_HOME": str(stack.home),
        "PYTHONPATH": str(ROOT),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), caller.get("PATH", os.defpath)]),
        # Programs of one machine talk to each other, whatever proxy leads to the world.
        "no_proxy": ",".join(filter(None, [LOCAL_ADDRESSES, caller.get("no_proxy") or caller.get("NO_PROXY")])),
        "NO_PROXY": ",".join(filter(None, [LOCAL_ADDRESSES, caller.get("NO_PROXY") or caller.get("no_proxy")])),
    }


def mlflow_environment(stack: "Stack") -> dict[str, str]:
    """Configuration of the MLflow server, by environment so that the database's password is on no command line."""
    return base_environment(stack) | {
        **MLFLOW_SERVER_ENVIRONMENT,
        "MLFLOW_BACKEND_STORE_URI": _sqlalchemy(stack.mlflow_url),
        "MLFLOW_ARTIFACTS_DESTINATION": str(stack.home / "mlflow" / "artifacts"),
        "MLFLOW_HOST": HOST,
        "MLFLOW_PORT": str(stack.ports["mlflow"]),
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"{HOST}:*,localhost:*",
        READER_PASSWORD: stack.credentials.mlflow_reader_password,
        WRITER_PASSWORD: stack.credentials.mlflow_writer_password,
    }


def tracking_environment(stack: "Stack", role: str) -> dict[str, str]:
    """Where the MLflow server is, and a login, as its clients read them."""
    name, password = stack.mlflow_login(role)
    return {
        "MLFLOW_TRACKING_URI": stack.mlflow_address,
        "MLFLOW_TRACKING_USERNAME": name,
        "MLFLOW_TRACKING_PASSWORD": password,
    }


def airflow_environment(stack: "Stack", role: str = WRITER) -> dict[str, str]:
    """Configuration and connections of an Airflow program, and its role with MLflow: tasks write, all others read."""
    connections = {
        f"AIRFLOW_CONN_{name}": json.dumps(fields) if isinstance(fields, dict) else fields
        for name, fields in _connections(stack).items()
    }
    return (
        base_environment(stack)
        | {"AIRFLOW_HOME": str(stack.home / "airflow"), BELL: str(stack.home / "run" / "scheduler" / "bell")}
        | tracking_environment(stack, role)
        | name_variables(AIRFLOW_OPTIONS)
        | name_variables(_options(stack))
        | connections
    )


def serving_environment(stack: "Stack") -> dict[str, str]:
    """Addresses and secrets of the serving process."""
    return base_environment(stack) | {
        **SERVING_ENVIRONMENT,
        **tracking_environment(stack, READER),
        "SERVING_WAREHOUSE_URL": stack.warehouse_url,
        "SERVING_HOST": HOST,
        "SERVING_PORT": str(stack.ports["serving"]),
        "SERVING_API_KEY": stack.credentials.serving_api_key,
        "SERVING_WEBHOOK_SECRET": stack.credentials.serving_webhook_secret,
    }


def _options(stack: "Stack") -> dict[str, list[tuple[str, str]]]:
    bundle = {
        "name": BUNDLE,
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(ROOT)},
    }
    secrets = stack.credentials
    return {
        "CORE": [
            ("EXECUTOR", "include.embedded.programs.executor.PausingExecutor"),
            ("PARALLELISM", str(stack.settings.parallel_tasks)),
            ("DAGS_FOLDER", str(ROOT / "dags")),
            ("PLUGINS_FOLDER", str(ROOT / "plugins")),
            ("FERNET_KEY", secrets.fernet_key),
            ("SIMPLE_AUTH_MANAGER_USERS", f"{stack.settings.admin_user}:admin"),
            ("SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(stack.passwords_file)),
            ("EXECUTION_API_SERVER_URL", f"{stack.airflow_address}/execution/"),
        ],
        "SCHEDULER": [
            # Workers inherit what the scheduler has imported; not the default on macOS.
            ("MP_START_METHOD", "fork"),
            # The executor pauses.
            ("SCHEDULER_IDLE_SLEEP_TIME", "0"),
        ],
        "DAG_PROCESSOR": [
            ("DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle])),
            ("DAG_BUNDLE_STORAGE_PATH", str(stack.home / "airflow" / "bundles")),
        ],
        "DATABASE": [
            ("SQL_ALCHEMY_CONN", _sqlalchemy(stack.airflow_url)),
            # The start brings the database up to date; each program would compare all migrations with it again.
            ("CHECK_MIGRATIONS", "False"),
        ],
        "API": [
            ("HOST", HOST),
            ("PORT", str(stack.ports["airflow"])),
            ("BASE_URL", stack.airflow_address),
            ("SECRET_KEY", secrets.api_secret_key),
            ("WORKERS", "1"),
        ],
        "API_AUTH": [("JWT_SECRET", secrets.jwt_secret), ("JWT_ISSUER", BUNDLE)],
    }


def _connections(stack: "Stack") -> dict[str, str | dict]:
    mail = {"disable_tls": True, "disable_ssl": True, "from_email": "airflow@localhost"}
    return {
        "WAREHOUSE": stack.warehouse_url.replace("postgresql://", "postgres://", 1),
        # A mail server of one's own is used where the environment names one.
        "SMTP_DEFAULT": os.environ.get(MAIL_SERVER)
        or {"conn_type": "smtp", "host": HOST, "port": stack.ports["smtp"], "extra": mail},
        "AIRFLOW_API": {
            "conn_type": "http",
            "schema": "http",
            "host": HOST,
            "port": stack.ports["airflow"],
            "login": stack.settings.admin_user,
            "password": stack.credentials.admin_password,
        },
    }


def _sqlalchemy(url: str) -> str:
    return "postgresql+psycopg2://" + url.split("://", 1)[1]
