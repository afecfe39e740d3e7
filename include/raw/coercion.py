"""Source columns to the warehouse's types, on Arrow arrays; what cannot be turned becomes null and is reported."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
UTC_OFFSET = r"(Z|[+-]\d{2}(:?\d{2})?)$"
INTEGER_LIMIT = 2**31
# Years 1 to 9999, which all of Postgres, Python and NumPy can hold, but for a day at each end that a zone may take.
FIRST_DAY, LAST_DAY = -719_161, 2_932_894
UNITS_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000}


@dataclass(frozen=True)
class Coerced:
    """An array in the wanted type.

    Attributes:
        failed: Marks values that were there and had to become null, None if none had.
        beyond: Marks times outside of the years that can be stored, which became null too; None if none were.
        instants: Of times with a zone: the same in UTC, null where a value had none; None if none had.
    """

    array: pa.Array
    failed: pa.Array | None = None
    beyond: pa.Array | None = None
    instants: pa.Array | None = None


def coerce_timestamp(array: pa.Array, timezone: str) -> Coerced:
    """To timestamps without a zone in microseconds; times with a zone become wall time in `timezone`."""
    kind = array.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        times, beyond = _clear_beyond(array)
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            return replace(_place(times, timezone), beyond=beyond)
        return Coerced(times.cast(pa.timestamp("us"), safe=False), beyond=beyond)
    if _is_text(kind):
        return _parse_times(array, timezone)
    return _fail_all(array, pa.timestamp("us"))


def end_after(pickup: Coerced, dropoff: Coerced) -> pa.Array:
    """The dropoffs on the clock that held at pickup, so that the difference of the two is the time between them.

    Only a change of the clock during the trip makes a difference; without a zone, nothing can be known of one.
    """
    if pickup.instants is None or dropoff.instants is None:
        return dropoff.array
    ends = pc.add(pickup.array, pc.subtract(dropoff.instants, pickup.instants))
    return pc.if_else(pc.is_valid(ends), ends, dropoff.array)


def coerce_integer(array: pa.Array, _timezone: str = "") -> Coerced:
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


def coerce_float(array: pa.Array, _timezone: str = "") -> Coerced:
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


Coercion = Callable[[pa.Array, str], Coerced]


def _or_fail(kind: pa.DataType, coercion: Coercion) -> Coercion:
    """Fails every value of a column that Arrow cannot turn, for instance of a decimal that no float can hold."""

    def coerce(array: pa.Array, timezone: str) -> Coerced:
        try:
            return coercion(array, timezone)
        except (pa.ArrowException, OverflowError, ValueError):
            return _fail_all(array, kind)

    return coerce


_BY_KIND: dict[pa.DataType, Coercion] = {
    pa.timestamp("us"): coerce_timestamp,
    pa.int32(): coerce_integer,
    pa.float64(): coerce_float,
}
COERCIONS = {kind: _or_fail(kind, coercion) for kind, coercion in _BY_KIND.items()}


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _place(times: pa.Array, timezone: str) -> Coerced:
    """Times with a zone as wall time in `timezone`, and as instants."""
    placed = times.cast(pa.timestamp("us", timezone), safe=False)
    return Coerced(pc.local_timestamp(placed), instants=placed.cast(pa.timestamp("us", "UTC")))


def _clear_beyond(times: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """The times with null for those beyond the years that can be stored, and a mark for each of these."""
    if pa.types.is_date32(times.type):
        counted, units = times.cast(pa.int32()).cast(pa.int64()), 1
    elif (unit := "ms" if pa.types.is_date(times.type) else times.type.unit) in UNITS_PER_DAY:
        counted, units = times.cast(pa.int64()), UNITS_PER_DAY[unit]
    else:
        return times, None  # nanoseconds reach from 1677 to 2262
    ends = pc.min_max(counted).as_py()
    low, high = FIRST_DAY * units, LAST_DAY * units
    if ends["min"] is None or (low <= ends["min"] and ends["max"] <= high):
        return times, None
    beyond = pc.fill_null(pc.or_(pc.less(counted, low), pc.greater(counted, high)), False)
    return pc.if_else(beyond, pa.scalar(None, times.type), times), beyond


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
        times, beyond = _clear_beyond(text.cast(pa.timestamp("us")))
        return Coerced(times, beyond=beyond)
    except pa.ArrowInvalid:
        pass  # a zone, or something that is no time: look closer, value by value
    import pandas as pd  # only here: the rare path must not make every load pay for it

    def parse(part: pa.Array, utc: bool) -> pa.Array:
        times = pd.to_datetime(part.to_pandas(), format="ISO8601", errors="coerce", utc=utc)
        return pa.array(times.to_numpy("datetime64[us]"), pa.timestamp("us", "UTC" if utc else None), from_pandas=True)

    zoned = pc.match_substring_regex(text, r"\d:\d{2}(:\d{2}(\.\d+)?)?" + UTC_OFFSET)
    wall, beyond = _clear_beyond(parse(pc.if_else(zoned, None, text), utc=False))
    instants, zoned_beyond = _clear_beyond(parse(pc.if_else(zoned, text, None), utc=True))
    placed = _place(instants, timezone)
    beyond = _either(beyond, zoned_beyond)
    times = pc.if_else(zoned, placed.array, wall)
    readable = times if beyond is None else pc.if_else(beyond, pa.scalar(0, times.type), times)
    return Coerced(times, _keep(text, readable).failed, beyond, placed.instants)


def _either(one: pa.Array | None, other: pa.Array | None) -> pa.Array | None:
    return one if other is None else other if one is None else pc.or_(one, other)
