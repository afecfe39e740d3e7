"""What the commands of the Makefile hand on to the programs that they become."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from include.embedded import __main__ as launcher
from include.embedded.commands.notebook import QUIET
from include.embedded.errors import StackError
from include.embedded.programs.postgres import create_database
from include.embedded.programs.processes import MARKER
from include.embedded.programs.table import Program, save_programs
from include.embedded.settings import StackSettings
from include.embedded.stack import wanted_ports
from include.settings import Settings
from tests.conftest import find_free_port


@pytest.fixture
def became(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """Command and environment of the program that a command becomes, in a stack that runs."""
    environment = {"AIRFLOW_HOME": "/a stack", "PATH": "/bin", MARKER: str(tmp_path)}
    save_programs(tmp_path, [Program("scheduler", ("airflow", "scheduler"), tmp_path, environment)])
    calls: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(launcher, "HOME", tmp_path)
    monkeypatch.setattr(launcher, "need_running", lambda home: object())
    monkeypatch.setattr(launcher, "become", lambda command, environment: calls.append((command, environment)))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "Other")
    return calls


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("dags list", ["dags", "list"]),
        ("--help", ["--help"]),
        ("", []),
        ("dags trigger example --conf '{\"numbers\": 3}'", ["dags", "trigger", "example", "--conf", '{"numbers": 3}']),
    ],
)
def test_airflow_sees_what_the_scheduler_sees(
    became: list[tuple[list[str], dict[str, str]]], monkeypatch: pytest.MonkeyPatch, arguments: str, words: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["include.embedded", "airflow", "--", arguments])
    monkeypatch.setattr(launcher, "isolate", lambda environment, others: [])
    launcher.main()
    [(command, environment)] = became
    assert command == [sys.executable, "-m", "airflow", *words]
    assert (environment["AIRFLOW_HOME"], environment["TERM"]) == ("/a stack", "xterm")
    # It is a person's program, not one of the stack's, and the shell's own Airflow is none of its business.
    assert not environment.keys() & {MARKER, "AIRFLOW__CORE__EXECUTOR"}


def test_arguments_that_are_no_words_are_said_to_be_so(became: list[tuple[list[str], dict[str, str]]]) -> None:
    with pytest.raises(StackError, match="ARGS cannot be split into words"):
        launcher.airflow("dags 'list")
    assert became == []


def test_reproduce_asks_the_running_stack_whatever_server_the_shell_names(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None, int]] = []

    def rebuild(url: str, settings: Settings, version: int) -> SimpleNamespace:
        asked.append((url, settings.mlflow_tracking_uri, version))
        return SimpleNamespace(describe=lambda: "identical", is_identical=True)

    stack = SimpleNamespace(
        warehouse_url="postgresql://taxi@host/warehouse",
        mlflow_address="http://127.0.0.1:5000",
        mlflow_login=lambda role: (role, "secret"),
    )
    monkeypatch.setattr("include.embedded.commands.notebook.need_running", lambda home: stack)
    monkeypatch.setattr("include.training.rebuild.rebuild", rebuild)
    # For the start of the stack: the address of a login that may create databases.
    monkeypatch.setenv("WAREHOUSE_URL", "postgresql://admin@host/postgres")
    for name in (*QUIET, "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")
    assert launcher.reproduce(7) == 0
    assert asked == [("postgresql://taxi@host/warehouse", "http://127.0.0.1:5000", 7)]


def test_reset_names_the_databases_that_it_leaves_on_a_server_that_cannot_be_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = find_free_port()
    (tmp_path / "secrets.env").touch()
    ports = dict.fromkeys(wanted_ports(StackSettings()), (port, port))
    (tmp_path / "ports.json").write_text(json.dumps(ports))
    settings = {
        **StackSettings(warehouse_database="warehouse_cars").model_dump(mode="json"),
        "warehouse_url": f"postgresql://admin:hunter22@127.0.0.1:{port}/postgres",
    }
    (tmp_path / "stack.json").write_text(json.dumps(settings))
    monkeypatch.setattr(launcher, "HOME", tmp_path)
    assert launcher.remove() == 0
    said = capsys.readouterr().out
    assert (
        f"Left on 127.0.0.1:{port}, the server of WAREHOUSE_URL: the databases airflow, mlflow, warehouse_cars." in said
    )
    assert 'DROP DATABASE "warehouse_cars";' in said
    assert "hunter22" not in said
    assert not tmp_path.exists()


def test_reset_without_a_stack_says_that_there_is_nothing_to_delete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launcher, "HOME", tmp_path / "home")
    assert launcher.remove() == 0
    assert capsys.readouterr().out == f"There is no stack in {tmp_path / 'home'}: nothing to delete.\n"


@pytest.mark.parametrize("command", ["status", "psql", "rollback", "fail", "airflow"])
def test_command_on_a_stack_that_is_stopped_says_so_and_starts_nothing(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launcher, "HOME", tmp_path / "home")
    monkeypatch.setattr(launcher, "_start", lambda: pytest.fail("a stack was started"))
    monkeypatch.setattr(launcher, "isolate", lambda environment, others: [])
    monkeypatch.setattr(sys, "argv", ["include.embedded", command])
    assert launcher.main() == 1
    assert "The stack is not running. Start it with `" in capsys.readouterr().out
    assert not (tmp_path / "home").exists()


def test_psql_opens_the_warehouse_with_a_password_of_any_characters(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_database(postgres_url, "shop", "ann", "p@ss/w:rd%")
    server = urlsplit(postgres_url)
    url = f"postgresql://ann:p%40ss%2Fw%3Ard%25@{server.hostname}:{server.port}/shop?options=-c%20jit%3Doff"
    calls: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(launcher, "need_running", lambda home: SimpleNamespace(warehouse_url=url))
    monkeypatch.setattr(launcher, "become", lambda command, environment: calls.append((command, environment)))
    launcher.psql(["--tuples-only", "--no-align", "--command", "SELECT current_user, current_setting('jit')"])
    [(command, environment)] = calls
    assert "p@ss" not in " ".join(command)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "ann|off\n", done.stderr


def test_settings_that_are_given_are_told_without_their_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launcher, "HOME", tmp_path)
    monkeypatch.setattr(launcher, "start", lambda home, say: SimpleNamespace())
    monkeypatch.setattr(launcher, "check_settings", lambda *given: (None, []))
    monkeypatch.setenv("SOURCE", "postgresql://ann:s3cret@db.example/shop/public.orders")
    monkeypatch.setenv("BATCH_LOCATIONS", "file:///data/[a-z]*.csv")
    launcher._start()
    said = capsys.readouterr().out
    assert "SOURCE=postgresql://***@db.example/shop/public.orders\n" in said
    assert "BATCH_LOCATIONS=file:///data/[a-z]*.csv, " in said
    assert "s3cret" not in said


def test_part_of_a_backup_is_not_started_but_can_be_stopped_and_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secrets.env").touch()
    (tmp_path / "restoring").touch()
    monkeypatch.setattr(launcher, "HOME", tmp_path)
    monkeypatch.setattr(launcher, "start", lambda home, say: pytest.fail("a part of a stack was started"))
    with pytest.raises(StackError, match="holds a part of a backup.* make reset`, then restore again"):
        launcher.up()
    assert {path.name for path in tmp_path.iterdir()} == {"secrets.env", "restoring"}
    assert launcher.down() == 0
    assert launcher.remove() == 0
    assert not tmp_path.exists()
