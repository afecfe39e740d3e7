"""Rows as people and programs send them: one parser for the REST API, the service and the pages.

Fields have neutral names or those of the source. How each is read says its kind, see `include.problem.kinds`; a number
may also be text. A column that is not required may be left out, null or blank; a time that stands for now when it is
left out is the wall time of the problem's time zone. All else is refused by the name of its field, as training rejects
a row by the same bounds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from include.configuration.values import suggest
from include.errors import MltrainError
from include.problem.declaration import Problem
from include.problem.request_values import Parser, must_be_given
from include.problem.words import name_one

MOST_ROWS = 10_000
MOST_FLAWS = 20
MOST_TEXT = 60


@dataclass(frozen=True)
class InputFormat:
    """How rows of a problem are written.

    Attributes:
        names: Every accepted name -> the neutral one.
        parsers: Neutral name -> what reads a value, a ValueError where it is wrong.
        left_out: What stands for a field that is not there, of those that may be left out.
        timed: Fields that stand for now where they are missing.
    """

    problem: Problem
    names: Mapping[str, str]
    parsers: Mapping[str, Parser]
    left_out: Mapping[str, Any]
    timed: tuple[str, ...]
    timezone: ZoneInfo

    @classmethod
    def of(cls, problem: Problem) -> "InputFormat":
        """The format that the problem declares."""
        names = {column.name: column.name for column in problem.inputs}
        for column in problem.inputs:
            names.setdefault(column.source, column.name)
        timezone = ZoneInfo(problem.timezone)
        return cls(
            problem,
            names,
            {column.name: column.of_kind.make_parser(column, timezone) for column in problem.inputs},
            {column.name: column.of_kind.missing for column in problem.inputs if not must_be_given(column)},
            tuple(column.name for column in problem.inputs if column.when_missing),
            timezone,
        )


@dataclass(frozen=True)
class Flaw:
    """What is wrong with one field of one row, numbered from 0; the field is empty where it is the row itself."""

    row: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"inputs[{self.row}]{'.' * bool(self.field)}{self.field} {self.message}"


class InputsInvalid(MltrainError):
    """Rows that cannot be used; each problem names its row and field."""

    def __init__(self, problems: Sequence[Flaw]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, problems)))


def parse_rows(records: Sequence[Any], form: InputFormat, now: datetime | None = None) -> dict[str, npt.NDArray[Any]]:
    """Turns records into the columns that models take.

    Args:
        records: One mapping per row.
        now: Stands for a time that is left out; None: the clock, as wall time in the format's time zone.

    Returns:
        The columns of `problem.dtypes`, each of the records' number and order.

    Raises:
        InputsInvalid: Something cannot be used; names up to `MOST_FLAWS` of them.
    """
    columns: dict[str, list[Any]] = {name: [] for name in form.parsers}
    problems: list[Flaw] = []
    for number, record in enumerate(records):
        values, wrong = _parse_row(record, form)
        if wrong:
            problems += [Flaw(number, field, message) for field, message in wrong]
            if len(problems) >= MOST_FLAWS:
                break
        for name, column in columns.items():
            column.append(values.get(name))
    if problems:
        raise InputsInvalid(problems[:MOST_FLAWS])
    if left_out := [name for name in form.timed if None in columns[name]]:
        moment = now or datetime.now(form.timezone).replace(tzinfo=None, microsecond=0)
        for name in left_out:
            columns[name] = [moment if value is None else value for value in columns[name]]
    return {name: np.array(columns[name], dtype=dtype) for name, dtype in form.problem.dtypes.items()}


def describe_row(form: InputFormat) -> dict[str, Any]:
    """The JSON Schema of one row: refuses what `parse_rows` refuses, as far as a schema can compare."""
    schemas = {
        column.name: column.of_kind.schema(column) | ({"description": column.description} if column.description else {})
        for column in form.problem.inputs
    }
    both = [[name for name, neutral in form.names.items() if neutral == field] for field in schemas]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: schemas[neutral] for name, neutral in form.names.items()},
        "propertyNames": {"enum": list(form.names)},
    }
    if needed := [names for names in both if names[0] not in form.left_out]:
        schema["allOf"] = [{"anyOf": [{"required": [name]} for name in names]} for names in needed]
    # The second name of a field stands in for the first, never beside it.
    if pairs := [names for names in both if len(names) > 1]:
        schema["not"] = {"anyOf": [{"required": names} for names in pairs]}
    return schema


def _parse_row(record: Any, form: InputFormat) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The row's values by neutral name, and what is wrong: field as it was given, and message."""
    if not isinstance(record, Mapping):
        return {}, [("", f"must be an object with the fields {', '.join(form.parsers)}")]
    values: dict[str, Any] = {}
    wrong: list[tuple[str, str]] = []
    for given, value in record.items():
        # A row may have a million fields that nobody knows.
        if len(wrong) >= MOST_FLAWS:
            break
        name = form.names.get(given)
        if name is None:
            wrong.append((str(given)[:MOST_TEXT], refuse_field(str(given)[:MOST_TEXT], form)))
        elif name in values:
            wrong.append((given, f"is {name}, which is given twice"))
        else:
            try:
                values[name] = form.parsers[name](value)
            except ValueError as error:
                values[name] = None
                wrong.append((given, str(error)))
    if len(values) < len(form.parsers):
        wrong += [(name, "is missing") for name in form.parsers if name not in values and name not in form.left_out]
        values = {**form.left_out, **values}
    return values, wrong


def refuse_field(given: str, form: InputFormat, beside: Sequence[str] = ()) -> str:
    """What is said of a field that there is not: which one is near, else all of them.

    Args:
        beside: What can be given beside the fields.
    """
    others = suggest(given, (*form.names, *beside)) or f"; the fields are {', '.join(form.parsers)}"
    return f"is not a field of {name_one(form.problem)}{others}"
