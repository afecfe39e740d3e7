"""Records of JSON, one a line: their columns, and batches of them."""

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from include.errors import SourceInvalid
from include.sources.contents import BATCH_ROWS, Opened, name_columns
from include.sources.location import explain, mask

TYPES = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MOST_LINE = 2**24


class Types:
    """The columns of the records that were noted, each with every type that it had."""

    def __init__(self) -> None:
        self._types: dict[str, set[str]] = {}

    def note(self, record: Mapping[str, Any]) -> None:
        """Adds a record."""
        for name, value in record.items():
            self._types.setdefault(name, set()).update([TYPES[type(value)]] if value is not None else [])

    @property
    def columns(self) -> dict[str, str]:
        """Name to type, such as `number|string`."""
        return {name: "|".join(sorted(kinds)) or "null" for name, kinds in self._types.items()}


def open_lines(path: Path, url: str) -> Opened:
    """Opens a file of JSON records, one a line.

    Raises:
        SourceInvalid: A line is no record.
    """
    types = Types()
    with path.open("rb") as file:
        for record in _parse(file, url):
            types.note(record)

    given = name_columns(list(types.columns), url)

    def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        with path.open("rb") as file:
            for batch in make_batches(_parse(file, url), [given[name] for name in names]):
                yield batch.rename_columns(list(names))

    return Opened({name: types.columns[key] for name, key in given.items()}, read)


def make_batches(records: Iterator[dict[str, Any]], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The named values of the records, null where a record has none."""
    some: list[dict[str, Any]] = []
    for record in records:
        some.append(record)
        if len(some) == BATCH_ROWS:
            yield _make_batch(some, names)
            some = []
    if some:
        yield _make_batch(some, names)


def make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON as Python's parser hands it over; raises ValueError where it has a key twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise ValueError(f"a record has the key '{next(name for name in counts if counts[name] > 1)}' twice")
    return found


def make_array(values: list[Any]) -> pa.Array:
    """The values in the one type that they have, else as text."""
    kinds = {type(value) for value in values if value is not None}
    # Arrow takes true for 1 among decimals, and numbers for microseconds among times.
    if len(kinds) < 2 or kinds == {int, float}:
        with suppress(pa.ArrowException, OverflowError, ValueError):
            return pa.array(values)
    # Several types in one column, or what no type can hold: as text, so that each value is judged by itself.
    return pa.array([None if value is None else _write(value) for value in values], pa.string())


def _make_batch(records: list[dict[str, Any]], names: Sequence[str]) -> pa.RecordBatch:
    return pa.record_batch([make_array([record.get(name) for record in records]) for name in names], list(names))


def _write(value: Any) -> str:
    """The text of a value, which is that of the same value in a batch of its type alone."""
    # A spreadsheet has no whole numbers: a code must not become another text for the company that it keeps.
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        text = str(int(value))
    elif isinstance(value, bool | float | dt.datetime | dt.time | dt.timedelta):
        text = pa.scalar(value).cast(pa.string()).as_py()
    else:
        text = str(value)
    # Half of a pair of surrogates is no text in UTF-8.
    return text.encode(errors="replace").decode()


def _parse(file: IO[bytes], url: str) -> Iterator[dict[str, Any]]:
    number = 0
    while line := file.readline(MOST_LINE + 1):
        number += 1
        if len(line) > MOST_LINE:
            raise SourceInvalid(
                f"{mask(url)}, line {number}, is longer than {MOST_LINE:,} bytes: write one record per line"
            )
        line = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
        if not line.strip():
            continue
        try:
            record = json.loads(line, object_pairs_hook=make_object)
        # Nesting that is too deep, or a text that is no JSON or not in UTF-8.
        except (RecursionError, ValueError) as error:
            raise SourceInvalid(
                f"{mask(url)}, line {number}, is no JSON ({explain(error, url)}): write one record per line, in UTF-8"
            ) from error
        if not isinstance(record, dict):
            raise SourceInvalid(
                f'{mask(url)}, line {number}, is no record: write one per line, as {{"age": 19, "sex": "female"}}'
            )
        yield record
