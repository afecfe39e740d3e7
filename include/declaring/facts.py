"""What can be seen of a column's values, by the code that will read them when they are loaded."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from include.problem.inference.columns import SHARE, UNUSABLE, Facts, Stored, names_a_time
from include.problem.inference.times import find_time_format
from include.problem.reading import ISO
from include.raw.coerced import Coerced, ColumnReading, NumberForm, is_text
from include.raw.coercion import COERCIONS
from include.raw.numbers import INFINITE
from include.raw.times import CLOCK, ZONED

TEXT, NUMBER, TIME = pa.string(), pa.float64(), pa.timestamp("us")
BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
SHOWN = 5
HOURS = 24
# Words for yes and no; in letters of any case, so that there may be more than two spellings.
PAIRS = [{"yes", "no"}, {"true", "false"}, {"t", "f"}, {"y", "n"}, {"0", "1"}]
# Format -> what is counted from 1980 to 2100.
UNIX = {"unix": (315_532_800, 4_102_444_800), "unix_ms": (315_532_800_000, 4_102_444_800_000)}
# Share of the rows that a mark of a missing value must at least be in.
MARKER_SHARE = 0.005


def measure(name: str, array: pa.Array, marks: frozenset[str], declared: str = "") -> Facts:
    """What can be seen of a column.

    Args:
        array: The column, in the type that the source has for it.
        marks: Texts that mean a missing value.
        declared: The format of times that a person gave.
    """
    how = ColumnReading(marks)
    stored = _stored(array.type)
    if stored in UNUSABLE:
        return Facts(name, stored, rows=len(array), present=len(array) - array.null_count)
    text = COERCIONS[TEXT](array, "UTC", how).array
    counts = pc.value_counts(text.drop_null()).to_pylist()
    counts.sort(key=lambda counted: -counted["counts"])
    values = [counted["values"] for counted in counts]
    present = len(text) - text.null_count
    seen: dict[str, Any] = {
        "distinct": len(counts),
        "frequent": tuple((_shorten(counted["values"]), counted["counts"]) for counted in counts[:SHOWN]),
        "example": values[0] if values else "",
        "length": pc.mean(pc.utf8_length(text)).as_py() or 0.0,
        "has_blanks": (pc.mean(pc.match_substring(text, " ").cast(NUMBER)).as_py() or 0) > 1 - SHARE,
        "two_words": {value.lower() for value in values[:SHOWN]} in PAIRS and len(values) <= SHOWN,
    }
    if stored in ("text", "number") and present:
        seen |= _measure_numbers(array, text, present, how)
        fits = bool(declared) and _fits(array, declared, present, how)
        seen["time_format"] = declared if fits else _find_format(name, stored, values, text, seen)
    zoned = _is_zoned(values, seen.get("time_format"))
    kind_timezone = str(getattr(array.type, "tz", None) or "")
    if stored in ("time", "date") or seen.get("time_format") is not None:
        seen["timezone"] = kind_timezone or ("UTC" if zoned or seen.get("time_format") in UNIX else "")
        seen["has_clock"] = _has_clock(array, values, stored, seen.get("time_format"))
    seen["is_clock"] = bool(values) and _is_clock(stored, values, seen)
    return Facts(name, stored, rows=len(array), present=present, **seen)


def read_numbers(array: pa.Array, marks: frozenset[str]) -> npt.NDArray[np.float64]:
    """The column as numbers, (n,), NaN where a value is missing or none."""
    read = array.cast(NUMBER) if pa.types.is_boolean(array.type) else _coerce_numbers(array, ColumnReading(marks))
    return read.to_numpy(zero_copy_only=False)


def read_texts(array: pa.Array, marks: frozenset[str]) -> npt.NDArray[Any]:
    """The column as texts, (n,), None where a value is missing."""
    return COERCIONS[TEXT](array, "UTC", ColumnReading(marks)).array.to_numpy(zero_copy_only=False)


def read_times(array: pa.Array, marks: frozenset[str], time_format: str | None, timezone: str) -> npt.NDArray[Any]:
    """The column as times, (n,), NaT where a value is missing or none."""
    return COERCIONS[TIME](array, timezone, ColumnReading(marks, time_format)).array.to_numpy(zero_copy_only=False)


def _shorten(text: str) -> str:
    # Midnight, and fractions of seconds of nothing.
    return re.sub(r"(:\d{2})\.0+(?=Z?$)", r"\1", text)


def _stored(kind: pa.DataType) -> Stored:
    if is_text(kind) or pa.types.is_null(kind):
        return "text"
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_timestamp(kind):
        return "time"
    if pa.types.is_date(kind):
        return "date"
    if pa.types.is_time(kind):
        return "clock"
    if pa.types.is_duration(kind) or pa.types.is_interval(kind):
        return "duration"
    if any(is_kind(kind) for is_kind in BINARY):
        return "binary"
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return "number" if is_number else "nested"


def _coerce_numbers(array: pa.Array, how: ColumnReading) -> pa.Array:
    return COERCIONS[NUMBER](array, "UTC", how).array


def _measure_numbers(array: pa.Array, text: pa.Array, present: int, how: ColumnReading) -> dict[str, Any]:
    read = COERCIONS[NUMBER](array, "UTC", how)
    infinite = _find_infinite(array, read, how)
    numbers = read.array.to_numpy(zero_copy_only=False)
    finite = numbers[~np.isnan(numbers)]
    form = read.form or NumberForm()
    failed = text.filter(pc.and_(pc.is_null(read.array), pc.and_not(pc.is_valid(text), infinite)))
    steps = np.diff(finite)
    zeros = pc.any(pc.match_substring_regex(text, r"^0\d+$")).as_py() if is_text(array.type) else False
    return {
        "middle": float(f"{np.sort(finite)[len(finite) // 2]:.10g}") if len(finite) else None,
        "readable": (len(finite) + infinite.true_count) / present,
        "unreadable": failed[0].as_py() if len(failed) else "",
        "is_whole": len(finite) > 0 and bool(np.all(finite == np.floor(finite))),
        "low": float(finite.min()) if len(finite) else 0.0,
        "high": float(finite.max()) if len(finite) else 0.0,
        "has_leading_zeros": bool(zeros),
        "is_sorted": len(steps) > 0 and bool(np.all(steps > 0) or np.all(steps < 0)),
        "prefix": form.prefix,
        "suffix": form.suffix,
        "marker": _find_marker(finite),
        "infinite": infinite.true_count,
    }


def _find_infinite(array: pa.Array, read: Coerced, how: ColumnReading) -> pa.Array:
    """Marks the values that are infinite: those that no longer fail where an infinity means a missing value."""
    others = COERCIONS[NUMBER](array, "UTC", replace(how, missing=how.missing | INFINITE)).failed
    none = pa.repeat(False, len(array))
    return pc.and_not(none if read.failed is None else read.failed, none if others is None else others)


def _find_marker(numbers: npt.NDArray[np.float64]) -> float | None:
    """A number that is there again and again, further from all others than these are from each other."""
    values, counts = np.unique(numbers, return_counts=True)
    if len(values) < SHOWN:
        return None
    for end, next_one, other_end in ((0, 1, -1), (-1, -2, 0)):
        gap, width = abs(values[end] - values[next_one]), abs(values[next_one] - values[other_end])
        if gap > width and counts[end] >= max(2, MARKER_SHARE * len(numbers)):
            return float(values[end])
    return None


def _fits(array: pa.Array, declared: str, present: int, how: ColumnReading) -> bool:
    """Whether nearly all values are times of that format, or of the part of it that says the day."""
    formats = dict.fromkeys((declared, declared.partition(" ")[0])) if is_text(array.type) else (declared,)
    for time_format in formats:
        if time_format in (*UNIX, ISO) or "%d" in time_format:
            times = COERCIONS[TIME](array, "UTC", replace(how, time_format=time_format)).array
            if len(times) - times.null_count >= SHARE * present:
                return True
    return False


def _find_format(name: str, stored: Stored, values: list[str], text: pa.Array, seen: dict[str, Any]) -> Any:
    """How the values are written if they are times; None where they are numbers, or anything else."""
    if seen["readable"] >= SHARE:
        if not names_a_time(name):
            return None
        if all(len(value) == len("20240131") for value in values) and _are_days(values):
            return "%Y%m%d" if stored == "text" else None
        return next((key for key, (low, high) in UNIX.items() if low <= seen["low"] and seen["high"] < high), None)
    if stored != "text" or not re.search(r"\d", values[0]):
        return None
    return find_time_format(text.to_pylist())


def _are_days(values: list[str]) -> bool:
    days = COERCIONS[TIME](pa.array(values, TEXT), "UTC", ColumnReading(time_format="%Y%m%d")).array
    return days.null_count == 0


def _is_zoned(values: list[str], time_format: Any) -> bool:
    if time_format == ISO:
        return bool(pc.match_substring_regex(pa.scalar(values[0]), ZONED).as_py())
    return "%z" in str(time_format)


def _has_clock(array: pa.Array, values: list[str], stored: Stored, time_format: Any) -> bool:
    if stored in ("time", "date"):
        days = array.cast(pa.timestamp("us", getattr(array.type, "tz", None)), safe=False)
        return bool(pc.any(pc.not_equal(days, pc.floor_temporal(days, unit="day"))).as_py())
    if time_format == ISO:
        return ":" in values[0]
    return time_format in UNIX or "%H" in str(time_format) or "%I" in str(time_format)


def _is_clock(stored: Stored, values: list[str], seen: dict[str, Any]) -> bool:
    if stored == "clock":
        return True
    if seen.get("readable") == 1:
        return bool(seen["is_whole"]) and seen["low"] >= 0 and seen["high"] <= HOURS
    clocks = pc.extract_regex(pa.array(values, TEXT), CLOCK)
    return stored == "text" and clocks.null_count == 0
