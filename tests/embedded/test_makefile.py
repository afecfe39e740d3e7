"""The Makefile's own logic."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from include.settings import ROOT

MAKE = shutil.which("make")
pytestmark = pytest.mark.skipif(not MAKE, reason="make is not installed")


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS", "PYTHON3"))}
    command = [str(MAKE), "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env=kept | environment, check=False, capture_output=True, text=True)


def test_message_says_which_python_is_needed_when_none_fits(tmp_path: Path) -> None:
    done = make("venv", f"VENV={tmp_path / 'venv'}", PATH=str(tmp_path))
    assert done.returncode != 0
    assert "Python 3.11, 3.12 or 3.13 is required" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_target_without_a_name_lists_the_others() -> None:
    listed = {line.split()[1] for line in make().stdout.splitlines()}
    assert {"run", "up", "down", "status", "logs", "psql", "reset", "test", "check", "lock"} <= listed


# What paths and values may hold that shells, make and configuration files give a meaning to.
AWKWARD = 'a Größe\'s $HOME 50% #1 "x"'
RECORD = """#!/bin/sh
for argument in "$@"; do echo "argument $argument"; done
echo "directory $PWD"
env | grep -E '^(PYTHON|VIRTUAL_ENV|SOURCE|MONTHS|MLTRAIN_GIVEN)'
exit 0
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The Makefile in an awkward directory; its Python only says how it was called."""
    directory = tmp_path / AWKWARD
    (directory / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", directory)
    for name in ("python", "uv"):
        program = directory / ".venv" / "bin" / name
        program.write_text(RECORD)
        program.chmod(0o755)
    for name in ("requirements.txt", "requirements-team.txt", "requirements-dev.txt"):
        (directory / name).touch()
    return directory


def run_make(directory: Path, *arguments: str, **environment: str) -> list[str]:
    command = [str(MAKE), "--no-print-directory", *arguments]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        command, cwd=directory, env=kept | environment, check=False, capture_output=True, text=True, encoding="utf-8"
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "target", ["run", "problem", "up", "down", "status", "rollback", "psql", "reset", "test", "check", "lock"]
)
def test_every_command_works_in_a_directory_with_an_awkward_name(checkout: Path, target: str) -> None:
    lines = run_make(checkout, target)
    assert {line for line in lines if line.startswith("directory")} == {f"directory {checkout}"}


def test_value_reaches_programs_as_it_was_given(checkout: Path) -> None:
    value = "https://h/a_{month}.parquet?sig=a$b%3D$(shell date)$$#x y'\"\\"
    lines = run_make(checkout, "run", f"SOURCE={value}", MONTHS="2024-01$x")
    assert f"SOURCE={value}" in lines
    assert "MONTHS=2024-01$x" in lines
    assert "MLTRAIN_GIVEN=SOURCE" in lines


@pytest.mark.parametrize(
    ("target", "variable", "before"),
    [
        ("logs", "PROGRAM", ["-m", "include.embedded", "logs"]),
        ("fail", "HOW", ["-m", "include.embedded", "fail"]),
        ("backup", "TO", ["-m", "include.deployment", "backup"]),
        ("restore", "FROM", ["-m", "include.deployment", "restore"]),
        ("deploy-check", "TARGET", ["-m", "include.deployment", "check"]),
    ],
)
def test_argument_is_one_whatever_it_holds_and_none_where_it_is_not_given(
    checkout: Path, target: str, variable: str, before: list[str]
) -> None:
    def arguments(*given: str) -> list[str]:
        lines = [line.removeprefix("argument ") for line in run_make(checkout, target, *given)]
        return lines[lines.index("include.embedded" if "embedded" in before[1] else "include.deployment") - 1 :]

    assert arguments(f"{variable}={AWKWARD}")[: len(before) + 1] == [*before, AWKWARD]
    assert arguments()[: len(before) + 1] == [*before, f"directory {checkout}"]


def test_python_of_another_project_does_not_reach_ours(checkout: Path) -> None:
    lines = run_make(checkout, "up", PYTHONPATH="/other", PYTHONHOME="/other", VIRTUAL_ENV="/other")
    # By this, programs know that make called them.
    assert "MLTRAIN_GIVEN=" in lines
    assert "argument include.embedded" in lines
    assert not [line for line in lines if line.startswith(("PYTHON", "VIRTUAL_ENV"))]


def test_long_silence_of_the_installation_is_announced(checkout: Path) -> None:
    [line] = [line for line in run_make(checkout, "venv") if line.startswith("Installing")]
    assert line.startswith("Installing requirements.txt into .venv; after the download, compiling to bytecode takes")
