"""Reads the settings.

A value comes from the process environment, else from the overrides that the last `make run` was given, else from
the tracked `.env`, which explains each key.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from include.configuration.layers import (
    ENV_FILE,
    OVERRIDES,
    UNUSABLE,
    Given,
    build,
    choose,
    find_misspelt,
    read_files,
    shorten,
    warn_once,
)
from include.errors import SettingsError
from include.problem.problem_file import DeclarationError, keys_of, read_problem
from include.settings.domain import DEFAULT_PROBLEM, Settings

# How near a key that is none must be to one that is, to be warned of: nearer than the keys of the stacks are.
NEAR = 0.85
NO_VALUES: Mapping[str, Any] = MappingProxyType({})


def gather_settings(files: Sequence[Path], environment: Mapping[str, str]) -> Given:
    """Collects the domain's settings and what is said of the problem; files and environment as `gather` takes them.

    Raises:
        SettingsError: A file cannot be read.
    """
    found = read_files(files, environment)
    name = environment.get("PROBLEM", found.values.get("PROBLEM")) or DEFAULT_PROBLEM
    return choose(found, known_fields(name), environment)


def known_fields(problem: str) -> frozenset[str]:
    """Every key of the domain, in small letters, with those of that problem."""
    return frozenset(Settings.model_fields) | keys_of(problem)


def build_settings(given: Given, overrides: Mapping[str, Any] = NO_VALUES) -> Settings:
    """Checks values and makes the settings of them; `overrides` win.

    Raises:
        SettingsError: A value cannot be used; the message names each key, where it stands, and what is right.
    """
    values = {**given.values, **overrides}
    name = values.get("problem") or DEFAULT_PROBLEM
    keys = keys_of(name)
    own = replace(given, values={key: value for key, value in given.values.items() if key not in keys})
    others = {key: value for key, value in overrides.items() if key not in keys}
    try:
        problem = read_problem(name, {key: value for key, value in values.items() if key in keys}, given.origins)
    except DeclarationError as error:
        try:
            build(Settings, own, {**others, "problem": DEFAULT_PROBLEM})
        except SettingsError as other:
            raise SettingsError(f"{error}; {str(other).removeprefix(UNUSABLE)}") from None
        raise
    return build(Settings, own, {**others, "problem": problem})


def read_settings(**overrides: Any) -> Settings:
    """Reads the settings again; `overrides` win over every file.

    Raises:
        SettingsError: A value or a file cannot be used; the message names each key, where it stands, and what is right.
    """
    given = gather_settings((ENV_FILE, OVERRIDES), os.environ)
    if not ENV_FILE.exists():
        warn_once(f"There is no {shorten(ENV_FILE)}: every setting has its default.")
    for line in find_misspelt(given, known_keys(given), NEAR):
        warn_once(line)
    return build_settings(given, {key: value for key, value in overrides.items() if value is not None})


def known_keys(given: Given) -> frozenset[str]:
    """The keys of `known_fields` of the given problem, as files write them."""
    return frozenset(name.upper() for name in known_fields(given.values.get("problem") or DEFAULT_PROBLEM))


def read_usable_settings() -> Settings:
    """The settings, with the default in the place of each that cannot be used.

    For what has to go on whatever a setting says: reading DAG files, and alerts. Tasks use `read_settings`, whose
    error says what is wrong; so does the import error of `data_preparation`, once for all DAG files.
    """
    try:
        values = dict(gather_settings((ENV_FILE, OVERRIDES), os.environ).values)
    except SettingsError:
        return Settings(**NO_VALUES)
    while True:
        try:
            return Settings(**values)  # type: ignore[arg-type]
        except (ValidationError, DeclarationError) as error:
            broken = values.keys() & _find_broken(error)
            # A default can contradict a value that is right by itself: then none of the values holds.
            values = {key: value for key, value in values.items() if broken and key not in broken}
            if not broken:
                return Settings(**NO_VALUES)


def _find_broken(error: ValidationError | DeclarationError) -> frozenset[str]:
    if isinstance(error, DeclarationError):
        return error.fields
    # What is wrong with the settings as a whole begins with the key.
    return frozenset(
        str(entry["loc"][0]) if entry["loc"] else entry["msg"].removeprefix("Value error, ").partition(":")[0].lower()
        for entry in error.errors()
    )


SETTING_KEYS = frozenset(name.upper() for name in known_fields(DEFAULT_PROBLEM))
