"""Files of any usual form: on disk, over HTTP, or in any store that fsspec knows; several of them by a `*`.

A remote file is downloaded once to a temporary file, then hashed and read from there.
"""

import hashlib
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import fsspec
import pyarrow as pa

from include.errors import SourceInvalid, SourceUnavailable
from include.problem.declaration import Problem
from include.problem.kinds import BOUNDED
from include.problem.parts import UNIX
from include.problem.reading import DETECT, Reading
from include.settings import Settings
from include.sources import http
from include.sources.contents import Contents, NothingThere, Probe
from include.sources.formats.globs import combine, join
from include.sources.formats.packing import unpack
from include.sources.formats.tables import guard, open_table, translate_errors
from include.sources.limits import Allow, Limits, Progress, allow_all, read_within
from include.sources.listing import expand, find_local, is_http, list_months, translate_store
from include.sources.location import list_names, locate, mask

__all__ = ["fetch", "is_smaller", "list_months", "look", "open_month", "probe"]

DELIMITED = (".csv", ".tsv", ".txt")
# What stores call the sign that an object changed.
VALIDATOR_KEYS = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified", "created")


def probe(settings: Settings, month: str) -> Probe:
    """Looks at the file: a hash too where it is on disk."""
    found, url = look(settings, month), locate(settings, month)
    if not find_local(url):
        return found
    paths = [path for path in map(find_local, expand(url, Limits.of(settings))) if path]
    return replace(found, sha256=combine([hash_file(path) for path in paths]))


def is_smaller(settings: Settings, found: Probe, rows: int) -> bool:
    """Whether the file that was found is known to hold fewer rows, by its size alone: of text, as nothing packs it."""
    names = list_names(locate(settings, found.month))
    if not found.size or not any(name.lower().endswith(DELIMITED) for name in names):
        return False
    # A line takes a byte for each column at least, for what stands behind its value; so does that of the names.
    return found.size < rows * len(set(settings.problem.read_columns.values()))


def look(settings: Settings, month: str) -> Probe:
    """Size and sign of a change of the file of `month`, or of all that its address means, without reading it.

    Raises:
        NothingThere: There is no such file, or it is empty.
        SourceInvalid: It cannot be used: one of several is empty.
        SourceUnavailable: It cannot be reached now.
    """
    url = locate(settings, month)
    limits = Limits.of(settings)
    urls = expand(url, limits)
    try:
        sizes, validators = zip(*(_look_at_one(one, limits) for one in urls), strict=True)
    except NothingThere as error:
        if len(urls) == 1:
            raise
        raise SourceInvalid(str(error)) from error  # the others are there
    return Probe(month, mask(url), None if None in sizes else sum(sizes), combine(validators), None)


def _look_at_one(url: str, limits: Limits) -> tuple[int | None, str | None]:
    if path := find_local(url):
        return _require_file(path), _read_mtime(path)
    if is_http(url):
        return http.look(url, limits)

    def ask(_: Progress) -> tuple[int | None, str | None]:
        with translate_store(url):
            filesystem, name = fsspec.core.url_to_fs(url)
            # Workers live long, and a listing of an hour ago may be cached.
            filesystem.invalidate_cache()
            return _read_info(filesystem.info(name))

    size, validator = read_within(limits, url, ask)
    _require_bytes(size, mask(url))
    return size, validator


@contextmanager
def open_month(
    settings: Settings, month: str, allow: Allow = allow_all, reading: Reading = DETECT
) -> Iterator[Contents]:
    """Opens the files of `month`; the batches can be read until the block ends."""
    url = locate(settings, month)
    limits = Limits.of(settings, allow)
    urls = expand(url, limits)
    wanted = settings.problem.read_columns.values()
    reading = replace(reading, texts=_list_texts(settings.problem))
    with ExitStack() as stack:
        parts = [stack.enter_context(_open_file(one, limits, wanted, reading)) for one in urls]
        yield join(url, parts)


