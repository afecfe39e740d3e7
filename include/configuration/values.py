"""Kinds of values that settings have, each with what is right said where one is wrong.

What takes long to load is loaded when a value needs it: DAG files read settings, every minute.
"""

import re
import shlex
from collections.abc import Iterable
from datetime import date
from difflib import get_close_matches
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

# The end of a text for Python and a browser alike: in Python, `$` alone would let a line break pass.
END = r"$(?!\n)"
# The one part of a source that is not loaded by month.
ALL = "all"
MONTH_TEXT = r"[12][0-9]{3}-(0[1-9]|1[0-2])"
MONTH_PATTERN = f"^{MONTH_TEXT}{END}"
# What of a source is loaded at once.
PART_PATTERN = f"^({MONTH_TEXT}|{ALL}){END}"
# Where a parameter of an address has one of these in its name, its value is secret.
SECRET_WORDS = ("sig", "token", "key", "secret", "password", "passwd", "pwd", "credential")
# As the whole name of a parameter only: as a part, they are in `author` and `postcode`, and in what errors say.
SECRET_NAMES = ("auth", "code", "pass")
CRON_FIELDS = 5
CRON_NAMES = ("@hourly", "@daily", "@weekly", "@monthly", "@yearly")
MAIL_ADDRESS = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+")
DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")
DATABASES_OF_POSTGRES = ("postgres", "template0", "template1")
PERSON = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*")
MOST = 2**31 - 1


