"""What a problem's file declares beside its top-level keys: columns, references and slices."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from include.configuration.values import none_if_blank, split_list
from include.problem.kinds import KINDS, Kind, KindName
from include.problem.reading import ISO

TAB = "tab"
TAB_NAMES = (TAB, "\t", "\\t")
UNIX = ("unix", "unix_ms")
DotName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_.]*(:[A-Za-z_][A-Za-z0-9_]*)?$")]


def _check_time_format(time_format: str) -> str:
    if time_format in ("", ISO, *UNIX):
        return time_format
    # With an offset, which %z asks for.
    some = datetime(2003, 4, 5, 16, 7, 8, tzinfo=timezone(timedelta(hours=1)))
    try:
        day = datetime.strptime(some.strftime(time_format), time_format).date()
    except ValueError:
        day = None
    if day != some.date():
        raise ValueError(f"{time_format!r} is no format of times with a day: give one such as %d/%m/%Y %H:%M, or unix")
    return time_format


TimeFormat = Annotated[str, AfterValidator(_check_time_format)]


def _as_texts(value: Any) -> Any:
    marks = split_list(value)
    return tuple(map(str, marks)) if isinstance(marks, list | tuple) else marks


Marks = Annotated[tuple[str, ...], BeforeValidator(_as_texts)]


class _Declared(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        str_strip_whitespace=True,
        allow_inf_nan=False,
        populate_by_name=True,
    )


class Column(_Declared):
    """A column of the source.

    Attributes:
        name: Its neutral name, the key in the file: what the warehouse, the API and the pages call it.
        source: Its name in the source; empty: the neutral one.
        kind: How it is read and used, see `include.problem.kinds`.
        title: What people read instead of its name.
        required: A row without it is rejected, and a request without it is refused.
        minimum: Smaller values are rejected and refused; `min` in the file.
        maximum: Greater ones are; `max` in the file.
        after: A time column that it must come after.
        reference: The reference whose names its values have.
        when_missing: What stands for a value that a request leaves out: `now`, for a time.
        time_format: How the source writes a time that is not in ISO 8601; empty: as the problem's `time_format` says.
        clock: The source's column with the time of day, or the hour, of a time whose `source` is the date alone.
        estimated_by: Columns that say what is usual in this one, which is measured only after one predicts: a request
            holds an estimate. The model card then also shows the error with the median of the training rows that are
            equal in those columns.
        missing: Values that mean a missing one in this column, instead of the usual marks and those of the problem; an
            empty text always does. With `[]`, `NA` is a value like any other.
    """

    name: str = ""
    source: str = ""
    kind: KindName = "number"
    title: str = ""
    description: str = ""
    unit: str = ""
    example: str | float | int | bool | None = None
    required: bool = False
    minimum: float | None = Field(default=None, alias="min")
    maximum: float | None = Field(default=None, alias="max")
    after: str = ""
    reference: str = ""
    when_missing: Literal["", "now"] = ""
    time_format: TimeFormat = ""
    clock: str = ""
    estimated_by: Annotated[tuple[str, ...], BeforeValidator(split_list)] = ()
    missing: Marks | None = None

    @property
    def of_kind(self) -> Kind:
        """Its entry in the table of kinds."""
        return KINDS[self.kind]

    @property
    def label(self) -> str:
        """What people read: the title, else the name as words."""
        return self.title or self.name.replace("_", " ").capitalize()


class Reference(_Declared):
    """A table that the problem's features look up, such as positions; its contents are frozen with each set.

    Attributes:
        table: Dotted name of the object that loads and reads it, see `include.problem.references`.
        value: Dotted name of the class that holds it for features, with `from_dict` and `to_dict`.
        source: Where it comes from, in words that `table` understands.
    """

    table: DotName
    value: DotName
    source: str = "auto"


def _open_ends(bands: Any) -> Any:
    """Infinite ends as None, which unlike infinity can be kept as JSON."""
    if not isinstance(bands, Mapping):
        return bands
    return {
        name: [None if isinstance(end, float) and math.isinf(end) else end for end in ends]
        for name, ends in bands.items()
    }


Bands = Annotated[dict[str, tuple[float | None, float | None]], BeforeValidator(_open_ends)]


class Slice(_Declared):
    """A way to cut rows into parts whose errors are compared: by bands of a number, or by the most frequent values.

    Attributes:
        name: What reports call it; empty: the column's name.
        column: A column, or `hour` of the problem's time.
        bands: Label -> least value and the value that is no longer in; None where there is no end, `inf` in the file.
        most_frequent: So many values have a slice each, all others share one.
    """

    name: str = ""
    column: str
    bands: Bands = Field(default_factory=dict)
    most_frequent: int = Field(default=0, ge=0, le=50)

    @property
    def label(self) -> str:
        """What reports call it."""
        return self.name or self.column


def _as_pair(value: Any) -> Any:
    words = split_list(value)
    return (*words, f"{words[0]}s") if isinstance(value, str) and len(words) == 1 else words


def _read_delimiter(value: Any) -> Any:
    # A tab alone would be taken for blanks around a value.
    if isinstance(value, str) and value.strip(" ").lower() in TAB_NAMES:
        return TAB
    return none_if_blank(value)


def _check_delimiter(delimiter: str | None) -> str | None:
    if delimiter is not None and delimiter != TAB and (len(delimiter) != 1 or delimiter in "\"'"):
        raise ValueError("give one character that is not a quote, such as ; or the word tab")
    return delimiter


def _check_unit(unit: str) -> str:
    if not unit.isprintable():
        raise ValueError("it contains a character that cannot be printed")
    return unit


# The file may name two columns, see `include.problem.naming`.
Time = Annotated[str | None, BeforeValidator(none_if_blank)]
Pair = Annotated[tuple[str, str], BeforeValidator(_as_pair)]
Unit = Annotated[str, AfterValidator(_check_unit)]
Delimiter = Annotated[str | None, BeforeValidator(_read_delimiter), AfterValidator(_check_delimiter)]
DecimalMark = Annotated[Literal[".", ","] | None, BeforeValidator(none_if_blank)]
