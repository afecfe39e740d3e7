"""Trips as people and programs send them: one parser for the REST API, the service and, for its bounds, the batch.

Fields have neutral names or those of the source. What is documented as a fallback:

pickup_at      missing, null or empty: now. ISO 8601; with an offset, it becomes wall time in SOURCE_TIMEZONE.
pickup_zone    a whole number from 1 on, also as text. A zone that training never saw is predicted as an unknown one.
dropoff_zone   as pickup_zone.
trip_distance  a number within TRIP_DISTANCE_MIN and TRIP_DISTANCE_MAX, also as text.

All else is refused by the name of its field, as a ride that training refuses by the same bounds would be.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from include.configuration.values import END
from include.errors import MltrainError
from include.problems.taxi.features import TRIP_COLUMNS
from include.settings import Settings

MOST_ROWS = 10_000
MOST_FLAWS = 20
MOST_TEXT = 60
ZONE_BOUNDS = (1, 2**31 - 1)
# As text, within the bounds that numbers have by default: a JSON Schema cannot tell more of a text.
WHOLE_NUMBER = rf"^ *[1-9][0-9]{{0,8}} *{END}"
NUMBER = rf"^ *[0-9]{{1,6}}(\.[0-9]{{1,15}})? *{END}"
# ISO 8601 as one expression, days of the month included, so that a JSON Schema refuses what is no time.
DAY = (
    r"[12][0-9]{3}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
    r"|20([02468][048]|[13579][26])-02-29"
)
CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
OFFSET = r"(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])"
TIME = rf"^(({DAY})([T ]{CLOCK}{OFFSET}?)?)?{END}"
MOMENT = rf"^({DAY})[T ]{CLOCK}{OFFSET}{END}"
# Which of the fields a trip can do without.
OPTIONAL = ("pickup_at",)


@dataclass(frozen=True)
class InputFormat:
    """How trips are written.

    Attributes:
        names: Every accepted name -> the neutral one.
        timezone: Of wall times.
        distance: Least and greatest trip distance.
    """

    names: Mapping[str, str]
    timezone: ZoneInfo
    distance: tuple[float, float]

    @classmethod
    def of(cls, settings: Settings) -> "InputFormat":
        """The format that the settings describe."""
        names = {name: name for name in TRIP_COLUMNS}
        for name in TRIP_COLUMNS:
            names.setdefault(settings.problem.read_columns[name], name)
        column = settings.problem.columns["trip_distance"]
        bounds = (float(column.minimum or 0), float(column.maximum or 0))
        return cls(names, ZoneInfo(settings.problem.timezone), bounds)


@dataclass(frozen=True)
class Flaw:
    """What is wrong with one field of one trip, numbered from 0; the field is empty where it is the trip itself."""

    trip: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"inputs[{self.trip}]{'.' * bool(self.field)}{self.field} {self.message}"


class InputsInvalid(MltrainError):
    """Trips that cannot be used; each problem names its trip and field."""

    def __init__(self, problems: Sequence[Flaw]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, problems)))


def parse_rows(records: Sequence[Any], form: InputFormat, now: datetime | None = None) -> dict[str, npt.NDArray[Any]]:
    """Turns records into the columns that models take.

    Args:
        records: One mapping a trip.
        now: Stands for a missing pickup; None: the clock, as wall time in the format's zone.

    Returns:
        The columns of `TRIP_COLUMNS`, each of the records' number and order.

    Raises:
        InputsInvalid: Something cannot be used; names up to `MOST_FLAWS` of them.
    """
    moment = now or datetime.now(form.timezone).replace(tzinfo=None, microsecond=0)
    columns: dict[str, list[Any]] = {name: [] for name in TRIP_COLUMNS}
    problems: list[Flaw] = []
    for number, record in enumerate(records):
        values, wrong = _parse_trip(record, form, moment)
        if wrong:
            problems += [Flaw(number, field, message) for field, message in wrong]
            if len(problems) >= MOST_FLAWS:
                break
        for name, column in columns.items():
            column.append(values.get(name))
    if problems:
        raise InputsInvalid(problems[:MOST_FLAWS])
    return {name: np.array(columns[name], dtype=dtype) for name, dtype in TRIP_COLUMNS.items()}


def describe_row(form: InputFormat) -> dict[str, Any]:
    """The JSON Schema of one trip: refuses what `parse_rows` refuses, as far as a schema can tell."""
    required = [[name for name, neutral in form.names.items() if neutral == field] for field in TRIP_COLUMNS]
    return {
        "type": "object",
        "properties": {name: _schemas(form)[neutral] for name, neutral in form.names.items()},
        "propertyNames": {"enum": list(form.names)},
        "allOf": [
            {"anyOf": [{"required": [name]} for name in names]}
            for names in required
            if form.names[names[0]] not in OPTIONAL
        ],
        # The second name of a field stands in for the first, never beside it.
        "not": {"anyOf": [{"required": names} for names in required if len(names) > 1]},
    }


def _schemas(form: InputFormat) -> dict[str, dict[str, Any]]:
    low, high = ZONE_BOUNDS
    zone = {"type": ["integer", "string"], "minimum": low, "maximum": high, "pattern": WHOLE_NUMBER}
    shortest, longest = form.distance
    return {
        "pickup_at": {"type": ["string", "null"], "pattern": TIME},
        "pickup_zone": zone,
        "dropoff_zone": zone,
        "trip_distance": {
            "type": ["number", "string"],
            "minimum": shortest,
            "maximum": longest,
            "pattern": NUMBER,
        },
    }


def _parse_trip(record: Any, form: InputFormat, moment: datetime) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The trip's values by neutral name, and what is wrong: field as it was given, and message."""
    if not isinstance(record, Mapping):
        return {}, [("", f"must be an object with the fields {', '.join(TRIP_COLUMNS)}")]
    values: dict[str, Any] = {}
    wrong: list[tuple[str, str]] = []
    for given, value in record.items():
        name = form.names.get(given)
        if name is None:
            wrong.append((str(given)[:MOST_TEXT], f"is not a field of a trip; the fields are {', '.join(form.names)}"))
        elif name in values:
            wrong.append((given, f"is {name}, which is given twice"))
        else:
            try:
                values[name] = PARSERS[name](value, form)
            except ValueError as error:
                values[name] = None
                wrong.append((given, str(error)))
    if values.get("pickup_at") is None:
        values["pickup_at"] = moment
    wrong += [(name, "is missing") for name in TRIP_COLUMNS if name not in values]
    return values, wrong


