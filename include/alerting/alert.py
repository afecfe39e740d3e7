"""What an alert says, apart from how it looks and where it goes."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from include.problem.words import show_amount

Severity = Literal["info", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")


@dataclass(frozen=True)
class Table:
    """Rows of text under a heading."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Chart:
    """Values to draw: one bar for each label, or with `lines` one line for each name.

    Attributes:
        ticks: What stands below the lines' points; without any, 1, 2, 3, ...
        threshold: Where to draw a dashed line across; None: nowhere.
    """

    title: str
    unit: str
    bars: Mapping[str, float] | None = None
    lines: Mapping[str, tuple[float, ...]] | None = None
    ticks: tuple[str, ...] = ()
    threshold: float | None = None

    def describe(self) -> str:
        """What the picture shows, for people who do not see it."""
        shown = self.bars or {name: values[-1] for name, values in (self.lines or {}).items() if values}
        last = ", last values" if self.lines else ""
        return f"{self.title}{last}: " + ", ".join(
            f"{name} {show_amount(value, self.unit)}" for name, value in shown.items()
        )


@dataclass(frozen=True)
class Alert:
    """One message to people.

    Attributes:
        kind: What happened, by a name of our own: `task failed`, `trained`, `drift`.
        state: The state of the DAG after it, as the subject says it: `failed`, `succeeded`, `is late`.
        event_key: Names the event: however often it is reported, people hear of it once.
        label: What the task was mapped over, a model most often.
        headline: The first sentence.
        facts: Name -> value.
        details: Lines that keep their form, such as the end of a traceback.
        links: Text -> address.
        repeat_key: Names the cause: alerts with the same one, but for numbers and the like, are counted rather than
            sent for a while. None: each is sent.
        map_index: Position of a mapped task, whose failures in one run become one alert; -1 for any other.
        repeats: How often it happened since it was last sent.
    """

    kind: str
    severity: Severity
    dag_id: str
    run_id: str
    state: str
    event_key: str
    headline: str
    task_id: str = ""
    label: str = ""
    facts: Mapping[str, str] | None = None
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    details: str = ""
    links: Mapping[str, str] | None = None
    repeat_key: str | None = None
    map_index: int = -1
    repeats: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The alert as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Alert":
        """The inverse of `to_dict`."""
        tables = tuple(
            Table(table["title"], tuple(table["head"]), tuple(tuple(row) for row in table["rows"]))
            for table in values["tables"]
        )
        charts = tuple(Chart(**{**chart, "ticks": tuple(chart["ticks"])}) for chart in values["charts"])
        return cls(**{**values, "tables": tables, "charts": charts})

    def make_storable(self) -> "Alert":
        """The alert with texts that a database and a mail can hold, wherever in it they are."""
        return Alert.from_dict(_change(self.to_dict(), make_storable))

    def change_texts(self, change: Callable[[str], str]) -> "Alert":
        """The alert with every text that people see, and what names its cause, passed through `change`."""
        return replace(
            self,
            repeat_key=self.repeat_key and change(self.repeat_key),
            headline=change(self.headline),
            label=change(self.label),
            details=change(self.details),
            facts={change(name): change(value) for name, value in (self.facts or {}).items()},
            tables=tuple(
                Table(
                    change(table.title),
                    tuple(map(change, table.head)),
                    tuple(tuple(map(change, row)) for row in table.rows),
                )
                for table in self.tables
            ),
        )


@dataclass(frozen=True)
class Occurrence:
    """One event that an alert reports: which mapped task, and how it ended."""

    label: str
    headline: str
    link: str
    details: str = ""


def make_storable(text: str) -> str:
    """The text with an escape for each NUL, which Postgres does not take, and lone surrogate, which UTF-8 cannot say.

    Surrogates are what Python makes of the bytes of a file's name that are not UTF-8.
    """
    return text.replace("\0", r"\0").encode(errors="backslashreplace").decode()


def _change(value: Any, change: Callable[[str], str]) -> Any:
    """The value with each text in it, names included, passed through `change`."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(name): _change(inner, change) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_change(inner, change) for inner in value)
    return value


def write_subject(alert: Alert, occurrences: tuple[Occurrence, ...] = ()) -> str:
    """One line that says DAG, task, state and model, without anything that a mail header could stumble over."""
    what = f"{alert.dag_id}.{alert.task_id}" if alert.task_id else alert.dag_id
    labels = list(dict.fromkeys(occurrence.label for occurrence in occurrences if occurrence.label)) or [alert.label]
    about = ", ".join(labels) if len(labels) <= 3 else f"{len(labels)} tasks: {', '.join(labels[:2])}, ..."
    # Control characters and line ends would start another header; `split` takes all of Unicode's white space.
    line = " ".join(f"{what} {alert.state}{': ' if about else ''}{about}".split())
    return "".join(character for character in line if character.isprintable())[:200]