def suggest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The name that is nearest to one that there is not, as a question; empty where none is near."""
    near = get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"; did you mean {near[0]}?" if near else ""


def show_setting(key: str, value: str) -> str:
    """A setting as a shell reads it: `TIME_FORMAT='%d/%m/%Y %H:%M'`."""
    return f"{key}={shlex.quote(value)}"


def can_be_listed(value: str) -> bool:
    """Whether the value can be given in a list with commas."""
    return bool(split_list(value) == (value,))


def split_list(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def split_numbers(value: Any) -> Any:
    """`Yes=10,No=1` as a mapping; one word as it is."""
    if not isinstance(value, str) or "=" not in value:
        return value
    return {name.strip(): number.strip() for name, _, number in (part.partition("=") for part in split_list(value))}


def none_if_blank(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _upper(value: Any) -> Any:
    return value.strip().upper() if isinstance(value, str) else value


def _check_text(text: str) -> str:
    if not text:
        raise ValueError("a name is required, but it is empty")
    return _check_printable(text)


def _check_printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it contains a line break or another character that cannot be printed")
    return text


def _check_months(months: tuple[str, ...]) -> tuple[str, ...]:
    for month in months:
        if not re.fullmatch(MONTH_PATTERN, month) and months != (ALL,):
            raise ValueError(
                f"{month!r} is not a month; write months as YYYY-MM, separated by commas, or {ALL} for a source that "
                "is not divided into months"
            )
    return tuple(dict.fromkeys(months))


def _check_day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{text!r} is not a day; write it as YYYY-MM-DD") from None


def _check_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        near = suggest(name, available_timezones())
        raise ValueError(f"{name!r} is not a time zone; write it as America/New_York or UTC{near}") from None
    return name


def _check_cron(expression: str) -> str:
    from croniter import CroniterError, croniter

    if expression in CRON_NAMES:
        return expression
    what = f"{expression!r} is not a cron expression"
    if len(expression.split()) != CRON_FIELDS:
        raise ValueError(f"{what}: write minute, hour, day of month, month and day of week, as in 0 6 * * *")
    try:
        croniter(expression).get_next()
    except (CroniterError, ValueError, KeyError) as error:
        raise ValueError(f"{what}: {error}") from None
    return expression


def _check_mail_addresses(addresses: tuple[str, ...]) -> tuple[str, ...]:
    for address in addresses:
        if not (MAIL_ADDRESS.fullmatch(address) and address.isprintable()):
            raise ValueError(f"{address!r} is not a mail address; write name@host, several separated by commas")
    return tuple(dict.fromkeys(addresses))


def _check_locations(addresses: tuple[str, ...]) -> tuple[str, ...]:
    for address in addresses:
        try:
            parts = urlsplit(address)
            _ = parts.scheme in ("http", "https", "postgresql", "postgres") and parts.port
        except ValueError:
            # A password that is written like this ends the host: neither the error nor what is before the @ is shown.
            raise ValueError(
                f"{address.rpartition('@')[2]!r} is not an address: host or port cannot be read. In a password, write"
                " / as %2F, ? as %3F, # as %23 and % as %25"
            ) from None
    return tuple(dict.fromkeys(addresses))


def _check_directory(address: str) -> str:
    if not address:
        return address
    parts = urlsplit(address)
    if "@" in parts.netloc:  # it is stored, and named in messages
        raise ValueError("it contains a login; give the store's credentials in the environment instead")
    if parts.scheme in ("http", "https") or not (parts.scheme or address.startswith("/")):
        raise ValueError(f"{address!r} is no place for files; write it as s3://bucket/directory or /directory")
    return _check_printable(address)


def _check_model_name(name: str) -> str:
    if "/" in name or ":" in name:
        raise ValueError(f"{name!r} cannot be a model's name in MLflow: it contains / or :")
    return _check_text(name)


def _check_addresses(addresses: SecretStr) -> SecretStr:
    # They hold tokens, so that no message repeats them.
    if not all("://" in address for address in addresses.get_secret_value().split()):
        raise ValueError("an address has no ://; write Apprise URLs, separated by spaces")
    return addresses


def _check_database(name: str) -> str:
    if not DATABASE.fullmatch(name):
        raise ValueError(f"{name!r} cannot be a database's name; write up to 63 letters, digits and _ . -")
    if name in DATABASES_OF_POSTGRES or name.startswith("pg_"):
        raise ValueError(f"{name!r} is reserved by Postgres; choose another name")
    return name


def _check_person(name: str) -> str:
    if not PERSON.fullmatch(name):
        raise ValueError(f"{name!r} cannot be a person's name; write letters, digits and _ . @ + -")
    return name


Names = Annotated[tuple[str, ...], BeforeValidator(split_list)]
Months = Annotated[Names, AfterValidator(_check_months)]
MailAddresses = Annotated[Names, AfterValidator(_check_mail_addresses)]
Locations = Annotated[Names, AfterValidator(_check_locations)]
Directory = Annotated[str, AfterValidator(_check_directory)]
ModelName = Annotated[str, AfterValidator(_check_model_name)]
Addresses = Annotated[SecretStr, AfterValidator(_check_addresses)]
Text = Annotated[str, AfterValidator(_check_text)]
OptionalText = Annotated[str | None, BeforeValidator(none_if_blank)]
Day = Annotated[Annotated[str, AfterValidator(_check_day)] | None, BeforeValidator(none_if_blank)]
TimeZone = Annotated[str, AfterValidator(_check_time_zone)]
Cron = Annotated[str, AfterValidator(_check_cron)]
Database = Annotated[str, AfterValidator(_check_database)]
Person = Annotated[str, AfterValidator(_check_person)]
Port = Annotated[int, Field(ge=1024, le=65535)]
Count = Annotated[int, Field(ge=1, le=MOST)]
OptionalCount = Annotated[Annotated[int, Field(ge=1, le=MOST)] | None, BeforeValidator(none_if_blank)]
Seed = Annotated[int, Field(ge=0, le=MOST)]
Share = Annotated[float, Field(ge=0, le=1)]
# Longer than anything waits or lives, and short enough for every calculation with times.
Seconds = Annotated[float, Field(gt=0, le=30 * 86_400)]
Hours = Annotated[float, Field(gt=0, le=10 * 366 * 24)]
Days = Annotated[float, Field(gt=0, le=10 * 366)]
# Words that are written in any case.
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)]
TrainingEngine = Annotated[Literal["task", "dask"], BeforeValidator(_lower)]
Device = Annotated[Literal["cpu", "cuda"], BeforeValidator(_lower)]
Approval = Annotated[Literal["auto", "human"], BeforeValidator(_lower)]
Severity = Annotated[Literal["info", "warning", "error"], BeforeValidator(_lower)]
