"""A paged HTTP JSON API of rows.

The address holds `{page}` (from 1) or `{offset}` (from 0), and may hold `{limit}`, `{month}`, `{month_start}` and
`{month_end}` (first day of the next month). Pages are asked for until one is empty: one that is shorter than the limit
proves no end, as servers have limits of their own.
"""

import hashlib
import json
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import IO, Any

import pyarrow as pa

from include.errors import SourceInvalid
from include.problem.reading import DETECT, Reading
from include.settings import Settings
from include.sources import http
from include.sources.contents import Contents, NothingThere, Probe
from include.sources.formats.records import Types, make_batches
from include.sources.limits import Allow, Limits, Progress, allow_all, read_within
from include.sources.location import locate, mask

PAGE_ROWS = 10_000
# What no month of rows needs: a server that goes on beyond them does not page, or gives more than it is asked for.
MOST_PAGES = 100_000
MOST_ROWS = 100_000_000
MOST_BYTES = 20 * 2**30
MOST_PAGE_BYTES = 2**28


def list_months(settings: Settings, _known: Collection[str]) -> list[str]:
    """The months of the setting: an API does not say which it has."""
    return list(settings.months)


def probe(settings: Settings, month: str) -> Probe:
    """Names the address only: an API has no sign of a change short of reading it."""
    return Probe(month, mask(locate(settings, month)), None, None, None)


@contextmanager
def open_month(
    settings: Settings, month: str, allow: Allow = allow_all, reading: Reading = DETECT
) -> Iterator[Contents]:
    """Reads every page of `month` to a temporary file, whose records can be read until the block ends."""
    url = locate(settings, month)
    limits = Limits.of(settings, allow)
    at = reading.records or settings.source_records
    with tempfile.TemporaryFile("w+b") as file:
        columns, sha256 = read_within(limits, url, lambda progress: _collect(url, at, limits, progress, file))
        yield Contents(mask(url), file.tell(), None, sha256, columns, lambda names: _read_batches(file, names))


def _collect(url: str, at: str, limits: Limits, progress: Progress, file: IO[bytes]) -> tuple[dict[str, str], str]:
    """Writes a line for each record, and returns the columns and the hash of all lines."""
    types = Types()
    digest = hashlib.sha256()
    rows = 0
    for records, lines in _ask(url, at, limits, progress):
        for record in records:
            types.note(record)
        rows += len(records)
        digest.update(lines)
        with http.explain_full_disk(url):
            file.write(lines)
        if rows > MOST_ROWS or file.tell() > MOST_BYTES:
            raise SourceInvalid(
                f"{mask(url)} gives more than {MOST_ROWS:,} records or {MOST_BYTES:,} bytes for one month: narrow what "
                "it is asked for, for instance by {month_start} and {month_end} in SOURCE, or offer the month as a file"
            )
    return types.columns, digest.hexdigest()


def _ask(url: str, at: str, limits: Limits, progress: Progress) -> Iterator[tuple[list[dict[str, Any]], bytes]]:
    """Each page's records, and the same as lines of JSON.

    Raises:
        SourceInvalid: A page comes again, is no list of records, or there are too many.
    """
    limit = PAGE_ROWS if "{limit}" in url else None
    offset = 0
    is_short = False
    seen: dict[bytes, int] = {}
    with http.open_client(limits) as client:
        for page in count(1):
            address = url
            for placeholder, value in {"page": page, "offset": offset, "limit": limit}.items():
                address = address.replace(f"{{{placeholder}}}", str(value))
            try:
                document = http.get_json(client, address, progress, MOST_PAGE_BYTES)
            except NothingThere:
                # Some servers have no page behind the last one. A page that was short before it says the same.
                if is_short:
                    return
                raise
            records = _find_records(document, at, address)
            lines = _write_lines(records, address)
            before = seen.setdefault(hashlib.sha256(lines).digest(), page)
            if records and before < page:
                raise SourceInvalid(
                    f"{mask(address)} gives page {before} again as page {page}: the server ignores the paging. "
                    "Check how it wants {page} or {offset} in SOURCE"
                )
            yield records, lines
            if not records:
                return
            is_short = limit is not None and len(records) < limit
            if page >= MOST_PAGES:
                raise SourceInvalid(
                    f"{mask(url)} has more than {MOST_PAGES:,} pages for one month: ask for larger pages in SOURCE, "
                    "for instance by {limit}, or offer the month as a file"
                )
            offset += len(records)


def _write_lines(records: list[dict[str, Any]], url: str) -> bytes:
    try:
        lines = (json.dumps(record, sort_keys=True, separators=(",", ":")) for record in records)
        return "".join(f"{line}\n" for line in lines).encode()
    except (RecursionError, ValueError) as error:
        raise SourceInvalid(f"{mask(url)} answers with a record that cannot be kept ({error}): check SOURCE") from error


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
    return make_batches(map(json.loads, file), names)
