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
    """

    name: str
    champion_version: int
    windows: tuple[Window, ...]
    drifted: dict[str, tuple[bool, ...]]
    alarming: tuple[str, ...]
    shares: dict[str, str] = field(default_factory=dict)

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
        return "\n".join(lines if len(lines) > 1 else [*lines, "Nothing drifts."])

    def to_dict(self) -> DriftValues:
        """As plain JSON values."""
        windows = [{"start": str(window.start), "days": window.days} for window in self.windows]
        return cast(DriftValues, {**asdict(self), "windows": windows})

    @classmethod
    def from_dict(cls, values: DriftValues) -> "DriftReport":
        """The inverse of `to_dict`."""
        windows = tuple(Window(date.fromisoformat(window["start"]), window["days"]) for window in values["windows"])
        fields: dict[str, Any] = {**values, "windows": windows}
        return cls(**fields)


@dataclass(frozen=True)
class Alarm:
    """A drift that is not answered yet; what the asset event says of it.

    Attributes:
        windows: First days of the windows that drifted, oldest first.
    """

    champion_version: int
    columns: tuple[str, ...]
    windows: tuple[str, ...]

    def to_dict(self) -> AlarmValues:
        """The event's `extra`."""
        return {
            "champion_version": self.champion_version,
            "columns": list(self.columns),
            "windows": list(self.windows),
        }
