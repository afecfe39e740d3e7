"""What the commands of the Makefile hand on to the programs that they become."""

import sys
from pathlib import Path

import pytest

from include.embedded import __main__ as launcher
from include.embedded.errors import StackError
from include.embedded.programs.processes import MARKER
from include.embedded.programs.table import Program, save_programs


@pytest.fixture
def became(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """Command and environment of the program that a command becomes, in a stack that runs."""
    environment = {"AIRFLOW_HOME": "/a stack", "PATH": "/bin", MARKER: str(tmp_path)}
    save_programs(tmp_path, [Program("scheduler", ("airflow", "scheduler"), tmp_path, environment)])
    calls: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(launcher, "HOME", tmp_path)
    monkeypatch.setattr(launcher, "find_running", lambda home: object())
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
