"""Where a checkout and a stack's directory may be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from include.embedded.errors import StackError
from include.embedded.places import check_places
from include.settings import ROOT


@pytest.mark.parametrize(
    "name", ["two words", "Größe", "50% of it; a #1 'home'", 'a "b"', "costs 5$", "$5", "q?&=", "~"]
)
def test_directory_may_have_any_name_that_all_programs_read_as_it_is(tmp_path: Path, name: str) -> None:
    check_places([tmp_path / name])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a$HOME", "'\\$H', which Airflow reads as a variable"),
        ("a${x}", "Airflow reads as a variable"),
        ("a%41b", "'%41', which MLflow reads as an encoded character"),
        ("a:b", "':', which separates directories in search paths"),
        ("a\nb", "cannot be printed"),
    ],
)
def test_directory_that_a_program_would_take_for_another_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(StackError, match=f"contains .*{reason}.*: rename it"):
        check_places([tmp_path, tmp_path / name])


def test_refused_directory_stays_as_it_was(tmp_path: Path) -> None:
    home = tmp_path / "a%41b"
    done = subprocess.run(
        [sys.executable, "-m", "include.embedded", "up"],
        cwd=ROOT,
        env=os.environ | {"MLTRAIN_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "which MLflow reads as an encoded character" in done.stdout
    assert list(tmp_path.iterdir()) == []
