"""The table of kinds: how a column of each is stored, asked for, profiled and watched. A new kind is a new entry.

It imports nothing slow: DAG files read it. What needs Arrow or a frame finds its part by the names in the table.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from include.problem import request_values
from include.problem.request_values import Parser, Schema, must_be_given

if TYPE_CHECKING:
    from include.problem.parts import Column

KindName = Literal["number", "code", "category", "flag", "time", "text", "id", "ignored"]
# Codes have no place for a missing value of their own; no source has this one.
MISSING_CODE = -(2**63)
# The kinds whose values `min` and `max` bound.
BOUNDED: tuple[KindName, ...] = ("number", "code")
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
        read: Makes the function that reads a value of a request; a wrong one is a ValueError that says what is right.
        schema: Makes the JSON Schema of such a value.
        field: The `type` of the HTML input that asks for it.
    """

    sql: str
    arrow: str
    dtype: str
    missing: Any
    is_feature: bool
    view: View
    read: "Callable[[Column, ZoneInfo], Parser]"
    schema: "Callable[[Column], Schema]"
    field: str

    def make_parser(self, column: "Column", timezone: ZoneInfo) -> Parser:
        """Reads a value of a request; where it may be left out, null and a text of blanks are a missing one."""
        read, missing = self.read(column, timezone), self.missing
        if must_be_given(column):
            return read

        def parse(value: Any) -> Any:
            return missing if value is None or (isinstance(value, str) and not value.strip()) else read(value)

        return parse


_FLOAT = ("double precision", "float64", "float64", math.nan)
_CODE = ("integer", "int32", "int64", MISSING_CODE)
_TEXT = ("text", "string", "object", None)
_MOMENT = ("timestamp", "timestamp[us]", "datetime64[us]", None)
_FLAG = ("boolean", "bool", "float64", math.nan)
KINDS: Mapping[KindName, Kind] = MappingProxyType(
    {
        "number": Kind(*_FLOAT, True, "quantity", request_values.read_number, request_values.describe_number, "number"),
        # A category that the source writes as a whole number.
        "code": Kind(*_CODE, True, "frequencies", request_values.read_code, request_values.describe_code, "number"),
        "category": Kind(*_TEXT, True, "frequencies", request_values.read_text, request_values.describe_text, "text"),
        "flag": Kind(*_FLAG, True, "frequencies", request_values.read_flag, request_values.describe_flag, "text"),
        # Wall time of the problem's time zone: hours and weekdays are those of its clock.
        "time": Kind(*_MOMENT, True, "clock", request_values.read_time, request_values.describe_time, "datetime-local"),
        "text": Kind(*_TEXT, True, "none", request_values.read_text, request_values.describe_text, "text"),
        "id": Kind(*_TEXT, False, "none", request_values.read_text, request_values.describe_text, "text"),
        "ignored": Kind(
            "", "", "", None, False, "none", request_values.read_text, request_values.describe_text, "text"
        ),
    }
)
