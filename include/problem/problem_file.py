"""The problem's file, and what the environment says instead of it.

Each of `SIMPLE_KEYS` can be given by the environment in capitals, and so can each column's name in the source
(`COLUMN_<NAME>`) and bounds (`<NAME>_MIN`, `<NAME>_MAX`), and each reference's address (`<NAME>_SOURCE`). The
environment wins, so that what must not be in git need not be; an empty value leaves what the file says.
"""

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError

from include.configuration.layers import UNUSABLE
from include.configuration.values import split_list, suggest
from include.errors import SettingsError
from include.problem.checks import NAME, key_of
from include.problem.declaration import Problem
from include.problem.parts import Column, Reference, Slice

PROBLEMS = Path(__file__).resolve().parents[1] / "problems"
SCHEMA = "include/problem/problem.schema.json"
# What is declared in tables of the file.
PARTS: Mapping[str, type[BaseModel]] = MappingProxyType({"columns": Column, "references": Reference, "slices": Slice})


class DeclarationError(SettingsError):
    """A problem that cannot be used; says which key of which file is wrong, and what would be right.

    Attributes:
        fields: The keys that the environment gave and that are wrong, in small letters.
    """

    def __init__(self, message: str, fields: frozenset[str] = frozenset()) -> None:
        super().__init__(message)
        self.fields = fields


# Top-level keys that are one value, so that the environment can give them.
SIMPLE_KEYS = (
    "title", "source", "target", "unit", "target_min", "target_max", "time", "timezone", "time_format", "delimiter",
    "decimal", "encoding", "missing", "known_later", "group", "split", "validation_share", "test_share", "series",
    "horizon", "task", "classes", "positive", "cost_missed", "cost_false_alarm", "least_precision", "least_recall",
    "class_weights", "weight",
)  # fmt: skip


def list_problems() -> list[str]:
    """The problems that there are, by name."""
    return sorted(path.parent.name for path in PROBLEMS.glob("*/problem.toml"))


def keys_of(name: str) -> frozenset[str]:
    """The keys, in small letters, by which the environment can change that problem; none where there is no such one."""
    try:
        document = _read(name)
    except SettingsError:
        return frozenset(SIMPLE_KEYS)
    columns = document.get("columns", {})
    return frozenset(
        (
            *SIMPLE_KEYS,
            *(f"column_{column}" for column in columns),
            *(f"{column}_{end}" for column in columns for end in ("min", "max")),
            *(f"{reference}_source" for reference in document.get("references", {})),
        )
    )


def read_problem(
    name: str, given: Mapping[str, Any] | None = None, origins: Mapping[str, str] | None = None
) -> Problem:
    """Reads a problem's file, and what the environment says instead of it.

    Args:
        given: Keys of `keys_of` in small letters -> value; an empty text leaves what the file says.
        origins: Key in capitals -> where its value is given, for messages.

    Raises:
        DeclarationError: There is no such problem, or it cannot be used; the message names the key, what is wrong and
            what would be right.
    """
    return build_problem(name, _read(name), given, origins)


def build_problem(
    name: str,
    document: Mapping[str, Any],
    given: Mapping[str, Any] | None = None,
    origins: Mapping[str, str] | None = None,
) -> Problem:
    """Makes a problem of what a file says, and of what the environment says instead; see `read_problem`.

    Raises:
        DeclarationError: It cannot be used.
    """
    said = _drop_empty(given or {})
    try:
        return Problem(**{**_overlay(document, said), "name": name})
    except ValidationError as error:
        raise _explain(name, error, said, origins or {}) from None


def change_problem(problem: Problem, given: Mapping[str, Any]) -> Problem:
    """The problem with other values of the keys that the environment can give, see `keys_of`.

    Raises:
        DeclarationError: A value cannot be used.
    """
    return build_problem(problem.name, problem.model_dump(by_alias=True, exclude_unset=True, exclude={"name"}), given)


@lru_cache(maxsize=16)
def _load(path: Path, _changed_at: int) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DeclarationError(f"{_show(path)} cannot be read: {error}. Correct that line.") from None


