"""What a card can show besides a figure: a table, or a few facts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

MINUTE, HOUR, DAY = 60, 3600, 86_400


@dataclass(frozen=True)
class Cell:
    """Text that leads somewhere.

    Attributes:
        to: A path of Airflow's web UI, such as `/dags/prediction`; empty: text alone.
        tone: `good`, `bad` or `warn`; empty: neither.
    """

    text: str
    to: str = ""
    tone: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under headings; the page shows a few at a time."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Fact:
    """One figure with its name, and a line of detail.

    Attributes:
        tone: As a cell's, or `quiet`: not to be compared with the others.
        to: Where the value leads: a path of Airflow's web UI, or the whole address of another server's page.
    """

    label: str
    value: str
    detail: str = ""
    tone: str = ""
    to: str = ""


@dataclass(frozen=True)
class Facts:
    """Figures side by side."""

    facts: Sequence[Fact]


def run_page(dag_id: str, run_id: str) -> str:
    """Where Airflow's web UI shows a run; run ids hold characters that mean something in an address."""
    return f"/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


def show_age(moment: datetime | None, now: datetime | None = None) -> str:
    """How long ago: `5 min ago`."""
    return f"{show_seconds(((now or datetime.now(UTC)) - moment).total_seconds())} ago" if moment else "never"


def show_seconds(seconds: float | None) -> str:
    """A duration in its largest fitting unit."""
    if seconds is None:
        return ""
    for unit, size in (("d", DAY), ("h", HOUR), ("min", MINUTE)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def show_bytes(size: int | None) -> str:
    """A size in its largest fitting unit."""
    if size is None:
        return ""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"
