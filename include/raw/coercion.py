"""Source columns to the warehouse's types, on Arrow arrays; what cannot be turned becomes null and is reported."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from include.problem.declaration import Problem
from include.problem.numerals import EXACT_LIMIT
from include.problem.request_values import FLAGS
from include.raw.classes import number_classes
from include.raw.coerced import (
    USUAL,
    Coerced,
    ColumnReading,
    NumberForm,
    blank_to_null,
    clear_marks,
    either,
    fail_all,
    is_text,
    keep,
)
from include.raw.numbers import INFINITE, clear_numbers, coerce_float, coerce_integer, nan_to_null
from include.raw.times import coerce_timestamp, end_after, join_times

__all__ = ["COERCIONS", "TARGET", "Coerced", "ColumnReading", "NumberForm", "coerce_column", "end_after", "reading_of"]

TARGET = "target"
# Files have short words too.
FLAG_WORDS = {**FLAGS, "t": True, "f": False, "y": True, "n": False}


def reading_of(problem: Problem, name: str, form: NumberForm | None = None) -> ColumnReading:
    """How the problem's column is read.

    Args:
        form: What its earlier values showed.
    """
    marks = problem.marks_of(name)
    if name == TARGET and not problem.labels:
        marks |= INFINITE  # its row is left out, as one without a target is
    return ColumnReading(marks, problem.time_format_of(name), form)


def coerce_column(problem: Problem, name: str, batch: pa.RecordBatch, form: NumberForm | None = None) -> Coerced:
    """A column of the problem, or `target`, of a batch with the source's columns; a class becomes its number.

    Args:
        form: What its earlier values showed.
    """
    how = reading_of(problem, name, form)
    values = batch.column(problem.read_columns[name])
    column = problem.columns.get(name) if name != TARGET else None
    if column is None and problem.labels:
        return coerce_class(values, problem.labels, how)
    if column is not None and column.clock:
        return _JOIN_TIMES(values, batch.column(column.clock), problem.timezone, how)
    return COERCIONS[pa.type_for_alias(column.of_kind.arrow) if column else pa.float64()](values, problem.timezone, how)


def coerce_flag(array: pa.Array, _timezone: str = "", how: ColumnReading = USUAL) -> Coerced:
    """To true and false, from the usual pairs of words, in letters of any case, and from 1 and 0."""
    kind = array.type
    if pa.types.is_boolean(kind):
        return Coerced(array)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = clear_numbers(nan_to_null(array), how)
        known = pc.is_in(numbers, pa.array([0, 1]).cast(numbers.type))
        return keep(numbers, pc.if_else(known, pc.equal(numbers, 1), None))
    if is_text(kind):
        text = clear_marks(blank_to_null(array), how)
        places = pc.index_in(pc.utf8_lower(text), pa.array(list(FLAG_WORDS)))
        return keep(text, pa.array(list(FLAG_WORDS.values())).take(places))
    return fail_all(array, pa.bool_())


def coerce_text(array: pa.Array, _timezone: str = "", how: ColumnReading = USUAL) -> Coerced:
    """To text without blanks around it; a whole number has no decimal point, however it is stored."""
    kind = array.type
    if is_text(kind):
        text = blank_to_null(array)
    elif pa.types.is_floating(kind):
        # A column of codes is one of floats where some are missing.
        numbers = nan_to_null(array).cast(pa.float64())
        whole = pc.and_(pc.equal(numbers, pc.floor(numbers)), pc.less(pc.abs(numbers), EXACT_LIMIT))
        codes = pc.if_else(whole, numbers, None).cast(pa.int64()).cast(pa.string())
        text = pc.coalesce(codes, numbers.cast(pa.string()))
    else:
        text = array.cast(pa.string())
    text = clear_marks(text, how)
    # Postgres has no place for the NUL character in a text.
    return keep(text, pc.if_else(pc.match_substring(text, "\0"), None, text))


def coerce_class(array: pa.Array, labels: Sequence[str], how: ColumnReading = USUAL) -> Coerced:
    """To the numbers of the classes that the values are as texts; a class is never a mark of a missing value.

    A number with a decimal comma is also the class of that number: `1,0` is 1.
    """
    text = COERCIONS[pa.string()](array, "", replace(how, missing=how.missing.difference(labels)))
    with_points = pc.replace_substring_regex(text.array, r"^([+-]?\d+),(\d+)$", r"\1.\2")
    numbers = pc.coalesce(number_classes(text.array, labels), number_classes(with_points, labels))
    return Coerced(numbers, either(text.failed, keep(text.array, numbers).failed))


Coercion = Callable[..., Coerced]


def _or_fail(kind: pa.DataType, coercion: Coercion) -> Coercion:
    """Fails every value of a column that Arrow cannot turn, for instance of a decimal that no float can hold."""

    def coerce(array: pa.Array, *arguments: Any) -> Coerced:
        try:
            return coercion(array, *arguments)
        except (pa.ArrowException, OverflowError, ValueError):
            return fail_all(array, kind)

    return coerce


_BY_KIND: dict[pa.DataType, Coercion] = {
    pa.timestamp("us"): coerce_timestamp,
    pa.int32(): coerce_integer,
    pa.float64(): coerce_float,
    pa.bool_(): coerce_flag,
    pa.string(): coerce_text,
}
COERCIONS = {kind: _or_fail(kind, coercion) for kind, coercion in _BY_KIND.items()}
_JOIN_TIMES = _or_fail(pa.timestamp("us"), join_times)
