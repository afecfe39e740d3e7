"""The notebook on the running stack: how `make notebook` opens it, and how it finds warehouse and MLflow."""

import importlib.util
import os
import sys
from dataclasses import dataclass, field
from typing import NoReturn

from include.embedded.errors import StackError
from include.embedded.lifecycle import need_running
from include.embedded.programs.launch import become
from include.embedded.programs.ports import HOST
from include.embedded.usage import name_command
from include.settings import HOME, ROOT
from include.tracking_server.routes import READER

NOTEBOOK = ROOT / "docs" / "inference.ipynb"
QUIET = {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}


@dataclass(frozen=True)
class Connection:
    """Where data and models are.

    Attributes:
        warehouse_url: Libpq address, with its password, which is not shown.
        mlflow_uri: Address of MLflow; its login is in the process's environment.
    """

    warehouse_url: str = field(repr=False)
    mlflow_uri: str


def connect() -> Connection:
    """The running stack's warehouse and MLflow, read from the stack's own files.

    If the environment has `WAREHOUSE_URL`, another server's are used instead: that one, `MLFLOW_TRACKING_URI`,
    `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`.

    Raises:
        StackError: The stack is not running.
    """
    if url := os.environ.get("WAREHOUSE_URL"):
        os.environ |= QUIET
        return Connection(url, os.environ.get("MLFLOW_TRACKING_URI", ""))
    return connect_to_stack()


def connect_to_stack() -> Connection:
    """The running stack's warehouse and MLflow, whatever the environment names: it may do so for the stack's start.

    Raises:
        StackError: The stack is not running.
    """
    stack = need_running(HOME)
    # A reader can load every model, and change none.
    name, password = stack.mlflow_login(READER)
    os.environ |= QUIET | {"MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": password}
    return Connection(stack.warehouse_url, stack.mlflow_address)


def notebook_command() -> list[str]:
    """JupyterLab on this machine's own address, with a token of its own; it takes the next free port by itself."""
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.ip={HOST}", str(NOTEBOOK)]
    return command if os.geteuid() else [*command, "--allow-root"]


def open_notebook() -> NoReturn:
    """Becomes JupyterLab, which prints its address.

    Raises:
        StackError: The stack is not running, or JupyterLab is not installed.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise StackError(
            f"JupyterLab is not installed: `{name_command('notebook')}` installs it, then opens the notebook."
        )
    need_running(HOME)
    # With a server of one's own, that is the address for making databases, not the warehouse's.
    become(notebook_command(), {key: value for key, value in os.environ.items() if key != "WAREHOUSE_URL"})
