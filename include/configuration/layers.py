"""Where settings come from: `.env`, what the last `make run` was given, and the environment, each over those before."""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from include.configuration.env_file import read_env_file
from include.configuration.values import suggest
from include.errors import SettingsError

ROOT = Path(__file__).resolve().parents[2]
# Everything that a stack on this machine writes; another directory is another stack beside the first.
HOME = Path(os.environ.get("MLTRAIN_HOME") or ROOT / ".local").resolve()
ENV_FILE = ROOT / ".env"
OVERRIDES = HOME / "settings.env"
UNUSABLE = "Settings that cannot be used: "
FROM_ENVIRONMENT = "from the command line or the environment"
log = logging.getLogger(__name__)


class SettingsModel(BaseModel):
    """A group of settings; field `max_evaluations` is the key `MAX_EVALUATIONS`.

    The docstring below a field describes it in `docs/settings.md` and `.env`, which `make docs` writes. pydantic does
    not read it: finding the source would cost each process that reads settings 0.1 s.

    Attributes:
        SECTIONS: First field of a section -> the section's heading.
    """

    SECTIONS: ClassVar[Mapping[str, str]] = {}
    model_config = ConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, str_strip_whitespace=True, allow_inf_nan=False
    )


AnySettings = TypeVar("AnySettings", bound=SettingsModel)


@dataclass(frozen=True)
class Given:
    """What was found.

    Attributes:
        values: Field -> text.
        origins: Key -> where its value stands, for people.
        others: Keys of the files that are no fields, nor referred to by other lines -> where they stand.
        unset: Variables that lines refer to and nobody sets.
    """

    values: Mapping[str, str]
    origins: Mapping[str, str]
    others: Mapping[str, str]
    unset: frozenset[str]


def gather(fields: Iterable[str], files: Sequence[Path], environment: Mapping[str, str]) -> Given:
    """Collects the values of some fields; a later file wins over an earlier one, the environment over all.

    Raises:
        SettingsError: A file cannot be read; the message names file and line.
    """
    return choose(read_files(files, environment), fields, environment)


def read_files(files: Sequence[Path], environment: Mapping[str, str]) -> Given:
    """All that the files say, by key as they write it; a later file wins.

    Raises:
        SettingsError: A file cannot be read; the message names file and line.
    """
    values: dict[str, str] = {}
    origins: dict[str, str] = {}
    names: set[str] = set()
    unset: set[str] = set()
    for path in files:
        file = read_env_file(path, environment)
        values |= file.values
        place = shorten(path)
        origins |= {key: f"{place}, line {line}" for key, line in file.lines.items()}
        names |= file.names
        unset |= file.unset
    return Given(values, origins, {key: origins[key] for key in origins.keys() - names}, frozenset(unset))


def choose(found: Given, fields: Iterable[str], environment: Mapping[str, str]) -> Given:
    """What files and environment say of some fields; the environment wins."""
    keys = {name.upper() for name in fields}
    origins = dict(found.origins)
    others = {key: where for key, where in origins.items() if key in found.others and key not in keys}
    given = {key: environment[key] for key in keys if key in environment}
    origins |= dict.fromkeys(given, FROM_ENVIRONMENT)
    values = {key.lower(): value for key, value in {**found.values, **given}.items() if key in keys}
    return Given(values, origins, others, found.unset)


def shorten(path: Path) -> str:
    """The path as people write it inside of the project."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def build(kind: type[AnySettings], given: Given, overrides: Mapping[str, Any]) -> AnySettings:
    """Checks values and makes an object of them.

    Raises:
        SettingsError: A value cannot be used; the message names each key, where it stands, and what is right.
    """
    for name in overrides.keys() - kind.model_fields.keys():
        raise SettingsError(f"{name} is not a setting{suggest(name, kind.model_fields)}")
    try:
        return kind(**{**given.values, **overrides})
    except ValidationError as error:
        raise SettingsError(explain(kind, error, given.origins)) from None


def explain(kind: type[SettingsModel], error: ValidationError, origins: Mapping[str, str]) -> str:
    """What is wrong with each key."""
    problems = []
    for entry in error.errors(include_url=False):
        problem = entry["msg"].removeprefix("Value error, ")
        # What is wrong with the settings as a whole begins with the key.
        field = str(entry["loc"][0]) if entry["loc"] else problem.partition(":")[0].lower()
        key = field.upper()
        problem = problem.removeprefix(f"{key}: ")
        if entry["type"] != "value_error" and not is_secret(kind, field):
            problem += f", not {entry['input']!r}"
        problems.append(f"{key} ({origins[key]}): {problem}" if key in origins else f"{key}: {problem}")
    return f"{UNUSABLE}{'; '.join(problems)}"


def is_secret(kind: type[SettingsModel], field: str) -> bool:
    """Whether the field's value must not be shown."""
    return field in kind.model_fields and "SecretStr" in str(kind.model_fields[field].annotation)


def find_misspelt(given: Given, known: Iterable[str], cutoff: float) -> list[str]:
    """A line on each key of the files that is nearly one of the known ones."""
    known = set(known)
    found = {key: suggest(key.upper(), known, cutoff) for key in given.others if key not in known}
    return [f"{key} ({given.others[key]}) is not a setting{near}" for key, near in found.items() if near]


@lru_cache(maxsize=100)
def warn_once(text: str) -> None:
    """Logs a warning, once a process."""
    log.warning(text)