def _list_texts(problem: Problem) -> frozenset[str]:
    """The source's columns that nothing reads as numbers; none where columns are not declared yet."""

    def holds_numbers(name: str) -> bool:
        column = problem.columns.get(name)
        if column is None:  # the target
            return not problem.labels
        return column.kind in BOUNDED or problem.time_format_of(name) in UNIX

    texts = {source for name, source in problem.read_columns.items() if not holds_numbers(name)}
    return frozenset(texts.difference(problem.clocks.values()))


@contextmanager
def _open_file(url: str, limits: Limits, wanted: Collection[str], reading: Reading) -> Iterator[Contents]:
    with fetch(url, limits) as (path, validator):
        size, before = _require_file(path, mask(url)), _read_mtime(path)
        with ExitStack() as stack:
            with translate_errors(url):
                table = open_table(stack.enter_context(unpack(path, url)), url, wanted, reading)
                sha256 = hash_file(path)

            def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
                try:
                    yield from guard(lambda: table.read(names), url)
                except SourceInvalid:
                    _require_same(path, before, url)
                    raise
                _require_same(path, before, url)

            yield Contents(mask(url), size, validator, sha256, table.columns, read, table.warnings)


def _require_same(path: Path, before: str, url: str) -> None:
    """Raises SourceUnavailable where a file is no longer what it was before it was hashed and read."""
    if not path.exists() or _read_mtime(path) != before:
        raise SourceUnavailable(f"{mask(url)} was written to while it was read. Try again when it is complete")


@contextmanager
def fetch(url: str, limits: Limits) -> Iterator[tuple[Path, str | None]]:
    """A local path of what is at `url`, and its validator; a download lives until the block ends.

    Raises:
        SourceInvalid: There is no such file, or access is refused.
        SourceUnavailable: It cannot be reached now, is too slow, or takes too long.
        SettingsError: The protocol is unknown or its package is not installed.
    """
    if path := find_local(url):
        _require_file(path, mask(url))
        yield path, _read_mtime(path)
        return
    with tempfile.TemporaryDirectory(prefix="source-") as directory:
        path = Path(directory) / "download"
        if is_http(url):
            validator = http.download(url, path, limits)
        else:
            validator = read_within(limits, url, lambda progress: _get(url, path, progress))
        yield path, validator


class _Callback(fsspec.Callback):
    """Ends a download that was given up, at its next piece."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress

    def relative_update(self, inc: int = 1) -> None:
        self.progress.count(self.progress.received + inc)
        super().relative_update(inc)


def _get(url: str, path: Path, progress: Progress) -> str | None:
    """Writes an object of a store to `path` and returns its validator."""
    with translate_store(url):
        filesystem, name = fsspec.core.url_to_fs(url)
        filesystem.invalidate_cache()
        _, validator = _read_info(filesystem.info(name))
        filesystem.get_file(name, str(path), callback=_Callback(progress))
    return validator


def hash_file(path: Path) -> str:
    """SHA-256 of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_mtime(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size}@{status.st_mtime_ns}"


def _require_file(path: Path, location: str | None = None) -> int:
    location = location or str(path)
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise SourceInvalid(f"{location} is not a file: check SOURCE")
    except FileNotFoundError as error:
        raise NothingThere(f"{location} does not exist: check SOURCE and MONTHS") from error
    except OSError as error:
        raise SourceUnavailable(f"{location} could not be read: {error}") from error
    _require_bytes(size, location)
    return size


def _require_bytes(size: int | None, location: str) -> None:
    # What servers of the web say of a size without sending anything is not relied on.
    if size == 0:
        raise NothingThere(
            f"{location} is empty (0 bytes): publish it again, or remove it, and take its month out of MONTHS if it is "
            "named there"
        )


def _read_info(info: dict) -> tuple[int | None, str | None]:
    sign = next((info[key] for key in VALIDATOR_KEYS if info.get(key)), None)
    return info.get("size"), str(sign) if sign is not None else None
