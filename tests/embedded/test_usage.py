"""How a person is told to call a command, and what a call that cannot be understood is answered with."""

import sys
from pathlib import Path

import pytest

from include.deployment import __main__ as deployment
from include.embedded import __main__ as launcher
from include.embedded.usage import DEFAULT_HOME, name_command


def refuse(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command prints that cannot be understood."""
    monkeypatch.setattr(sys, "argv", list(words))
    with pytest.raises(SystemExit, match="2"):
        (deployment if words[0] == "include.deployment" else launcher).main()
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "usage", "problem"),
    [
        (
            ["include.deployment", "backup"],
            "make backup TO=<directory>",
            "make backup: error: the following arguments are required: TO=<directory>",
        ),
        (
            ["include.deployment", "restore"],
            "make restore FROM=<directory>",
            "make restore: error: the following arguments are required: FROM=<directory>",
        ),
        (
            ["include.deployment", "check", "esc"],
            "make deploy-check [TARGET=<platform>]",
            "make deploy-check: error: argument TARGET=<platform>: invalid choice: 'esc' (choose from",
        ),
        (
            ["include.embedded", "logs", "servng"],
            "make logs [PROGRAM=<program>]",
            "make logs: error: argument PROGRAM=<program>: invalid choice: 'servng' (choose from",
        ),
        (
            ["include.embedded", "fail", "foo"],
            "make fail [HOW=<way>]",
            "make fail: error: argument HOW=<way>: invalid choice: 'foo' (choose from",
        ),
        (
            ["include.embedded", "reproduce", "seven"],
            "make reproduce [VERSION=<number>]",
            "make reproduce: error: argument VERSION=<number>: invalid int value: 'seven'",
        ),
    ],
    ids=lambda value: value[1] if isinstance(value, list) else "",
)
def test_make_is_told_which_variable_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], usage: str, problem: str
) -> None:
    monkeypatch.setenv("MLTRAIN_GIVEN", "")
    first, second = refuse(monkeypatch, capsys, *words).splitlines()
    assert first == f"usage: {usage}"
    assert second.startswith(problem)


def test_who_called_the_program_itself_is_told_its_arguments(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLTRAIN_GIVEN", raising=False)
    said = refuse(monkeypatch, capsys, "include.deployment", "backup")
    assert "python -m include.deployment backup: error: the following arguments are required: to" in said


def test_home_is_named_where_it_is_not_the_default() -> None:
    assert name_command("up", DEFAULT_HOME) == "make up"
    assert name_command("up", Path("/data/.local-rents")) == "MLTRAIN_HOME=/data/.local-rents make up"
    assert name_command("up", Path("/my data")) == "MLTRAIN_HOME='/my data' make up"
