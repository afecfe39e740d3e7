"""What a look at the newest data has found, and the alarm that may follow, in forms that tasks can hand on."""

from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, cast

from include.monitoring.results import AlarmValues, DriftValues
from include.monitoring.windows import Window


@dataclass(frozen=True)
class DriftReport:
    """What a look has found.

    Attributes:
        windows: The windows that were looked at, oldest first.
        drifted: Column -> for each window, whether it drifted.
        alarming: The columns that the N-of-M rule names.
        shares: Column -> what has changed of its shares of missing and unseen values, in the newest window.
        errors: What is wrong with the champion's error in these windows, a phrase each.
        requests: How what is asked for differs from the training set, a sentence.
    """

    name: str
    champion_version: int
    windows: tuple[Window, ...]
    drifted: dict[str, tuple[bool, ...]]
    alarming: tuple[str, ...]
    shares: dict[str, str] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    requests: str = ""

    def describe(self) -> str:
        """What was found, in a line for each column that drifts."""
        span = f"{self.windows[0].start} to {self.windows[-1].last_day}"
        lines = [f"Version {self.champion_version} against {len(self.windows)} windows, {span}."]
        for name, flags in self.drifted.items():
            starts = [str(window.start) for window, flag in zip(self.windows, flags, strict=True) if flag]
            if starts:
                word = "alarm" if name in self.alarming else "no alarm"
                shares = f" ({self.shares[name]})" if name in self.shares else ""
                lines.append(f"{name} drifts in the windows from {', '.join(starts)}: {word}{shares}.")
        if len(lines) == 1:
            lines.append("Nothing drifts.")
        lines += [f"Error: {phrase}: alarm." for phrase in self.errors]
        return "\n".join([*lines, *([self.requests] if self.requests else [])])

    def to_dict(self) -> DriftValues:
        """As plain JSON values."""
        windows = [{"start": str(window.start), "days": window.days} for window in self.windows]
        return cast(DriftValues, {**asdict(self), "windows": windows})

    @classmethod
    def from_dict(cls, values: DriftValues) -> "DriftReport":
        """The inverse of `to_dict`."""
        windows = tuple(Window(date.fromisoformat(window["start"]), window["days"]) for window in values["windows"])
        fields: dict[str, Any] = {**values, "windows": windows, "errors": tuple(values["errors"])}
        return cls(**fields)


@dataclass(frozen=True)
class Alarm:
    """A drift, or an error that has changed, that is not answered yet; what the asset event says of it.

    Attributes:
        windows: First days of the windows that drifted, oldest first; those that were looked at where none has.
        errors: What is wrong with the champion's error, a phrase each.
    """

    champion_version: int
    columns: tuple[str, ...]
    windows: tuple[str, ...]
    errors: tuple[str, ...] = ()

    def to_dict(self) -> AlarmValues:
        """The event's `extra`."""
        return {
            "champion_version": self.champion_version,
            "columns": list(self.columns),
            "errors": list(self.errors),
            "windows": list(self.windows),
        }
