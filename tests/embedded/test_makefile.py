"""The Makefile's own logic."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from include.taxi.settings import ROOT

MAKE = shutil.which("make")
pytestmark = pytest.mark.skipif(not MAKE, reason="make is not installed")


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS", "PYTHON3"))}
    command = [str(MAKE), "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env=kept | environment, check=False, capture_output=True, text=True)


def test_message_says_which_python_is_needed_when_none_fits(tmp_path: Path) -> None:
    done = make("venv", f"VENV={tmp_path / 'venv'}", PATH=str(tmp_path))
    assert done.returncode != 0
    assert "Python 3.11, 3.12 or 3.13 is needed" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_target_without_a_name_lists_the_others() -> None:
    listed = {line.split()[1] for line in make().stdout.splitlines()}
    assert {"run", "up", "down", "status", "logs", "psql", "reset", "test", "check", "lock"} <= listed
