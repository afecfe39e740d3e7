"""The table of kinds: how a column of each is stored, asked for, profiled and watched. A new kind is a new entry.

It imports nothing slow: DAG files read it. What needs Arrow or a frame finds its part by the names in the table.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args
from zoneinfo import ZoneInfo

from include.configuration.values import END

if TYPE_CHECKING:
    from include.problem.declaration import Column

KindName = Literal["number", "code", "category", "flag", "time", "text", "id", "ignored"]
KIND_NAMES: tuple[KindName, ...] = get_args(KindName)
# Codes have no place for a missing value of their own; no source has this one.
MISSING_CODE = -(2**63)
MOST_TEXT = 60
MOST_LETTERS = 10_000
CODE_BOUNDS = (-(2**31), 2**31 - 1)
# As text, a JSON Schema cannot compare numbers; these are the forms that the parsers read.
CODE_TEXT = rf"^ *-?[0-9]{{1,9}} *{END}"
NUMBER_TEXT = rf"^ *-?[0-9]{{1,15}}(\.[0-9]{{1,15}})? *{END}"
# ISO 8601 as one expression, days of the month included, so that a JSON Schema refuses what is no time.
DAY = (
    r"[12][0-9]{3}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
    r"|20([02468][048]|[13579][26])-02-29"
)
CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
OFFSET = r"(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])"
TIME = rf"^(({DAY})([T ]{CLOCK}{OFFSET}?)?)?{END}"
FLAGS = MappingProxyType({"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False})

Parser = Callable[[Any], Any]
Schema = dict[str, Any]
# How a profile sees the values: by deciles, by the most frequent ones, by hour and weekday, or not at all.
View = Literal["quantity", "frequencies", "clock", "none"]


@dataclass(frozen=True)
class Kind:
    """One entry.

    Attributes:
        sql: The type in Postgres; empty where the column is not kept.
        arrow: The type in Arrow, as `pyarrow.type_for_alias` reads it; binary COPY converts nothing, so it is `sql`'s.
        dtype: The type in NumPy.
        missing: What stands for a missing value in NumPy.
        is_feature: Whether a model learns from it.
        view: How it is profiled and watched for drift.
        parser: Makes the function that reads a value of a request; a wrong one is a ValueError that says what is right.
            The function returns None for a missing value.
        schema: Makes the JSON Schema of such a value.
        field: The `type` of the HTML input that asks for it.
    """

    sql: str
    arrow: str
    dtype: str
    missing: Any
    is_feature: bool
    view: View
    parser: "Callable[[Column, ZoneInfo], Parser]"
    schema: "Callable[[Column], Schema]"
    field: str


def show(value: Any) -> str:
    """A value in a message: short, and of others than simple types the type alone."""
    text = repr(value) if isinstance(value, str | int | float | None) else type(value).__name__
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}..."


def _bounds(column: "Column", widest: tuple[float, float] = (-math.inf, math.inf)) -> tuple[float, float]:
    low, high = widest
    return (
        low if column.minimum is None else column.minimum,
        high if column.maximum is None else column.maximum,
    )


def _name_bounds(low: float, high: float) -> str:
    if math.isinf(low) and math.isinf(high):
        return ""
    if math.isinf(high):
        return f" of at least {low:.10g}"
    return f" of at most {high:.10g}" if math.isinf(low) else f" from {low:.10g} to {high:.10g}"


def _limit(column: "Column", schema: Schema, widest: tuple[float, float] = (-math.inf, math.inf)) -> Schema:
    low, high = _bounds(column, widest)
    limits = {"minimum": low, "maximum": high}
    return schema | {name: limit for name, limit in limits.items() if math.isfinite(limit)}


def _or_null(column: "Column", *types: str) -> list[str]:
    return [*types] if column.required and not column.when_missing else [*types, "null"]


def _parse_number(column: "Column", _zone: ZoneInfo) -> Parser:
    low, high = _bounds(column)
    right = f"must be a number{_name_bounds(low, high)}"

    def parse(value: Any) -> float:
        if isinstance(value, str) and re.match(NUMBER_TEXT, value):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"must be a number, not {show(value)}")
        # NaN is within no bounds, and an infinity is no quantity.
        if not low <= value <= high or math.isinf(value):
            raise ValueError(right)
        return float(value)

    return parse


def _number_schema(column: "Column") -> Schema:
    return _limit(column, {"type": _or_null(column, "number", "string"), "pattern": NUMBER_TEXT})


def _parse_code(column: "Column", _zone: ZoneInfo) -> Parser:
    low, high = _bounds(column, CODE_BOUNDS)
    right = f"must be a whole number{_name_bounds(low, high)}"

    def parse(value: Any) -> int:
        if isinstance(value, str) and re.match(CODE_TEXT, value):
            value = int(value)
        if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
            raise ValueError(f"must be a whole number, not {show(value)}")
        if not low <= value <= high:
            raise ValueError(right)
        return int(value)

    return parse


def _code_schema(column: "Column") -> Schema:
    return _limit(column, {"type": _or_null(column, "integer", "string"), "pattern": CODE_TEXT}, CODE_BOUNDS)


def _parse_text(_column: "Column", _zone: ZoneInfo) -> Parser:
    def parse(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(f"must be a text, not {show(value)}")
        text = str(value).strip()
        if len(text) > MOST_LETTERS:
            raise ValueError(f"must be a text of at most {MOST_LETTERS} letters")
        # Postgres has no place for NUL, and a lone surrogate is no text.
        if "\0" in text or text != text.encode(errors="replace").decode():
            raise ValueError("must be a text without control characters")
        return text or None

    return parse


def _text_schema(column: "Column") -> Schema:
    return {"type": _or_null(column, "string", "number"), "maxLength": MOST_LETTERS}


def _parse_flag(_column: "Column", _zone: ZoneInfo) -> Parser:
    def parse(value: Any) -> float:
        known = value if isinstance(value, bool) else FLAGS.get(str(value).strip().lower())
        if known is None or not isinstance(value, bool | str | int):
            raise ValueError(f"must be true or false, not {show(value)}")
        return float(known)

    return parse


def _flag_schema(column: "Column") -> Schema:
    return {
        "type": _or_null(column, "boolean", "string", "integer"),
        "pattern": f"^(?:{'|'.join(FLAGS)}){END}",
        "minimum": 0,
        "maximum": 1,
    }


def _parse_time(_column: "Column", zone: ZoneInfo) -> Parser:
    def parse(value: Any) -> datetime | None:
        if not isinstance(value, str) or not re.match(TIME, value):
            raise ValueError(f"must be a time such as 2024-02-14T18:30:00, not {show(value)}")
        if not value:
            return None
        time = datetime.fromisoformat(value)
        return time.astimezone(zone).replace(tzinfo=None) if time.tzinfo else time

    return parse


def _time_schema(column: "Column") -> Schema:
    return {"type": _or_null(column, "string"), "pattern": TIME}


_FLOAT = ("double precision", "float64", "float64", math.nan)
_CODE = ("integer", "int32", "int64", MISSING_CODE)
_TEXT = ("text", "string", "object", None)
_MOMENT = ("timestamp", "timestamp[us]", "datetime64[us]", None)
_FLAG = ("boolean", "bool", "float64", math.nan)
KINDS: Mapping[KindName, Kind] = MappingProxyType(
    {
        "number": Kind(*_FLOAT, True, "quantity", _parse_number, _number_schema, "number"),
        # A category that the source writes as a whole number.
        "code": Kind(*_CODE, True, "frequencies", _parse_code, _code_schema, "number"),
        "category": Kind(*_TEXT, True, "frequencies", _parse_text, _text_schema, "text"),
        "flag": Kind(*_FLAG, True, "frequencies", _parse_flag, _flag_schema, "text"),
        # Wall time of the problem's time zone: hours and weekdays are those of its clock.
        "time": Kind(*_MOMENT, True, "clock", _parse_time, _time_schema, "datetime-local"),
        "text": Kind(*_TEXT, True, "none", _parse_text, _text_schema, "text"),
        "id": Kind(*_TEXT, False, "none", _parse_text, _text_schema, "text"),
        "ignored": Kind("", "", "", None, False, "none", _parse_text, _text_schema, "text"),
    }
)
