"""A value of a request: how one of each kind is read, and the JSON Schema of what can be.

A wrong value is a ValueError that says what is right. What stands for one that is left out, `kinds` knows.
"""

import math
import re
from collections.abc import Callable
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from include.configuration.values import END
from include.problem import numerals

if TYPE_CHECKING:
    from include.problem.parts import Column

MOST_TEXT = 60
MOST_LETTERS = 10_000
CODE_BOUNDS = (-(2**31), 2**31 - 1)
NUMBER_BOUNDS = (-numerals.LARGEST, numerals.LARGEST)
# ISO 8601 as one expression, days of the month included, so that a JSON Schema refuses what is no time.
DAY = (
    r"[12][0-9]{3}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
    r"|20([02468][048]|[13579][26])-02-29"
)
CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
OFFSET = r"(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])"
_MOMENT_TEXT = rf"({DAY})([T ]{CLOCK}{OFFSET}?)?"
TIME = rf"^(\s*|{_MOMENT_TEXT}){END}"
GIVEN_TIME = rf"^{_MOMENT_TEXT}{END}"
# A time that says which one it is wherever it is read.
MOMENT = rf"^({DAY})[T ]{CLOCK}{OFFSET}{END}"
FLAGS = MappingProxyType({"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False})
_FLAG_TEXT = "|".join("".join(f"[{c.upper()}{c}]" if c.isalpha() else c for c in flag) for flag in FLAGS)

Parser = Callable[[Any], Any]
Schema = dict[str, Any]


def show(value: Any) -> str:
    """A value in a message: short, and of others than simple types the type alone."""
    text = repr(value) if isinstance(value, str | int | float | None) else type(value).__name__
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}..."


def _bounds(column: "Column", widest: tuple[float, float] = (-math.inf, math.inf)) -> tuple[float, float]:
    low, high = widest
    return (
        low if column.minimum is None else max(low, column.minimum),
        high if column.maximum is None else min(high, column.maximum),
    )


def _name_bounds(low: float, high: float) -> str:
    if math.isinf(low) and math.isinf(high):
        return ""
    if math.isinf(high):
        return f" of at least {low:.10g}"
    return f" of at most {high:.10g}" if math.isinf(low) else f" from {low:.10g} to {high:.10g}"


def _limit(column: "Column", schema: Schema, widest: tuple[float, float]) -> Schema:
    low, high = _bounds(column, widest)
    limits = {"minimum": low, "maximum": high}
    return schema | {
        name: int(limit) if limit == int(limit) and abs(limit) < NUMBER_BOUNDS[1] else limit
        for name, limit in limits.items()
    }


def must_be_given(column: "Column") -> bool:
    """Whether a request has to name a value of the column."""
    return column.required and not column.when_missing


def _or_null(column: "Column", *types: str) -> list[str]:
    return [*types] if must_be_given(column) else [*types, "null"]


def read_number(column: "Column", _timezone: ZoneInfo) -> Parser:
    low, high = _bounds(column)
    right = f"must be a number{_name_bounds(low, high)}"
    is_number = re.compile(numerals.NUMBER).match

    def read(value: Any) -> float:
        if isinstance(value, str) and is_number(value):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"must be a number, not {show(value)}")
        # NaN is within no bounds.
        if not low <= value <= high or not NUMBER_BOUNDS[0] <= value <= NUMBER_BOUNDS[1]:
            raise ValueError(right if right != "must be a number" else f"must be a number, not {show(value)}")
        return float(value)

    return read


def describe_number(column: "Column") -> Schema:
    pattern = numerals.match_number(*_bounds(column), or_blank=not must_be_given(column))
    return _limit(column, {"type": _or_null(column, "number", "string"), "pattern": pattern}, NUMBER_BOUNDS)


def read_code(column: "Column", _timezone: ZoneInfo) -> Parser:
    low, high = _bounds(column, CODE_BOUNDS)
    right = f"must be a whole number{_name_bounds(low, high)}"
    is_whole_number = re.compile(numerals.WHOLE_NUMBER).match

    def read(value: Any) -> int:
        if isinstance(value, str) and is_whole_number(value):
            value = int(value)
        if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
            raise ValueError(f"must be a whole number, not {show(value)}")
        if not low <= value <= high:
            raise ValueError(right)
        return int(value)

    return read


def describe_code(column: "Column") -> Schema:
    pattern = numerals.match_whole_number(*_bounds(column, CODE_BOUNDS), or_blank=not must_be_given(column))
    return _limit(column, {"type": _or_null(column, "integer", "string"), "pattern": pattern}, CODE_BOUNDS)


def read_text(column: "Column", _timezone: ZoneInfo) -> Parser:
    may_be_blank = not must_be_given(column)

    def read(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, str | int | float) or value != value:
            raise ValueError(f"must be a text, not {show(value)}")
        text = numerals.spell(value)
        if len(text) > MOST_LETTERS:
            raise ValueError(f"must be a text of at most {MOST_LETTERS} letters")
        # Postgres has no place for NUL, and a lone surrogate is no text.
        if "\0" in text or text != text.encode(errors="replace").decode():
            raise ValueError("must be a text without control characters")
        text = text.strip()
        if not (text or may_be_blank):
            raise ValueError("must be a text that is not empty")
        return text or None

    return read


def describe_text(column: "Column") -> Schema:
    pattern = rf"^[^\x00]*[^\s\x00][^\x00]*{END}" if must_be_given(column) else rf"^[^\x00]*{END}"
    return {"type": _or_null(column, "string", "number"), "maxLength": MOST_LETTERS, "pattern": pattern}


def read_flag(_column: "Column", _timezone: ZoneInfo) -> Parser:
    def read(value: Any) -> float:
        known = FLAGS.get(value.strip(" ").lower()) if isinstance(value, str) else value
        if not isinstance(known, bool | int | float) or known not in (0, 1):
            raise ValueError(f"must be true or false, not {show(value)}")
        return float(known)

    return read


def describe_flag(column: "Column") -> Schema:
    return {
        "type": _or_null(column, "boolean", "string", "integer"),
        "pattern": rf"^ *(?:{_FLAG_TEXT}) *{END}" if must_be_given(column) else rf"^(?:\s*| *(?:{_FLAG_TEXT}) *){END}",
        "minimum": 0,
        "maximum": 1,
    }


def read_time(_column: "Column", timezone: ZoneInfo) -> Parser:
    is_time = re.compile(GIVEN_TIME).match

    def read(value: Any) -> datetime:
        if not isinstance(value, str) or not is_time(value):
            raise ValueError(f"must be a time such as 2024-02-14T18:30:00, not {show(value)}")
        time = datetime.fromisoformat(value)
        return time.astimezone(timezone).replace(tzinfo=None) if time.tzinfo else time

    return read


def describe_time(column: "Column") -> Schema:
    return {"type": _or_null(column, "string"), "pattern": GIVEN_TIME if must_be_given(column) else TIME}
