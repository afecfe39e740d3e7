"""Which files there are: the months of a template, the files that a `*` means, on disk or in a store."""

import glob
import re
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
from include.sources.contents import NothingThere
from include.sources.limits import Limits, Progress, read_within
from include.sources.location import explain, locate, mask

MONTH = "{month}"


def list_months(settings: Settings, known: Collection[str]) -> list[str]:
    """The months that there is a file of; where files cannot be listed, those known and the ones that follow them."""
    template = settings.problem.address
    if MONTH not in template:
        return list(settings.months)
    if is_http(template):
        return http.list_months(lambda month: locate(settings, month), [*settings.months, *known], Limits.of(settings))

    def find(_: Progress) -> list[str]:
        with translate_store(template):
            filesystem, name = fsspec.core.url_to_fs(str(find_local(template) or template))
            filesystem.invalidate_cache()
            return _find_months(name, filesystem.glob("*".join(map(glob.escape, re.split(r"\{month\}|\*", name)))))

    return read_within(Limits.of(settings), template, find)


def _find_months(template: str, names: Sequence[str]) -> list[str]:
    """The months of those names that are the template with a month for `{month}`."""
    first, *others = (re.escape(part).replace(r"\*", "[^/]*") for part in template.split(MONTH))
    pattern = re.compile(first + rf"(?P<month>{MONTH_TEXT})" + "(?P=month)".join(others))
    return sorted({found["month"] for found in map(pattern.fullmatch, names) if found})


def expand(url: str, limits: Limits) -> list[str]:
    """The addresses of the files that an address with `*` in it means, by name; HTTP lists none.

    Raises:
        NothingThere: There is none.
        SettingsError: A link leads to where nothing may be read.
    """
    if "*" not in url or is_http(url):
        return [url]
    # Two of them mean folders below folders to those who look for files: nobody has said that these may be read.
    url = re.sub(r"\*+", "*", url)
    if path := find_local(url):
        return [str(found) for found in _find_files(path, limits)] or _refuse_none(url)

    def ask(_: Progress) -> list[str]:
        with translate_store(url):
            filesystem, name = fsspec.core.url_to_fs(url)
            filesystem.invalidate_cache()
            escaped = "*".join(map(glob.escape, name.split("*")))
            return [filesystem.unstrip_protocol(found) for found in sorted(filesystem.glob(escaped))]

    return read_within(limits, url, ask) or _refuse_none(url)


def _find_files(pattern: Path, limits: Limits) -> list[Path]:
    # A bracket or a question mark in a name is nothing but itself.
    escaped = "*".join(map(glob.escape, str(pattern.relative_to(pattern.anchor)).split("*")))
    hidden = pattern.name.startswith(".")
    matching = sorted(Path(pattern.anchor).glob(escaped))
    found = [path for path in matching if path.is_file() and path.name.startswith(".") == hidden]
    for path in found:
        if (real := path.resolve()) != path:
            limits.allow(str(real))
    # By their own names: a link's target need not show the form of what is in it.
    return found


def _refuse_none(url: str) -> list[str]:
    raise NothingThere(f"{mask(url)}: no file matches: check SOURCE and MONTHS")


def find_local(url: str) -> Path | None:
    """The path that a `file://` URL or a plain path means; None for everything else."""
    parts = urlsplit(url)
    if parts.scheme in ("", "file"):
        return Path(url2pathname(parts.path) if parts.scheme else url).expanduser()
    return None


def is_http(url: str) -> bool:
    """Whether it is an address of the web."""
    return urlsplit(url).scheme in ("http", "https")


@contextmanager
def translate_store(url: str, settings: str = "SOURCE and MONTHS") -> Iterator[None]:
    """Turns what stores raise into our errors; `settings` say where the store is."""
    # Each store raises its own library's errors for the same troubles: only these are worth telling apart.
    try:
        yield
    except FileNotFoundError as error:
        raise SourceInvalid(f"{mask(url)} does not exist: check {settings}") from error
    except (ImportError, ValueError) as error:
        raise SettingsError(
            f"{mask(url)} needs a package or protocol that is not installed: {explain(error, url)}"
        ) from error
    except Exception as error:
        reason = explain(error, url)
        if isinstance(error, PermissionError) or "Credential" in type(error).__name__:
            raise SourceInvalid(f"{mask(url)} refuses access ({reason}): check the store's credentials") from error
        raise SourceUnavailable(
            f"{mask(url)} could not be read or written: {reason}. Try again when it answers"
        ) from error
