"""Where a month of rows is: the source setting's kinds, its placeholders, and its form without secrets."""

import re
from datetime import date
from typing import Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from include.configuration.values import ALL, SECRET_NAMES, SECRET_WORDS
from include.errors import SettingsError
from include.problem.declaration import SAMPLE, Problem
from include.settings import Settings

Kind = Literal["sample", "table", "api", "file"]

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson")
PACKED_SUFFIXES = (".gz", ".zst", ".zip")
BINARY_SUFFIXES = (".parquet", ".arrow", ".feather", ".xlsx")
FILE_SUFFIXES = (
    *BINARY_SUFFIXES,
    *(f"{suffix}{packed}" for suffix in TEXT_SUFFIXES for packed in ("", *PACKED_SUFFIXES)),
)
SECRET_PARAMETER = re.compile(
    rf"(?i)((?:\b[\w-]*(?:{'|'.join(SECRET_WORDS)})[\w-]*|(?:^|(?<=[?&]))(?:{'|'.join(SECRET_NAMES)}))=)[^&\s]+"
)
# A password may hold what ends the host elsewhere, so that it is taken to reach to the last @: too much is hidden of
# an address with both a port and an @ in its path, but no password is shown.
LOGIN = re.compile(r"(?s)[^/?#]*//(?P<login>[^/?#]*:.*|[^/?#]*)@")
HOST_AND_PORT = re.compile(r"(.*@)?(\[[^\]]*\]|[^:]*)(:\d*)?")
WEB = ("http://", "https://")
WITH_PORTS = (*WEB, "postgresql://", "postgres://", "ftp://", "sftp://")


def identify_kind(settings: Settings, source_key: str = "SOURCE", months_key: str = "MONTHS") -> Kind:
    """Tells which reader the source setting needs.

    Args:
        source_key: What a message calls the source, as whoever gave it does.
        months_key: What it calls the months.

    Raises:
        SettingsError: No reader fits, a password is written in a way that no reader takes, or one file would have to
            be several months.
    """
    source = settings.problem.address
    if source == SAMPLE and settings.problem.sample:
        return "sample"
    try:
        urlsplit(source)
    except ValueError as error:
        raise SettingsError(f"{source_key} is not a usable address: {explain(error, source)}") from error
    if _is_login_cut(source):
        raise SettingsError(
            f"{source_key} {mask(source)}: the password has a character in it that means something else in an address:"
            " write / as %2F, ? as %3F, # as %23 and % as %25"
        )
    if source.startswith(("postgresql://", "postgres://")):
        return "table"
    if source.startswith(WEB) and re.search(r"\{(page|offset)\}", source):
        _require_month(settings, source_key, months_key, r"\{month(_start|_end)?\}")
        return "api"
    if not any(name.lower().endswith(FILE_SUFFIXES) for name in list_names(source)):
        raise SettingsError(
            f"{source_key} {mask(source)}: cannot tell what it is. Give {_name_sources(settings)}a URL or path that"
            f" ends in {', '.join((*BINARY_SUFFIXES, *TEXT_SUFFIXES))} (the last {len(TEXT_SUFFIXES)} also with "
            f"{', '.join(PACKED_SUFFIXES)} after it), postgresql://user:password@host:port/database/schema.table, "
            "or the http(s) URL of a JSON API with {page} or {offset} in it"
        )
    _require_month(settings, source_key, months_key, r"\{month\}")
    return "file"


def _name_sources(settings: Settings) -> str:
    return "".join(f"`{name}`, " for name in settings.problem.source_names)


def _require_month(settings: Settings, source_key: str, months_key: str, placeholder: str) -> None:
    source = settings.problem.address
    by_month = re.search(placeholder, source)
    if len(settings.months) > 1 and not by_month:
        raise SettingsError(
            f"{source_key} {mask(source)} is the same for every month, but {months_key} asks for"
            f" {len(settings.months)}: put {{month}} where the month stands in the address, ask for one month, or load"
            f" it whole by {months_key}={ALL}"
        )
    if by_month and settings.months == (ALL,):
        raise SettingsError(
            f"{source_key} {mask(source)} has {by_month[0]} in it, but no month is named: set {months_key}, as in"
            f" {months_key}=2024-01,2024-02"
        )


def locate(settings: Settings, month: str) -> str:
    """The address of `month` (YYYY-MM, or `all`), secrets included; an API's page placeholders are left in."""
    return fill_in(settings.problem, settings.problem.source, month)


def fill_in(problem: Problem, source: str, month: str) -> str:
    """As `locate`, of any address that is written as SOURCE is."""
    source = problem.sources.get(source, source)
    if month == ALL:
        return source
    start, end = month_bounds(month)
    for placeholder, value in {"month": month, "month_start": start, "month_end": end}.items():
        source = source.replace(f"{{{placeholder}}}", str(value))
    return source


def month_bounds(month: str) -> tuple[date, date]:
    """First day of `month` (YYYY-MM) and of the month after it."""
    year, number = map(int, month.split("-"))
    return date(year, number, 1), date(year + number // 12, number % 12 + 1, 1)


def next_month(month: str) -> str:
    """The month (YYYY-MM) after `month`."""
    return f"{month_bounds(month)[1]:%Y-%m}"


def list_span(first: str, last: str) -> list[str]:
    """The months from `first` to `last`, both included."""
    months = [first]
    while months[-1] < last:
        months.append(next_month(months[-1]))
    return months


def list_names(url: str) -> list[str]:
    """What may be the path and name of the file at the address: only on the web do they always end at `?` or `#`."""
    parts = urlsplit(url)
    if not parts.scheme:
        return [url]
    # Some stores take the version of an object behind a `?`.
    return [parts.path] if parts.scheme in ("http", "https", "file") else [url, parts.path]


def has_secret(url: str) -> bool:
    """Whether the address has a password, a login of the web, or a parameter that is a secret, in it."""
    return bool(_read_password(url) or ":" in _read_login(url) or SECRET_PARAMETER.search(url.partition("?")[2]))


def mask(url: str) -> str:
    """The address without user, password and secret parameters, as it may stand in messages, logs and tables."""
    if found := LOGIN.match(url):
        url = f"{url[: found.start('login')]}***{url[found.end('login') :]}"
    try:
        parts = urlsplit(url)
    except ValueError:  # no address: nothing tells what of it is secret
        return "***"
    return urlunsplit(parts._replace(query=SECRET_PARAMETER.sub(r"\1***", parts.query)))


def explain(error: BaseException, url: str) -> str:
    """The first line of an error, with what is secret in `url` masked."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0].replace(url, mask(url))
    password = _read_password(url)
    # As it is in the address, and as it is sent.
    for secret in filter(None, (password, unquote(password))):
        text = text.replace(secret, "***")
    return SECRET_PARAMETER.sub(r"\1***", text)


def _read_login(url: str) -> str:
    """User and password as they are in the address; empty if there are none."""
    found = LOGIN.match(url)
    return found["login"] if found else ""


def _read_password(url: str) -> str:
    """The password as it is in the address; on the web, a login without one is a secret itself."""
    user, _, password = _read_login(url).partition(":")
    return password or (user if url.lower().startswith(WEB) else "")


def _is_login_cut(url: str) -> bool:
    """Whether readers would take a part of the password for the end of the host."""
    login = _read_login(url)
    host = re.split("[/?#]", login, maxsplit=1)[0]
    return url.lower().startswith(WITH_PORTS) and host != login and not HOST_AND_PORT.fullmatch(host)
