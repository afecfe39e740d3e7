"""Source columns to the warehouse's types, on Arrow arrays; what cannot be turned becomes null and is reported."""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
UTC_OFFSET = r"(Z|[+-]\d{2}(:?\d{2})?)$"
INTEGER_LIMIT = 2**31


@dataclass(frozen=True)
class Coerced:
    """An array in the wanted type; `failed` marks values that were there and had to become null, None if none had."""

    array: pa.Array
    failed: pa.Array | None = None


def coerce_timestamp(array: pa.Array, timezone: str) -> Coerced:
    """To timestamps without a zone in microseconds; times with a zone become wall time in `timezone`."""
    kind = array.type
    if (pa.types.is_timestamp(kind) and kind.tz is None) or pa.types.is_date(kind):
        return Coerced(array.cast(pa.timestamp("us"), safe=False))
    if pa.types.is_timestamp(kind):
        return Coerced(_to_wall_time(array, timezone))
    if _is_text(kind):
        return _parse_times(array, timezone)
    return _fail_all(array, pa.timestamp("us"))


def coerce_integer(array: pa.Array, timezone: str = "") -> Coerced:
    """To 32-bit integers: whole numbers within range, also where they come as floats or text."""
    if array.type == pa.int32():
        return Coerced(array)
    if pa.types.is_integer(array.type):
        try:
            return Coerced(array.cast(pa.int32()))
        except pa.ArrowInvalid:
            pass  # some are out of range: find them below
    numbers = coerce_float(array).array
    usable = pc.and_(pc.equal(numbers, pc.floor(numbers)), pc.less(pc.abs(numbers), INTEGER_LIMIT))
    return _keep(_nan_to_null(array), pc.if_else(usable, numbers, None).cast(pa.int32()))


def coerce_float(array: pa.Array, timezone: str = "") -> Coerced:
    """To 64-bit floats, also from text; NaN means missing."""
    kind = array.type
    if pa.types.is_floating(kind):
        return Coerced(_nan_to_null(array).cast(pa.float64()))
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return Coerced(array.cast(pa.float64(), safe=False))
    if _is_text(kind):
        text = _blank_to_null(array)
        numeric = pc.if_else(pc.match_substring_regex(text, NUMBER), text, None)
        return _keep(text, numeric.cast(pa.float64()))
    return _fail_all(array, pa.float64())


COERCIONS: dict[pa.DataType, Callable[[pa.Array, str], Coerced]] = {
    pa.timestamp("us"): coerce_timestamp,
    pa.int32(): coerce_integer,
    pa.float64(): coerce_float,
}


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _to_wall_time(array: pa.Array, timezone: str) -> pa.Array:
    return pc.local_timestamp(array.cast(pa.timestamp("us", timezone), safe=False))


def _nan_to_null(array: pa.Array) -> pa.Array:
    if not pa.types.is_floating(array.type) or not pc.any(pc.is_nan(array)).as_py():
        return array
    return pc.if_else(pc.is_nan(array), None, array)


def _blank_to_null(array: pa.Array) -> pa.Array:
    text = pc.utf8_trim_whitespace(array.cast(pa.string()))
    return pc.if_else(pc.equal(text, ""), None, text)


def _keep(before: pa.Array, after: pa.Array) -> Coerced:
    failed = pc.and_(pc.is_null(after), pc.is_valid(before))
    return Coerced(after, failed if pc.any(failed).as_py() else None)


def _fail_all(array: pa.Array, kind: pa.DataType) -> Coerced:
    return _keep(array, pa.nulls(len(array), kind))


def _parse_times(array: pa.Array, timezone: str) -> Coerced:
    text = _blank_to_null(array)
    try:
        return Coerced(text.cast(pa.timestamp("us")))
    except pa.ArrowInvalid:
        pass  # a zone, or something that is no time: look closer, value by value
    import pandas as pd  # only here: the rare path must not make every load pay for it

    def parse(part: pa.Array, utc: bool) -> pa.Array:
        times = pd.to_datetime(part.to_pandas(), format="ISO8601", errors="coerce", utc=utc)
        return pa.array(times.to_numpy("datetime64[us]"), pa.timestamp("us", "UTC" if utc else None), from_pandas=True)

    zoned = pc.match_substring_regex(text, r"\d:\d{2}(:\d{2}(\.\d+)?)?" + UTC_OFFSET)
    wall = parse(pc.if_else(zoned, None, text), utc=False)
    return _keep(text, pc.if_else(zoned, _to_wall_time(parse(pc.if_else(zoned, text, None), utc=True), timezone), wall))
