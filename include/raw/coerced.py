"""What turning an array of a source into another type is told and gives, and what every such turn needs."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from include.problem.reading import MISSING_MARKS

# In Arrow's expressions, \s is none of the blanks beyond ASCII: spreadsheets put those that do not break before units.
BLANK = r"[\s\p{Zs}]"


@dataclass(frozen=True)
class NumberForm:
    """What stands around each number of a column, without blanks; empty where nothing does.

    Attributes:
        prefix: In small letters.
        suffix: As it is written: 5 mW are not 5 MW.
    """

    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True)
class ColumnReading:
    """How a column's values are written.

    Attributes:
        missing: Texts that mean a missing value; those that are numbers do so in columns of numbers too.
        time_format: Of times: a format of `strptime`, or `unix` or `unix_ms` for seconds or milliseconds since 1970;
            None or `iso` for ISO 8601.
        form: Of numbers in text: what stands around them, if the column's earlier values showed it.
    """

    missing: frozenset[str] = MISSING_MARKS
    time_format: str | None = None
    form: NumberForm | None = None


USUAL = ColumnReading()


@dataclass(frozen=True)
class Coerced:
    """An array in the wanted type.

    Attributes:
        failed: Marks values that were there and had to become null, None if none had.
        beyond: Marks times outside of the years that can be stored, which became null too; None if none were.
        instants: Of times with a time zone: the same in UTC, null where a value had none; None if none had.
        form: Of numbers in text: what stands around them, for the column's next values; None if nothing shows it yet.
    """

    array: pa.Array
    failed: pa.Array | None = None
    beyond: pa.Array | None = None
    instants: pa.Array | None = None
    form: NumberForm | None = None


def is_text(kind: pa.DataType) -> bool:
    """Whether arrays of the type hold text, a dictionary of texts included."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def blank_to_null(array: pa.Array) -> pa.Array:
    """Texts without blanks around them, null where nothing is left."""
    text = pc.utf8_trim_whitespace(array.cast(pa.string()))
    return pc.if_else(pc.equal(text, ""), None, text)


def clear_marks(text: pa.Array, how: ColumnReading) -> pa.Array:
    """The texts with null for those that mean a missing value."""
    marked = pc.is_in(text, pa.array(sorted(how.missing), pa.string()))
    return pc.if_else(marked, pa.scalar(None, text.type), text)


def keep(before: pa.Array, after: pa.Array) -> Coerced:
    """`after`, with a mark for each value that only `before` has."""
    failed = pc.and_(pc.is_null(after), pc.is_valid(before))
    return Coerced(after, failed if pc.any(failed).as_py() else None)


def fail_all(array: pa.Array, kind: pa.DataType) -> Coerced:
    """Nulls of the type, with a mark for each value that was there."""
    return keep(array, pa.nulls(len(array), kind))


def either(one: pa.Array | None, other: pa.Array | None) -> pa.Array | None:
    """The marks of both, where there are any."""
    return one if other is None else other if one is None else pc.or_(one, other)
