"""What one folder alone knows: what a problem is about, and what an error is."""

import re
from pathlib import Path

import pytest

from include.configuration.layers import ROOT

FOLDERS = ("include", "dags", "plugins", "scripts")
KINDS = (".py", ".html", ".js", ".css", ".sql", ".toml")
# What the shipped problem is about, as a word or within a name.
WORDS = re.compile(r"(?<![a-z])(?:pickup|dropoff|trips?|zones?|taxis?|minutes)(?![a-z])", re.IGNORECASE)
# Other things that these words name: time zones, and lengths of time beside other ones.
OTHERS = re.compile(r"(?i)time[ _]?zones?|at time zone|zoneinfo|timedelta\(minutes=|(?:five|whole) minutes")
UNITS = re.compile(r"(?i)minutes(?=.*hours)|(?<=hours).*minutes|MINUTES_OF_DAY")
# The name of the problem that comes with the bundle, where one is chosen for people who name none.
DEFAULT = 'DEFAULT_PROBLEM = "taxi"'


def list_files() -> list[Path]:
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in KINDS]
    return sorted(path for path in found if ROOT / "include" / "problems" not in path.parents)


def find_words(text: str) -> list[str]:
    lines = (UNITS.sub("", OTHERS.sub("", line.replace(DEFAULT, ""))) for line in text.splitlines())
    return [f"line {number}: {word}" for number, line in enumerate(lines, 1) for word in WORDS.findall(line)]


@pytest.mark.parametrize("path", list_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_a_problems_folder_says_what_it_is_about(path: Path) -> None:
    assert find_words(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line", ["pickup_at: datetime", "RMSE in minutes", "trip_distance", "raw.zones", "the taxi's", "def list_trips("]
)
def test_a_word_of_the_shipped_problem_is_found(line: str) -> None:
    assert find_words(line)


@pytest.mark.parametrize("line", ["timezone=UTC", "timedelta(minutes=5)", "in its time zone", "strip()", "stripped"])
def test_what_only_looks_like_one_is_not(line: str) -> None:
    assert find_words(line) == []


OBJECTIVES = ROOT / "include" / "problem" / "objectives"
# Migrations are never changed: the first ones named columns by the measure.
MIGRATIONS = ROOT / "include" / "sql"
MEASURE = re.compile("rmse", re.IGNORECASE)


@pytest.mark.parametrize("folder", ["include", "dags", "plugins"])
def test_only_the_objective_knows_the_measure_that_decides(folder: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix != ".pyc"]
    elsewhere = [path for path in files if not {OBJECTIVES, MIGRATIONS} & {*path.parents}]
    assert elsewhere
    found = [path for path in elsewhere if MEASURE.search(path.read_text(encoding="utf-8", errors="replace"))]
    assert [str(path.relative_to(ROOT)) for path in found] == []


def test_the_objective_names_its_measure() -> None:
    assert any(MEASURE.search(path.read_text(encoding="utf-8")) for path in OBJECTIVES.glob("*.py"))
