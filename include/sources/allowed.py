"""Which addresses may be read for anyone who can start a run: those of SOURCE, and what BATCH_LOCATIONS names.

An address is judged by its parts, decoded, and is read as it was judged: no other way to write it (the case of letters,
encodings, users, ports, `..`, links) gets around the patterns.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

from include.errors import SettingsError
from include.problem.declaration import SAMPLE
from include.settings import Settings
from include.sources.location import has_secret, mask

PORTS = {"http": 80, "https": 443, "postgresql": 5432}
# What may stand in the place of these in an address; pages are filled in when they are asked for.
PLACEHOLDERS = {
    r"\{month\}": r"\d{4}-\d{2}",
    r"\{month_start\}": r"\d{4}-\d{2}-\d{2}",
    r"\{month_end\}": r"\d{4}-\d{2}-\d{2}",
    r"\{page\}": r"(?:\{page\}|\d+)",
    r"\{offset\}": r"(?:\{offset\}|\d+)",
    r"\{limit\}": r"(?:\{limit\}|\d+)",
}
# Readers of addresses take these for different things.
AMBIGUOUS = re.compile(r"[\x00-\x20\x7f-\U0010ffff\\<>\"^`#]")
CHAIN = re.compile(r"::(?![^\[\]/]*\])")  # but not in the address of a host
ENCODED = re.compile(r"%[0-9a-fA-F]{2}")


@dataclass(frozen=True)
class Address:
    """An address as it is judged: scheme, host and port in one form; path and query decoded."""

    origin: str
    path: str
    query: str = ""


@dataclass(frozen=True)
class Pattern:
    """Addresses that are allowed: of one origin, by path and query."""

    origin: str
    path: re.Pattern[str]
    query: re.Pattern[str]

    def covers(self, address: Address) -> bool:
        """Whether the address is one of them."""
        return bool(
            self.origin == address.origin and self.path.fullmatch(address.path) and self.query.fullmatch(address.query)
        )


class AllowedLocations:
    """The addresses that the settings allow.

    Raises:
        SettingsError: A pattern of BATCH_LOCATIONS is no address.
    """

    def __init__(self, settings: Settings) -> None:
        problem = settings.problem
        self._names = {problem.source, *settings.batch_locations} & set(problem.source_names)
        self._source = problem.address
        self._of_source = _compile([self._source], globs=False)
        self._patterns = _compile([problem.sources.get(name, name) for name in settings.batch_locations], globs=True)

    def check(self, url: str) -> str:
        """The address to read, which is `url` without detours: links on the way to a file are followed already.

        Args:
            url: An address with its month filled in.

        Raises:
            SettingsError: It is not allowed, holds a password or key, or hides where it leads.
        """
        if url == SAMPLE and url in self._names:
            return url
        if has_secret(url):
            raise SettingsError(
                f"location {mask(url)} contains a password or key, which would stay with the run: remove it, and name "
                "in connection_id the Airflow connection that has it"
            )
        address = self._judge(url, f"location {mask(url)}")
        if address.origin == "file":
            return address.path
        login, found, _ = urlsplit(self._source).netloc.rpartition("@")
        if found and any(pattern.covers(address) for pattern in self._of_source) and "@" not in urlsplit(url).netloc:
            return _replace_login(url, login)
        return url

    def check_redirect(self, url: str) -> None:
        """Raises SettingsError where a server or a link leads to an address that is not allowed."""
        bare = _replace_login(url, "")
        self._judge(bare, f"location: a server or a link leads to {mask(bare)}, which")

    def _judge(self, url: str, subject: str) -> Address:
        try:
            address = _parse(url)
        except ValueError as error:
            raise SettingsError(f"{subject} cannot be used: {error}") from error
        if any(pattern.covers(address) for pattern in (*self._of_source, *self._patterns)):
            return address
        raise SettingsError(
            f"{subject} is not allowed: it is not where SOURCE is, and no pattern of BATCH_LOCATIONS covers it. "
            "Add one there (in .env, or as an environment variable) if it may be read"
        )


def _compile(patterns: Sequence[str], *, globs: bool) -> list[Pattern]:
    compiled = []
    for pattern in patterns:
        if pattern == "sample":
            continue
        try:
            parts = urlsplit(pattern)
            if parts.scheme in ("", "file"):
                compiled.append(Pattern("file", _compile_file(_find_path(pattern, parts), globs), re.compile("")))
            else:
                path, query = (_write_expression(unquote(part), globs) for part in (parts.path, parts.query))
                compiled.append(Pattern(_find_origin(parts), re.compile(path), re.compile(query)))
        except ValueError as error:
            if globs:
                raise SettingsError(f"BATCH_LOCATIONS {mask(pattern)} is not an address: {error}") from error
    return compiled


def _compile_file(path: Path, globs: bool) -> re.Pattern[str]:
    """Links in the owner's own pattern are followed, those below its first variable part are not."""
    fixed = 0
    while fixed < len(path.parts) and not re.search(r"\{|\*" if globs else r"\{", path.parts[fixed]):
        fixed += 1
    start = Path(*path.parts[:fixed]).resolve()
    return re.compile(_write_expression(str(start.joinpath(*path.parts[fixed:])), globs))


def _write_expression(text: str, globs: bool) -> str:
    """`*` stands for anything but a slash, `**` for anything; placeholders for what is filled in."""
    expression = re.escape(text)
    for placeholder, meaning in PLACEHOLDERS.items():
        expression = expression.replace(placeholder, meaning)
    return expression.replace(r"\*\*", ".*").replace(r"\*", "[^/]*") if globs else expression


def _parse(url: str) -> Address:
    """The parts of an address; raises ValueError where readers could take it for different ones."""
    parts = urlsplit(url)
    if parts.scheme in ("", "file"):
        if any(ord(letter) < ord(" ") for letter in url):
            raise ValueError("it contains an invisible character")
        return Address("file", str(_find_path(url, parts).resolve()))
    if AMBIGUOUS.search(url) or CHAIN.search(url):
        raise ValueError("it contains a character that is not allowed in an address, or a chain of addresses")
    path, query = unquote(parts.path), unquote(parts.query)
    if re.search("%2f|%5c|%00", parts.path, re.IGNORECASE) or ENCODED.search(path) or "\\" in path:
        raise ValueError("its path is encoded in a way that servers read differently")
    if {".", ".."} & set(path.split("/")):
        raise ValueError("its path contains `.` or `..`")
    return Address(_find_origin(parts), path, query)


def _find_path(url: str, parts: SplitResult) -> Path:
    if parts.scheme and parts.netloc not in ("", "localhost"):
        raise ValueError("a file of another machine cannot be read")
    return Path(url2pathname(parts.path) if parts.scheme else url).expanduser()


def _find_origin(parts: SplitResult) -> str:
    """Scheme, host and port; a user in front of them makes no difference."""
    scheme = "postgresql" if parts.scheme == "postgres" else parts.scheme
    if scheme == "local":
        raise ValueError("write file:// instead of local://")
    if scheme not in PORTS:
        # A bucket, whose name may be written in one way.
        if "@" in parts.netloc:
            raise ValueError("it contains a user name")
        return f"{scheme}://{parts.netloc}"
    host = (parts.hostname or "").rstrip(".")
    if not re.fullmatch(r"[a-z0-9._-]*|[0-9a-f:.]+", host):
        raise ValueError("its host is not written plainly")
    return f"{scheme}://{host}:{parts.port or PORTS[scheme]}"


def _replace_login(url: str, login: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{login}@{host}" if login else host))
