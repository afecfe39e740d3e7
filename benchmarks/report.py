"""A benchmark's outcome as a Markdown table, and how it is obtained in a process that knows no running stack."""

import logging
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module


@dataclass(frozen=True)
class Report:
    """What was measured.

    Attributes:
        goal: What the figures are meant to be; nothing fails when they are not.
        rows: Texts, one a column.
        notes: What one has to know to read the figures.
    """

    title: str
    goal: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def to_markdown(self) -> str:
        """The table under its title, followed by the notes and by what it was measured on."""
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        table = [f"| {' | '.join(line)} |" for line in lines]
        notes = [f"- {note}" for note in (*self.notes, describe_machine())]
        return "\n".join([f"# {self.title}", "", f"Goal: {self.goal}.", "", *table, "", *notes, ""])


def describe_machine() -> str:
    """Cores, Python, the day, and the load, which tells whether others worked beside the benchmark."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    day = datetime.now(UTC).date()
    return f"{cores} cores, Python {platform.python_version()}, {platform.system()}, {day}; load at the end: {load}"


def measure(name: str, home: str) -> str:
    """One benchmark's table; `home` is where its stack lives, if it starts one."""
    # Read when the settings are imported: neither a running stack nor its settings are touched.
    os.environ |= {"MLTRAIN_HOME": home, "AIRFLOW_HOME": home}
    os.environ.pop("WAREHOUSE_URL", None)
    logging.disable(logging.WARNING)
    report: Report = import_module(f"benchmarks.{name}").run()
    return report.to_markdown()
