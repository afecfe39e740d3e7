"""Runs `make problem` as a person does, with a folder of problems of the test's own."""

import csv
import io
import os
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from include.declaring.__main__ import declare
from include.problem import problem_file
from include.problem.declaration import Problem
from include.problem.problem_file import read_problem
from tests.conftest import ROOT


@dataclass(frozen=True)
class Declared:
    """A problem that was written: its file, what was shown, and what is read back."""

    text: str
    shown: str
    problem: Problem

    @property
    def document(self) -> dict[str, Any]:
        return tomllib.loads(self.text)

    @property
    def kinds(self) -> dict[str, str]:
        return {column.source: column.kind for column in self.problem.columns.values()}


Declare = Callable[..., Declared]


@pytest.fixture
def problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of problems."""
    folder = tmp_path / "problems"
    monkeypatch.setattr(problem_file, "PROBLEMS", folder)
    return folder


@pytest.fixture
def run(problems: Path) -> Declare:
    """Declares a table: `run(source, target, TIME="day")`."""

    def run(source: Path | str, target: str = "y", **given: str) -> Declared:
        output = io.StringIO()
        name = f"table_{len(list(problems.glob('*')))}"
        environment = {"NAME": name, "SOURCE": str(source), "TARGET": target, **given}
        path = declare(environment, Console(file=output, width=400, highlight=False))
        return Declared(path.read_text(encoding="utf-8"), output.getvalue(), read_problem(path.parent.name))

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[[dict[str, list[Any]]], Path]:
    """Writes columns as CSV; their last values come again until all are as long as the longest."""

    def write(columns: dict[str, list[Any]]) -> Path:
        path = tmp_path / f"table_{len(list(tmp_path.glob('*.csv')))}.csv"
        rows = max(map(len, columns.values()))
        cells = [[name, *(values[row % len(values)] for row in range(rows))] for name, values in columns.items()]
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(zip(*cells, strict=True))
        return path

    return write


@pytest.fixture(scope="session")
def tables() -> Path:
    """The directory of real tables; skips without it."""
    directory = Path(os.environ.get("TRIP_DATA_DIR") or ROOT.parent / "shared" / "data") / "tables"
    if not directory.is_dir():
        pytest.skip(f"no real tables in {directory}: set TRIP_DATA_DIR to a directory that has them in `tables`")
    return directory
