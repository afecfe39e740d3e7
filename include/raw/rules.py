"""The rules that a raw row must keep, as a table from which the schema of a frame is made."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.configuration.values import ALL
from include.problem.declaration import Problem
from include.problem.parts import Column
from include.settings import Settings
from include.sources.location import month_bounds

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pa

WRONG_TYPE = "wrong type"
NO_CLASS = "none of the classes"
BEYOND = "outside of the years 1 to 9999"
MISSING = "missing"
DUPLICATE = "duplicate of an earlier row"


@dataclass(frozen=True)
class Rule:
    """A rule on one column of the frame; `holds` gives a boolean a value, and null values are not asked about.

    Attributes:
        column: A neutral column, or the name of a time between two, see `name_elapsed`.
        broken: What is wrong with a row that breaks it; `rule` in raw.rejected.
    """

    column: str
    broken: str
    holds: "Callable[[pd.Series], pd.Series]"


def name_elapsed(column: Column) -> str:
    """What the time between a column and the one that it must come after is called."""
    return f"{column.name} - {column.after}"


def list_rules(settings: Settings, month: str) -> list[Rule]:
    """The rules that the declaration makes for the rows of `month` (YYYY-MM, or `all`)."""
    problem = settings.problem
    rules = []
    if problem.time and month != ALL:
        rules.append(Rule(problem.time, f"{problem.time}: outside its month", _make_within_month(settings, month)))
    for column in problem.stored:
        if column.after:
            broken = f"{column.name}: not after {column.after}"
            rules.append(Rule(name_elapsed(column), broken, lambda elapsed: elapsed.dt.total_seconds() > 0))
        if column.minimum is not None or column.maximum is not None:
            rules.append(Rule(column.name, f"{column.name}: {describe_bounds(column)}", make_within(column)))
    return rules


def describe_bounds(column: Column) -> str:
    """What is wrong with a value out of the column's bounds."""
    if column.maximum is None:
        return f"below {column.minimum:.10g}"
    return f"above {column.maximum:.10g}" if column.minimum is None else "outside the allowed range"


def make_within(column: Column) -> "Callable[[pd.Series], pd.Series]":
    """The function that says which values are within the column's bounds."""
    low = -math.inf if column.minimum is None else column.minimum
    high = math.inf if column.maximum is None else column.maximum
    return lambda values: values.between(low, high)


def _make_within_month(settings: Settings, month: str) -> "Callable[[pd.Series], pd.Series]":
    import pandas as pd

    start, end = map(pd.Timestamp, month_bounds(month))
    tolerance = pd.Timedelta(days=settings.month_tolerance_days)
    return lambda times: times.between(start - tolerance, end + tolerance, inclusive="left")


# Goes up when the same row under the same settings gets another verdict.
RULES_VERSION = 1


def hash_rules(settings: Settings) -> str:
    """Identifies the rules and the settings that they follow; a difference makes stored verdicts outdated."""
    problem = settings.problem
    rules = [[each.name, each.required, each.minimum, each.maximum, each.after] for each in problem.columns.values()]
    identity = [RULES_VERSION, problem.time, settings.month_tolerance_days, sorted(rules)]
    return hashlib.sha256(repr(identity).encode()).hexdigest()


def make_schema(settings: Settings, month: str) -> "pa.DataFrameSchema":
    """The schema of a frame of raw rows of `month` (YYYY-MM), for `find_broken`."""
    import pandera.pandas as pa

    checks: dict[str, list[pa.Check]] = {column.name: [] for column in settings.problem.stored}
    for rule in list_rules(settings, month):
        checks.setdefault(rule.column, []).append(pa.Check(rule.holds, error=rule.broken, ignore_na=True))
    required = {column.name for column in settings.problem.stored if column.required}
    return pa.DataFrameSchema({name: pa.Column(nullable=name not in required, checks=checks[name]) for name in checks})


def find_broken(frame: "pd.DataFrame", problem: Problem, schema: "pa.DataFrameSchema") -> "pd.DataFrame":
    """Judges a chunk of raw rows.

    Args:
        frame: The problem's stored columns, indexed by row number.

    Returns:
        A row for each rule that a row broke: row_number, rule, detail (the value as text).
    """
    import pandas as pd
    import pandera.pandas as pa

    ordered = [column for column in problem.stored if column.after]
    frame = frame.assign(**{name_elapsed(column): frame[column.name] - frame[column.after] for column in ordered})
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
