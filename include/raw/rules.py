"""The rules that a raw row must keep, as a table from which the schema of a frame is made."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.settings import Settings
from include.sources.location import month_bounds

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pa

WRONG_TYPE = "wrong type"
BEYOND = "outside of the years 1 to 9999"
MISSING = "missing"
DUPLICATE = "duplicate of an earlier row"
DURATION = "dropoff_at - pickup_at"


@dataclass(frozen=True)
class Rule:
    """A rule on one column of the frame; `holds` gives a boolean a value, and null values are not asked about.

    Attributes:
        column: A neutral column, or `DURATION`, the frame's difference of its two times.
        broken: What is wrong with a row that breaks it; `rule` in raw.rejected.
    """

    column: str
    broken: str
    holds: "Callable[[pd.Series, Settings, str], pd.Series]"


def _within_month(times: "pd.Series", settings: Settings, month: str) -> "pd.Series":
    import pandas as pd

    start, end = map(pd.Timestamp, month_bounds(month))
    tolerance = pd.Timedelta(days=settings.month_tolerance_days)
    return times.between(start - tolerance, end + tolerance, inclusive="left")


def _within_distance(miles: "pd.Series", settings: Settings, _month: str) -> "pd.Series":
    column = settings.problem.columns["trip_distance"]
    return miles.between(column.minimum, column.maximum)  # type: ignore[arg-type]


RULES = (
    Rule("pickup_at", "pickup_at: outside its month", _within_month),
    Rule(
        DURATION, "dropoff_at: not after pickup_at", lambda duration, settings, month: duration.dt.total_seconds() > 0
    ),
    Rule("pickup_zone", "pickup_zone: below 1", lambda zones, settings, month: zones >= 1),
    Rule("dropoff_zone", "dropoff_zone: below 1", lambda zones, settings, month: zones >= 1),
    Rule("trip_distance", "trip_distance: outside the allowed range", _within_distance),
)
# Goes up when the same row under the same settings gets another verdict.
RULES_VERSION = 1


def hash_rules(settings: Settings) -> str:
    """Identifies the rules and the settings that they follow; a difference makes stored verdicts outdated."""
    columns = settings.problem.columns.values()
    rules = [[each.name, each.required, each.minimum, each.maximum, each.after] for each in columns]
    return hashlib.sha256(repr([RULES_VERSION, settings.month_tolerance_days, sorted(rules)]).encode()).hexdigest()


def make_schema(settings: Settings, month: str) -> "pa.DataFrameSchema":
    """The schema of a frame of raw trips of `month` (YYYY-MM); every column that the settings name is required."""
    import pandera.pandas as pa

    def check(rule: Rule) -> "pa.Check":
        return pa.Check(lambda values: rule.holds(values, settings, month), error=rule.broken, ignore_na=True)

    names = dict.fromkeys([*settings.problem.read_columns, *(rule.column for rule in RULES)])
    return pa.DataFrameSchema(
        {
            name: pa.Column(
                nullable=name not in settings.problem.read_columns,
                checks=[check(rule) for rule in RULES if rule.column == name],
            )
            for name in names
        }
    )


def find_broken(frame: "pd.DataFrame", schema: "pa.DataFrameSchema") -> "pd.DataFrame":
    """Judges a chunk of raw trips.

    Args:
        frame: Neutral columns, indexed by row number.

    Returns:
        A row for each rule that a row broke: row_number, rule, detail (the value as text).
    """
    import pandas as pd
    import pandera.pandas as pa

    frame = frame.assign(**{DURATION: frame["dropoff_at"] - frame["pickup_at"]})
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases
        missing = cases["column"] + f": {MISSING}"
        return pd.DataFrame(
            {
                "row_number": cases["index"].astype("int64"),
                "rule": cases["check"].mask(cases["check"] == "not_nullable", missing).astype(str),
                "detail": cases["failure_case"].map(str).mask(cases["failure_case"].isna(), None),
            }
        )
    return pd.DataFrame({"row_number": [], "rule": [], "detail": []}).astype({"row_number": "int64"})