def _parse_zone(value: Any, _form: InputFormat) -> int:
    if isinstance(value, str) and re.match(WHOLE_NUMBER, value):
        value = int(value)
    if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
        raise ValueError(f"must be a whole number, not {_show(value)}")
    low, high = ZONE_BOUNDS
    if not low <= value <= high:
        raise ValueError(f"must be a whole number from {low} to {high}")
    return int(value)


def _parse_distance(value: Any, form: InputFormat) -> float:
    if isinstance(value, str) and re.match(NUMBER, value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number, not {_show(value)}")
    low, high = form.distance
    # NaN is within no bounds.
    if not low <= value <= high:
        raise ValueError(f"must be a number from {low:.10g} to {high:.10g}")
    return float(value)


def _parse_time(value: Any, form: InputFormat) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, str) or not re.match(TIME, value):
        raise ValueError(f"must be a time such as 2024-02-14T18:30:00, not {_show(value)}")
    if not value:
        return None
    time = datetime.fromisoformat(value)
    return time.astimezone(form.timezone).replace(tzinfo=None) if time.tzinfo else time


PARSERS: dict[str, Callable[[Any, InputFormat], Any]] = {
    "pickup_at": _parse_time,
    "pickup_zone": _parse_zone,
    "dropoff_zone": _parse_zone,
    "trip_distance": _parse_distance,
}


def _show(value: Any) -> str:
    text = repr(value) if isinstance(value, str | int | float | None) else type(value).__name__
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}..."
