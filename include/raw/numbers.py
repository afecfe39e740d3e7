"""Numbers, also as people write them: with separators of thousands, and a currency or a unit that all share."""

import re
from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from include.problem.numerals import LARGEST
from include.raw.coerced import (
    BLANK,
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

INTEGER_LIMIT = 2**31
PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
# What infinite numbers are called, as marks of missing ones.
INFINITE = frozenset(("inf", "-inf"))
_MARKS = r"[,'\x{2019}\p{Zs}]"
# In groups of three, or as in India of two before the last three; 0,125 is a fraction.
_NUMBER = rf"[1-9]\d{{0,2}}(?:{_MARKS}\d{{2,3}})*{_MARKS}\d{{3}}(?:\.\d+)?|\d+(?:\.\d*)?|\.\d+"
_SIGN = r"[+\-\x{2212}]?"
WRITTEN = (
    rf"^(?P<sign>{_SIGN}){BLANK}*(?P<prefix>[A-Za-z]{{0,3}}\p{{Sc}}|Rs\.?)?{BLANK}*(?P<inner>{_SIGN})"
    rf"(?P<number>{_NUMBER}){BLANK}*(?P<suffix>[\p{{L}}\p{{Sc}}%‰°µ].*)?$"
)
SHARE = 0.95


def coerce_integer(array: pa.Array, _timezone: str = "", how: ColumnReading = USUAL) -> Coerced:
    """To 32-bit integers: whole numbers within range, also where they come as floats or text."""
    if pa.types.is_integer(array.type):
        array = clear_numbers(array, how)
        if array.type == pa.int32():
            return Coerced(array)
        try:
            return Coerced(array.cast(pa.int32()))
        except pa.ArrowInvalid:
            pass  # some are out of range: find them below
    read = coerce_float(array, how=how)
    numbers = read.array
    usable = pc.and_(pc.equal(numbers, pc.floor(numbers)), pc.less(pc.abs(numbers), INTEGER_LIMIT))
    whole = keep(numbers, pc.if_else(usable, numbers, None).cast(pa.int32()))
    return replace(whole, failed=either(read.failed, whole.failed), form=read.form)


def coerce_float(array: pa.Array, _timezone: str = "", how: ColumnReading = USUAL) -> Coerced:
    """To 64-bit floats, also from text; NaN means missing, and what models would take for an infinity is no number."""
    kind = array.type
    if pa.types.is_floating(kind):
        return _fail_infinite(clear_numbers(nan_to_null(array).cast(pa.float64()), how))
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return _fail_infinite(clear_numbers(array.cast(pa.float64(), safe=False), how))
    if not is_text(kind):
        return fail_all(array, pa.float64())
    text = blank_to_null(array)
    numbers = pc.if_else(pc.match_substring_regex(text, PLAIN), text, None).cast(pa.float64())
    form = how.form or (NumberForm() if numbers.null_count < len(numbers) else None)
    if numbers.null_count > text.null_count:  # plain numbers go the short way
        text = clear_marks(text, how)
        numbers, form = _add_written(text, numbers, how.form)
    finite = _fail_infinite(clear_numbers(numbers, how))
    return replace(finite, failed=either(keep(text, numbers).failed, finite.failed), form=form)


def _fail_infinite(numbers: pa.Array) -> Coerced:
    """Floats of 64 bits, with a mark for each that was infinite to a model and is null now."""
    rounded = _round_to_infinity(numbers)
    return Coerced(numbers) if rounded is numbers else keep(numbers, pc.if_else(pc.is_inf(rounded), None, numbers))


def _round_to_infinity(numbers: pa.Array) -> pa.Array:
    """Floats of 64 bits, without NaN, with an infinity for each that a float of 32 bits cannot hold."""
    ends = pc.min_max(numbers).as_py()
    if ends["min"] is None or (ends["min"] >= -LARGEST and ends["max"] <= LARGEST):
        return numbers
    return numbers.cast(pa.float32(), safe=False).cast(pa.float64())


def nan_to_null(array: pa.Array) -> pa.Array:
    """The numbers with null for what is no number."""
    if not pa.types.is_floating(array.type) or not pc.any(pc.is_nan(array)).as_py():
        return array
    return pc.if_else(pc.is_nan(array), None, array)


def clear_numbers(numbers: pa.Array, how: ColumnReading) -> pa.Array:
    """The numbers with null for those that are marks of a missing one, such as -200 or inf."""
    marks = [float(mark) for mark in how.missing if mark in INFINITE or re.match(PLAIN, mark)]
    if not marks:
        return numbers
    floats = numbers.cast(pa.float64(), safe=False)
    marked = pc.or_(*(pc.is_in(seen, pa.array(marks)) for seen in (floats, _round_to_infinity(floats))))
    return pc.if_else(marked, pa.scalar(None, numbers.type), numbers)


def _add_written(text: pa.Array, numbers: pa.Array, form: NumberForm | None) -> tuple[pa.Array, NumberForm | None]:
    """Adds to the plain numbers of a column those that are written otherwise, and returns the form that they have.

    Args:
        text: Texts without blanks around them.
        numbers: The plain numbers among them.
        form: The form that earlier values of the column had; None: that of nearly all of these, else nothing is added.
            A unit is taken off only if all have the same: two units in one column are two quantities.
    """
    # The same few texts come again and again.
    others = pc.if_else(pc.is_valid(numbers), pa.scalar(None, text.type), text).dictionary_encode()
    parts = pc.extract_regex(others.dictionary, WRITTEN)
    forms = [part and NumberForm(part["prefix"].lower(), part["suffix"]) for part in parts.to_pylist()]
    form = form or _find_form(forms, others, len(text) - text.null_count)
    if form is None:
        return numbers, None
    written = pc.if_else(pa.array([found == form for found in forms], pa.bool_()), parts, None)
    signs = pc.binary_join_element_wise(*(pc.struct_field(written, part) for part in ("sign", "inner")), "")
    values = pc.replace_substring_regex(pc.struct_field(written, "number"), _MARKS, "").cast(pa.float64())
    values = pc.if_else(pc.is_in(signs, pa.array(["-", "\u2212"])), pc.negate(values), values)
    values = pc.if_else(pc.less_equal(pc.utf8_length(signs), 1), values, None)
    return pc.coalesce(numbers, values.take(others.indices)), form


def _find_form(forms: list[NumberForm | None], others: pa.DictionaryArray, present: int) -> NumberForm | None:
    """The form that nearly all values have; for numbers with nothing around them, plain ones are of it."""
    counts = Counter({NumberForm(): present - (len(others) - others.null_count)})
    for counted in pc.value_counts(others.indices.drop_null()).to_pylist():
        if found := forms[counted["values"]]:
            counts[found] += counted["counts"]
    form, count = counts.most_common(1)[0]
    return form if present and count >= SHARE * present else None