def _read(name: str) -> dict[str, Any]:
    path = PROBLEMS / name / "problem.toml"
    try:
        changed_at = path.stat().st_mtime_ns if NAME.fullmatch(name) else None
    except OSError:
        changed_at = None
    if changed_at is None:
        known = list_problems()
        near = suggest(name, known) or f"; there are {', '.join(known)}"
        raise DeclarationError(f"PROBLEM: there is no problem {name!r}{near}", frozenset(("problem",)))
    return _load(path, changed_at)


def place_of_name(problem: Problem, neutral: str) -> str:
    """What gives a column of the source its name: the setting, or the key of the problem's file.

    Args:
        neutral: The column's name in the problem, or `target`.
    """
    try:
        declared = read_problem(problem.name).read_columns
    except SettingsError:  # without the environment's values, the file says too little
        declared = {}
    if neutral not in declared or declared[neutral] != problem.read_columns.get(neutral):
        return key_of(neutral)
    key = neutral if neutral == "target" else f"columns.{neutral}.source"
    return f"{key} of {_show(PROBLEMS / problem.name / 'problem.toml')}"


def _show(path: Path) -> str:
    return "/".join(path.parts[-4:])


def _drop_empty(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is said instead of the file; a key that is given as an empty text is not, and its error is the file's."""
    return {key: value for key, value in given.items() if not isinstance(value, str) or value.strip()}


def _overlay(document: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The file's contents with the environment's values in their places."""
    changed = {**document, "columns": {name: dict(column) for name, column in document.get("columns", {}).items()}}
    changed["references"] = {name: dict(each) for name, each in document.get("references", {}).items()}
    for key, value in given.items():
        if key in SIMPLE_KEYS:
            changed[key] = value
            if key == "known_later":
                # The file's slices of a column that is now known later cannot be measured any more.
                later = split_list(value)
                changed["slices"] = [part for part in document.get("slices", ()) if part.get("column") not in later]
        elif (column := key.removeprefix("column_")) in changed["columns"] and key.startswith("column_"):
            changed["columns"][column]["source"] = value
        elif (column := key.rpartition("_")[0]) in changed["columns"]:
            changed["columns"][column][key.rpartition("_")[2]] = value
        else:
            changed["references"][key.removesuffix("_source")]["source"] = value
    return changed


def _explain(
    name: str, error: ValidationError, given: Mapping[str, Any], origins: Mapping[str, str]
) -> DeclarationError:
    file = _show(PROBLEMS / name / "problem.toml")
    problems, fields = [], set()
    for entry in error.errors(include_url=False):
        where = [str(part) for part in entry["loc"]]
        message = entry["msg"].removeprefix("Value error, ")
        if entry["type"] == "extra_forbidden":
            message = _refuse_key(where)
        field = _field_of(where, message)
        if field in given:
            key = field.upper()
            fields.add(field)
            message = message.removeprefix(f"{key}: ").removeprefix(f"{field}: ")
            value = "" if entry["type"] == "value_error" else f", not {given[field]!r}"
            problems.append(
                f"{key} ({origins[key]}): {message}{value}" if key in origins else f"{key}: {message}{value}"
            )
        else:
            problems.append(f"{file}: {'.'.join(where)}: {message}" if where else f"{file}: {message}")
    return DeclarationError(f"{UNUSABLE}{'; '.join(problems)}", frozenset(fields))


def _refuse_key(where: list[str]) -> str:
    """What is said of a key that there is not: which one is near, else where all of them are."""
    part = PARTS.get(where[0], Problem) if len(where) > 1 else Problem
    keys = {field.alias or name for name, field in part.model_fields.items()}
    # A problem is called as its folder, and a column as its table.
    keys -= {"name"} if part is not Slice else set()
    others = suggest(where[-1], sorted(keys)) or f"; {SCHEMA} lists the keys"
    return f"there is no such key{others}"


def _field_of(where: list[str], message: str) -> str:
    """The key, in small letters, that the environment would give for that place."""
    match where:
        case ["columns", column, "source"]:
            return f"column_{column}"
        case ["columns", column, "min" | "minimum"]:
            return f"{column}_min"
        case ["columns", column, "max" | "maximum"]:
            return f"{column}_max"
        case ["references", reference, "source"]:
            return f"{reference}_source"
        case [key] | ["class_weights" as key, *_]:
            return key
    return message.partition(":")[0].lower()
