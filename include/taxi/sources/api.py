"""A paged HTTP JSON API of trips.

The address holds `{page}` (from 1) or `{offset}` (from 0), and may hold `{limit}`, `{month}`, `{month_start}` and
`{month_end}` (first day of the next month). Pages are asked for until one is empty or shorter than the limit.
"""

import hashlib
import json
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import count, islice
from typing import IO, Any

import httpx
import pyarrow as pa

from include.taxi.errors import SourceInvalid
from include.taxi.settings import Settings
from include.taxi.sources import http
from include.taxi.sources.contents import BATCH_ROWS, Contents, Probe
from include.taxi.sources.location import locate, mask

PAGE_ROWS = 10_000
JSON_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}


def list_months(settings: Settings, known: Collection[str]) -> list[str]:
    """The months of the setting: an API does not say which it has."""
    return list(settings.months)


def probe(settings: Settings, month: str) -> Probe:
    """Names the address only: an API has no sign of a change short of reading it."""
    return Probe(month, mask(locate(settings, month)), None, None, None)


@contextmanager
def open_month(settings: Settings, month: str) -> Iterator[Contents]:
    """Reads every page of `month` to a temporary file, whose records can be read until the block ends."""
    url = locate(settings, month)
    types: dict[str, set[str]] = {}
    digest = hashlib.sha256()
    with tempfile.TemporaryFile("w+b") as file:
        for record in _ask(url, settings):
            for name, value in record.items():
                types.setdefault(name, set()).update([JSON_TYPES[type(value)]] if value is not None else [])
            line = json.dumps(record, sort_keys=True, separators=(",", ":")).encode() + b"\n"
            digest.update(line)
            file.write(line)
        columns = {name: "|".join(sorted(kinds)) or "null" for name, kinds in types.items()}
        yield Contents(
            mask(url), file.tell(), None, digest.hexdigest(), columns, lambda names: _read_batches(file, names)
        )


def _ask(url: str, settings: Settings) -> Iterator[dict[str, Any]]:
    limit = PAGE_ROWS if "{limit}" in url else None
    offset, previous = 0, None
    with httpx.Client(timeout=settings.source_timeout, follow_redirects=True) as client:
        for page in count(1):
            address = url
            for placeholder, value in {"page": page, "offset": offset, "limit": limit}.items():
                address = address.replace(f"{{{placeholder}}}", str(value))
            records = _find_records(http.get_json(client, address), settings.source_records, address)
            if records and records == previous:
                raise SourceInvalid(f"{mask(address)} gives the page before it again: the server ignores the paging")
            yield from records
            if len(records) < (limit or 1):
                return
            offset, previous = offset + len(records), records


def _find_records(document: Any, path: str, url: str) -> list[dict[str, Any]]:
    for key in filter(None, path.split(".")):
        if not isinstance(document, dict) or key not in document:
            raise SourceInvalid(f"{mask(url)}: the answer has no key '{key}': change SOURCE_RECORDS ('{path}')")
        document = document[key]
    if not isinstance(document, list) or not all(isinstance(record, dict) for record in document):
        raise SourceInvalid(
            f"{mask(url)}: the answer is not a list of records: name the key that holds them in SOURCE_RECORDS"
        )
    return document


def _read_batches(file: IO[bytes], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    file.seek(0)
    while lines := list(islice(file, BATCH_ROWS)):
        records = [json.loads(line) for line in lines]
        yield pa.record_batch([_make_array([record.get(name) for record in records]) for name in names], list(names))


def _make_array(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except pa.ArrowException:
        # Several types in one column: as text, so that each value is judged by itself.
        return pa.array([None if value is None else str(value) for value in values], pa.string())
