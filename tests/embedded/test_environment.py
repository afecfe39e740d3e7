"""What the programs find in their environment, and which DAG files Airflow finds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from include.embedded.environment import airflow_environment, base_environment, mlflow_environment
from include.embedded.options import SERVING_ENVIRONMENT
from include.embedded.overrides import list_overridable
from include.embedded.programs.table import make_programs
from include.embedded.settings import STACK_KEYS, StackSettings
from include.embedded.stack import Stack, open_stack, wanted_ports
from include.settings import ROOT


@pytest.fixture
def stack(open_home: Path) -> Stack:
    settings = StackSettings()  # type: ignore[call-arg]
    return open_stack(open_home, settings, wanted_ports(settings))


def test_settings_of_the_shell_are_left_out_so_that_tasks_read_them_anew(stack: Stack) -> None:
    shell = dict.fromkeys(list_overridable({}) | STACK_KEYS, "1") | {"AWS_PROFILE": "mine"}
    environment = base_environment(stack, shell)
    assert not environment.keys() & (list_overridable({}) | STACK_KEYS)
    assert environment["AWS_PROFILE"] == "mine"


def test_configuration_of_another_airflow_is_left_out(stack: Stack) -> None:
    shell = {"AIRFLOW__CORE__EXECUTOR": "Other", "PGHOST": "elsewhere", "PYTHONDONTWRITEBYTECODE": "1"}
    assert not base_environment(stack, shell).keys() & shell.keys()


def test_programs_of_the_stack_talk_past_the_proxy(stack: Stack) -> None:
    environment = base_environment(stack, {"https_proxy": "http://proxy:3128", "no_proxy": "example.org"})
    assert environment["no_proxy"] == environment["NO_PROXY"] == "127.0.0.1,localhost,example.org"


def test_each_program_is_told_the_address_of_its_own_database_alone(stack: Stack) -> None:
    secrets = stack.credentials
    assert secrets.mlflow_database_password not in json.dumps(airflow_environment(stack))
    assert secrets.airflow_database_password not in json.dumps(mlflow_environment(stack))


def test_only_programs_that_run_tasks_may_write_to_mlflow(stack: Stack) -> None:
    secrets = stack.credentials
    environments = {program.name: json.dumps(program.environment) for program in make_programs(stack)}
    holders = {name for name, text in environments.items() if secrets.mlflow_writer_password in text}
    assert holders == {"mlflow", "scheduler"}
    readers = {name for name, text in environments.items() if secrets.mlflow_reader_password in text}
    assert readers == {"mlflow", "serving", "api-server", "dag-processor", "triggerer"}


def test_memory_of_the_prediction_service_alone_is_in_large_pages(stack: Stack) -> None:
    environments = {program.name: program.environment for program in make_programs(stack)}
    assert {name for name, given in environments.items() if given.keys() & SERVING_ENVIRONMENT.keys()} == {"serving"}


def test_connections_of_tasks_are_ones_that_airflow_understands(stack: Stack) -> None:
    environment = airflow_environment(stack)
    mail = json.loads(environment["AIRFLOW_CONN_SMTP_DEFAULT"])
    assert (mail["conn_type"], mail["port"], mail["extra"]["disable_ssl"]) == ("smtp", 1025, True)
    assert environment["AIRFLOW_CONN_WAREHOUSE"].startswith("postgres://warehouse:")


def test_airflow_finds_dag_files_below_dags_and_nowhere_else(tmp_path: Path) -> None:
    for name in ("dags/one.py", "dags/deep/two.py", "include/no.py", "tests/no.py", "plugins/no.py", "no.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".airflowignore").write_text((ROOT / ".airflowignore").read_text())
    code = (
        "import sys; from airflow._shared.module_loading.file_discovery import find_path_from_directory as find;"
        "print(*sorted(find(sys.argv[1], '.airflowignore')), sep='\\n')"
    )
    environment = os.environ | {"AIRFLOW_HOME": str(tmp_path / "airflow")}
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    found = [line.removeprefix(f"{tmp_path}/") for line in done.stdout.splitlines() if line.endswith(".py")]
    assert found == ["dags/deep/two.py", "dags/one.py"]
