"""Where a month of rows is: the source setting's kinds, its placeholders, and its form without secrets."""

import re
from datetime import date
from typing import Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from include.configuration.values import ALL, SECRET_WORDS
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
SECRET_PARAMETER = re.compile(rf"(?i)\b([\w-]*(?:{'|'.join(SECRET_WORDS)})[\w-]*=)[^&\s]+")


def identify_kind(settings: Settings) -> Kind:
    """Tells which reader the source setting needs.

    Raises:
        SettingsError: No reader fits, or one file would have to be several months.
    """
    source = settings.problem.address
    if source == SAMPLE and settings.problem.sample:
        return "sample"
    try:
        urlsplit(source)
    except ValueError as error:
        raise SettingsError(f"SOURCE is not a usable address: {error}") from error
    if source.startswith(("postgresql://", "postgres://")):
        return "table"
    if source.startswith(("http://", "https://")) and re.search(r"\{(page|offset)\}", source):
        _require_month(settings, source, r"\{month(_start|_end)?\}")
        return "api"
    if not urlsplit(source).path.lower().endswith(FILE_SUFFIXES):
        raise SettingsError(
            f"SOURCE {mask(source)}: cannot tell what it is. Give {_name_sources(settings)}a URL or path that ends in "
            f"{', '.join((*BINARY_SUFFIXES, *TEXT_SUFFIXES))} (the last {len(TEXT_SUFFIXES)} also with "
            f"{', '.join(PACKED_SUFFIXES)} after it), postgresql://user:password@host:port/database/schema.table, "
            "or the http(s) URL of a JSON API with {page} or {offset} in it"
        )
    _require_month(settings, source, r"\{month\}")
    return "file"


def _name_sources(settings: Settings) -> str:
    return "".join(f"`{name}`, " for name in settings.problem.source_names)


def _require_month(settings: Settings, source: str, placeholder: str) -> None:
    by_month = re.search(placeholder, source)
    if len(settings.months) > 1 and not by_month:
        raise SettingsError(
            f"SOURCE {mask(source)} is the same for every month, but MONTHS asks for {len(settings.months)}: "
            f"put {{month}} where the month stands in the address, ask for one month, or load it whole by MONTHS={ALL}"
        )
    if by_month and settings.months == (ALL,):
        raise SettingsError(
            f"SOURCE {mask(source)} has {by_month[0]} in it, but no month is named: set MONTHS, as in"
            " MONTHS=2024-01,2024-02"
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


def has_secret(url: str) -> bool:
    """Whether the address has a password, or a parameter that is one, in it."""
    userinfo = url.partition("//")[2].partition("/")[0].rpartition("@")[0]
    return ":" in userinfo or bool(SECRET_PARAMETER.search(url.partition("?")[2]))


def mask(url: str) -> str:
    """The address without user, password and secret parameters, as it may stand in messages, logs and tables."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no address: nothing tells what of it is secret
        return "***"
    host = parts.netloc.rpartition("@")[2]
    user = "***@" if "@" in parts.netloc else ""
    return urlunsplit(parts._replace(netloc=user + host, query=SECRET_PARAMETER.sub(r"\1***", parts.query)))


def explain(error: BaseException, url: str) -> str:
    """The first line of an error, with what is secret in `url` masked."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0].replace(url, mask(url))
    for password in filter(None, _read_passwords(url)):
        text = text.replace(password, "***")
    return SECRET_PARAMETER.sub(r"\1***", text)


def _read_passwords(url: str) -> tuple[str, ...]:
    """The password as it stands in the address, and as it is sent."""
    userinfo, found, _ = url.partition("//")[2].partition("/")[0].rpartition("@")
    password = userinfo.partition(":")[2]
    return (password, unquote(password)) if found else ()
