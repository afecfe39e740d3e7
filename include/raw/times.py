"""Times of any usual form, as the warehouse keeps them: wall time without a time zone, in microseconds."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from include.problem.reading import BLANK, ISO
from include.raw.coerced import (
    USUAL,
    Coerced,
    ColumnReading,
    blank_to_null,
    clear_marks,
    either,
    fail_all,
    is_text,
    keep,
)
from include.raw.numbers import coerce_float

UTC_OFFSET = rf"{BLANK}*(Z|[+-]\d{{1,2}}:?(\d{{1,2}})?)$"
# A time of day, which the hour alone may be, with its offset.
ZONED = rf"\d(T|{BLANK})\d{{1,2}}(:?\d{{1,2}}(:?\d{{1,2}}(\.\d*)?)?)?" + UTC_OFFSET
# Years 1 to 9999, which all of Postgres, Python and NumPy can hold, but for a day at each end that a time zone may
# take.
FIRST_DAY, LAST_DAY = -719_161, 2_932_894
UNITS_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000}
# Microseconds of what a number counts, by the name of its format.
UNIX_UNITS = {"unix": 1e6, "unix_ms": 1e3}
MICROS = {"hour": 3_600_000_000, "minute": 60_000_000, "second": 1_000_000}
CLOCK = (
    r"^(?P<hour>[01]?\d|2[0-4])(?:\.0|[:.h](?P<minute>[0-5]\d)(?:[:.](?P<second>[0-5]\d)(?:[.,]\d+)?)?)?"
    rf"{BLANK}*(?P<half>[AaPp][Mm])?$"
)


def coerce_timestamp(array: pa.Array, timezone: str, how: ColumnReading = USUAL) -> Coerced:
    """To timestamps without a time zone in microseconds; times with a time zone become wall time in `timezone`."""
    kind = array.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        times, beyond = _clear_beyond(array)
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            return replace(_place(times, timezone), beyond=beyond)
        return Coerced(times.cast(pa.timestamp("us"), safe=False), beyond=beyond)
    if how.time_format in UNIX_UNITS:
        return _count_from_1970(array, timezone, how)
    if not is_text(kind):
        return fail_all(array, pa.timestamp("us"))
    text = blank_to_null(array)
    if how.time_format not in (None, ISO):
        return _parse_format(clear_marks(text, how), timezone, how.time_format)
    return _cast_times(text) or _parse_times(clear_marks(text, how), timezone)


def join_times(days: pa.Array, clocks: pa.Array, timezone: str, how: ColumnReading = USUAL) -> Coerced:
    """The times that a column of days and one of clocks give together.

    Args:
        days: Days of any form that `coerce_timestamp` takes.
        clocks: Whole hours from 0 to 24, texts such as `18:30`, `18.30.00`, `6:30 pm` or `7`, or Arrow's times of day.
        how: Its format may say how both are written, with a blank between them.
    """
    if how.time_format and "%H" in how.time_format and is_text(days.type):
        both = pc.binary_join_element_wise(blank_to_null(days), blank_to_null(clocks.cast(pa.string())), " ")
        return coerce_timestamp(both, timezone, how)
    parsed, micros = coerce_timestamp(days, timezone, how), _read_clocks(clocks, how)
    times = pc.add(parsed.array, micros.array.cast(pa.duration("us")))
    return Coerced(times, either(parsed.failed, micros.failed), parsed.beyond)


def end_after(start: Coerced, end: Coerced) -> pa.Array:
    """The ends on the clock that held at the start, so that the difference of the two is the time between them.

    Only a change of the clock in between makes a difference; without a time zone, nothing can be known of one.
    """
    if start.instants is None or end.instants is None:
        return end.array
    ends = pc.add(start.array, pc.subtract(end.instants, start.instants))
    return pc.if_else(pc.is_valid(ends), ends, end.array)


def _place(times: pa.Array, timezone: str) -> Coerced:
    """Times with a time zone as wall time in `timezone`, and as instants."""
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


def _count_from_1970(array: pa.Array, timezone: str, how: ColumnReading) -> Coerced:
    numbers = coerce_float(array, how=how)
    micros = pc.multiply(numbers.array, UNIX_UNITS[how.time_format or ""])
    # What no integer of 64 bits can hold is no time either; what no year can is found below.
    counted = pc.round(pc.if_else(pc.less(pc.abs(micros), float(2**62)), micros, None)).cast(pa.int64())
    times, beyond = _clear_beyond(counted.cast(pa.timestamp("us", "UTC")))
    failed = either(numbers.failed, keep(numbers.array, counted).failed)
    return replace(_place(times, timezone), failed=failed, beyond=beyond)


def _cast_times(text: pa.Array) -> Coerced | None:
    """Times in ISO 8601, None where one of them is anything else."""
    try:
        times, beyond = _clear_beyond(text.cast(pa.timestamp("us")))
    except pa.ArrowInvalid:
        return None
    return Coerced(times, beyond=beyond)


def _parse_times(text: pa.Array, timezone: str) -> Coerced:
    """Times in ISO 8601, some of them with a time zone, or something that is no time: value by value."""
    if cast := _cast_times(text):
        return cast
    # pandas knows a plain blank alone in ISO 8601; in a declared format, it takes any.
    text = pc.replace_substring_regex(text, BLANK, " ")
    zoned = pc.match_substring_regex(text, ZONED)
    wall, beyond = _clear_beyond(_parse(pc.if_else(zoned, None, text), "ISO8601", utc=False))
    instants, zoned_beyond = _clear_beyond(_parse(pc.if_else(zoned, text, None), "ISO8601", utc=True))
    placed = _place(instants, timezone)
    beyond = either(beyond, zoned_beyond)
    times = pc.if_else(zoned, placed.array, wall)
    readable = times if beyond is None else pc.if_else(beyond, pa.scalar(0, times.type), times)
    return Coerced(times, keep(text, readable).failed, beyond, placed.instants)


def _parse_format(text: pa.Array, timezone: str, time_format: str) -> Coerced:
    # Days come again and again.
    coded = text.dictionary_encode()
    utc = "%z" in time_format
    parsed = _parse(coded.dictionary, time_format, utc).take(coded.indices)
    times, beyond = _clear_beyond(parsed)
    placed = _place(times, timezone) if utc else Coerced(times)
    return replace(placed, failed=keep(text, parsed).failed, beyond=beyond)


def _parse(text: pa.Array, time_format: str, utc: bool) -> pa.Array:
    import pandas as pd  # only here: the rare path must not make every load pay for it

    times = pd.to_datetime(text.to_pandas(), format=time_format, errors="coerce", utc=utc)
    return pa.array(times.to_numpy("datetime64[us]"), pa.timestamp("us", "UTC" if utc else None), from_pandas=True)


def _read_clocks(clocks: pa.Array, how: ColumnReading) -> Coerced:
    """Microseconds since midnight."""
    if pa.types.is_time(clocks.type):
        return Coerced(clocks.cast(pa.time64("us")).cast(pa.int64()))
    if not is_text(clocks.type):
        hours = coerce_float(clocks, how=how)
        usable = pc.and_(pc.equal(hours.array, pc.floor(hours.array)), pc.less_equal(hours.array, 24))
        whole = keep(hours.array, pc.if_else(pc.and_(usable, pc.greater_equal(hours.array, 0)), hours.array, None))
        micros = pc.multiply(whole.array.cast(pa.int64()), MICROS["hour"])
        return Coerced(micros, either(hours.failed, whole.failed))
    text = clear_marks(blank_to_null(clocks), how)
    parts = pc.extract_regex(text, CLOCK)
    digits = {part: pc.struct_field(parts, part) for part in MICROS}
    numbers = {part: pc.if_else(pc.equal(found, ""), "0", found).cast(pa.int64()) for part, found in digits.items()}
    half = pc.utf8_lower(pc.struct_field(parts, "half"))
    hour = numbers["hour"]
    # Twelve is the first hour of either half. Who writes `18:30 pm` means 18:30; what `18:30 am` is, nobody knows.
    halved = pc.if_else(pc.greater_equal(hour, 12), pc.subtract(hour, 12), hour)
    of_morning = pc.if_else(pc.greater(hour, 12), pa.scalar(None, pa.int64()), halved)
    numbers["hour"] = pc.if_else(
        pc.equal(half, ""), hour, pc.if_else(pc.equal(half, "pm"), pc.add(halved, 12), of_morning)
    )
    micros = pa.scalar(0, pa.int64())
    for part, size in MICROS.items():
        micros = pc.add(micros, pc.multiply(numbers[part], size))
    return keep(text, micros)
