"""Files of trips, Parquet or CSV: on disk, over HTTP, or in any store that fsspec knows.

A remote file is downloaded once to a temporary file, then hashed and read from there.
"""

import glob
import hashlib
import re
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import fsspec

from include.configuration.values import MONTH_TEXT
from include.errors import SettingsError, SourceInvalid, SourceUnavailable
from include.settings import Settings
from include.sources import http
from include.sources.contents import Contents, Probe
from include.sources.formats import guard, open_csv, open_parquet, translate_errors
from include.sources.limits import Allow, Limits, Progress, allow_all, read_within
from include.sources.location import explain, locate, mask

MONTH = "{month}"
# What stores call the sign that an object changed.
VALIDATOR_KEYS = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified", "created")


def list_months(settings: Settings, known: Collection[str]) -> list[str]:
    """The months that there is a file of; where files cannot be listed, those known and the ones that follow them."""
    template = settings.problem.address
    if MONTH not in template:
        return list(settings.months)
    if _is_http(template):
        return http.list_months(lambda month: locate(settings, month), [*settings.months, *known], Limits.of(settings))

    def find(_: Progress) -> list[str]:
        with _translate(template):
            filesystem, name = fsspec.core.url_to_fs(str(find_local(template) or template))
            filesystem.invalidate_cache()
            return _find_months(name, filesystem.glob("*".join(map(glob.escape, name.split(MONTH)))))

    return read_within(Limits.of(settings), template, find)


def _find_months(template: str, names: Sequence[str]) -> list[str]:
    """The months of those names that are the template with a month for `{month}`."""
    first, *others = map(re.escape, template.split(MONTH))
    pattern = re.compile(first + rf"(?P<month>{MONTH_TEXT})" + "(?P=month)".join(others))
    return [found["month"] for found in map(pattern.fullmatch, names) if found]


def probe(settings: Settings, month: str) -> Probe:
    """Looks at the file: a hash too where it is on disk."""
    url = locate(settings, month)
    size, validator = look(url, Limits.of(settings))
    path = find_local(url)
    return Probe(month, mask(url), size, validator, hash_file(path) if path else None)


def look(url: str, limits: Limits) -> tuple[int | None, str | None]:
    """Size and sign of a change of the file at `url`, without reading it.

    Raises:
        SourceInvalid: There is no such file.
        SourceUnavailable: It cannot be reached now.
    """
    if path := find_local(url):
        return _require_file(path), _read_mtime(path)
    if _is_http(url):
        return http.look(url, limits)

    def ask(_: Progress) -> tuple[int | None, str | None]:
        with _translate(url):
            filesystem, name = fsspec.core.url_to_fs(url)
            # Workers live long, and a listing of an hour ago may be cached.
            filesystem.invalidate_cache()
            return _read_info(filesystem.info(name))

    return read_within(limits, url, ask)


@contextmanager
def open_month(settings: Settings, month: str, allow: Allow = allow_all) -> Iterator[Contents]:
    """Opens the file of `month`; the batches can be read until the block ends."""
    url = locate(settings, month)
    with fetch(url, Limits.of(settings, allow)) as (path, validator):
        size = _require_file(path, mask(url))
        text = path if ".csv" in urlsplit(url).path.lower() else None
        with translate_errors(url, text):
            columns, read = (
                open_csv(text, url, settings.problem.read_columns.values()) if text else open_parquet(path, url)
            )
            sha256 = hash_file(path)
        yield Contents(mask(url), size, validator, sha256, columns, lambda names: guard(lambda: read(names), url, text))


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
    with tempfile.TemporaryDirectory(prefix="trips-") as directory:
        path = Path(directory) / "download"
        if _is_http(url):
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
    with _translate(url):
        filesystem, name = fsspec.core.url_to_fs(url)
        filesystem.invalidate_cache()
        _, validator = _read_info(filesystem.info(name))
        filesystem.get_file(name, str(path), callback=_Callback(progress))
    return validator


def find_local(url: str) -> Path | None:
    """The path that a `file://` URL or a plain path means; None for everything else."""
    parts = urlsplit(url)
    if parts.scheme in ("", "file"):
        return Path(url2pathname(parts.path) if parts.scheme else url).expanduser()
    return None


def hash_file(path: Path) -> str:
    """SHA-256 of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_http(url: str) -> bool:
    return urlsplit(url).scheme in ("http", "https")


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
        raise SourceInvalid(f"{location} does not exist: check SOURCE and MONTHS") from error
    except OSError as error:
        raise SourceUnavailable(f"{location} could not be read: {error}") from error
    if size == 0:
        raise SourceInvalid(f"{location} is empty (0 bytes): publish it again, or leave its month out of MONTHS")
    return size


def _read_info(info: dict) -> tuple[int | None, str | None]:
    sign = next((info[key] for key in VALIDATOR_KEYS if info.get(key)), None)
    return info.get("size"), str(sign) if sign is not None else None


@contextmanager
def _translate(url: str) -> Iterator[None]:
    # Each store raises its own library's errors for the same troubles: only these are worth telling apart.
    try:
        yield
    except FileNotFoundError as error:
        raise SourceInvalid(f"{mask(url)} does not exist: check SOURCE and MONTHS") from error
    except (ImportError, ValueError) as error:
        raise SettingsError(
            f"{mask(url)} needs a package or protocol that is not installed: {explain(error, url)}"
        ) from error
    except Exception as error:
        reason = explain(error, url)
        if isinstance(error, PermissionError) or "Credential" in type(error).__name__:
            raise SourceInvalid(f"{mask(url)} refuses access ({reason}): check the store's credentials") from error
        raise SourceUnavailable(f"{mask(url)} could not be read: {reason}. Try again when it answers") from error
