"""Checks every setting before anything is written or started: the one place for all run modes.

`python -m include.embedded.settings_check` does no more than that.

The classes of settings check values one by one, and against each other. What only those who use a value can say, and
what takes long to load, is asked here: a running stack must never be handed a value that it cannot use.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from include.configuration.layers import ENV_FILE, Given, find_misspelt, gather, shorten
from include.configuration.values import suggest
from include.embedded.errors import StackError
from include.embedded.settings import STACK_KEYS, StackSettings, read_stack_settings
from include.errors import SettingsError
from include.settings import Settings, build_settings, gather_settings, known_keys
from include.settings.team import TEAM_KEYS, read_team_settings

# What `make` itself is told, beside settings.
OF_MAKE = frozenset(
    ("PROGRAM", "HOW", "ARGS", "TO", "FROM", "TARGET", "PYTHON3", "PYTHON", "VENV", "TEST_PROCESSES", "MLTRAIN_HOME")
)
OF_COMPOSE = ("COMPOSE_", "DOCKER_", "BUILDKIT_")
# How near a name has to be to a setting's to be taken for it, among those that a person gave, and among all others.
NEAR_GIVEN, NEAR = 0.6, 0.9


def find_known(environment: Mapping[str, str]) -> frozenset[str]:
    """Every key that means something, those of the problem that the environment or `.env` names among them."""
    return known_keys(gather(("problem",), (ENV_FILE,), environment)) | STACK_KEYS | TEAM_KEYS


def check_settings(
    environment: Mapping[str, str], given_names: Iterable[str] = (), other_names: Iterable[str] = ()
) -> tuple[StackSettings, list[str]]:
    """Reads all settings as a start would see them.

    Args:
        environment: What wins over `.env`. What an earlier start was given does not count any more.
        given_names: Names of the variables that `make` was given.
        other_names: Names of further variables of the caller's environment.

    Returns:
        The stack's settings, and warnings for a person to read.

    Raises:
        SettingsError, StackError: A value or a file cannot be used; the message names each key, where it stands, and
            what is right.
    """
    given = gather_settings((ENV_FILE,), environment)
    settings = build_settings(given)
    stack = read_stack_settings(environment)
    read_team_settings(environment)
    check_use(settings)
    known = known_keys(given) | STACK_KEYS | TEAM_KEYS
    return stack, [*_warn_of_file(given, known), *_warn_of_names(known, given_names, other_names)]


def check_use(settings: Settings) -> None:
    """Asks the code that uses the settings whether it can.

    Raises:
        SettingsError: It cannot.
    """
    from include.models.libraries.openmp import check_openmp
    from include.sets.plan import make_plan
    from include.sources.location import identify_kind, mask
    from include.sources.references import list_references
    from include.sources.table import split_address
    from include.tracking.lineage import check_commit

    kind = identify_kind(settings)
    if kind == "table":
        split_address(settings.problem.source)
    elif kind != "sample":
        _check_address("SOURCE", settings.problem.address)
    for name, table in list_references(settings.problem):
        for address in table.list_addresses(settings):
            _check_address(f"{name.upper()}_SOURCE", address)
    make_plan(settings)
    check_commit(settings)
    if settings.lightgbm_models:
        check_openmp()
    addresses = settings.alert_urls.get_secret_value().split()
    if addresses:
        from apprise import Apprise

        for number, address in enumerate(addresses, 1):
            if not Apprise().add(address):
                kind_of = mask(address).partition("://")[0]
                raise SettingsError(f"ALERT_URLS: apprise does not understand address {number}, {kind_of}://...")


def _check_address(key: str, address: str) -> None:
    import fsspec

    from include.sources.location import mask

    protocol, found, _ = address.partition("://")
    if not found:
        # Programs of the stack have working directories of their own.
        if not Path(address).is_absolute():
            raise SettingsError(f"{key}: {address} is relative; write the absolute path, {Path(address).absolute()}")
    elif protocol in ("http", "https"):
        try:
            host = urlsplit(address).hostname
        except ValueError:
            host = None
        if not host:
            raise SettingsError(f"{key}: {mask(address)} has no host; write https://host/path")
    else:
        try:
            fsspec.get_filesystem_class(protocol)
        except (ValueError, ImportError) as error:
            raise SettingsError(f"{key}: {protocol}:// cannot be read here: {error}") from None


def _warn_of_file(given: Given, known: frozenset[str]) -> list[str]:
    warnings = [] if ENV_FILE.exists() else [f"There is no {shorten(ENV_FILE)}: every setting has its default."]
    near = find_misspelt(given, known, NEAR_GIVEN)
    named = {line.partition(" ")[0] for line in near}
    strange = [
        f"{key} ({where}) is not a setting and has no effect"
        for key, where in given.others.items()
        if key not in known | named and not key.startswith(OF_COMPOSE)
    ]
    file = shorten(ENV_FILE)
    unset = [f"{file} refers to ${name}, which is not set: it counts as empty." for name in sorted(given.unset)]
    return [*warnings, *near, *strange, *unset]


def _warn_of_names(known: frozenset[str], given_names: Iterable[str], other_names: Iterable[str]) -> list[str]:
    lines = [
        f"{name} (given to make) is not a setting and has no effect{suggest(name, known, NEAR_GIVEN)}"
        for name in sorted(set(given_names) - known - OF_MAKE)
    ]
    others = sorted(set(other_names) - known - OF_MAKE - set(given_names))
    near = {name: suggest(name, known, NEAR) for name in others}
    return lines + [f"{name} (in the environment) is not a setting{near[name]}" for name in others if near[name]]


def main() -> StackSettings:
    """Prints warnings, and ends the process with the message where a setting cannot be used."""
    try:
        stack, warnings = check_settings(os.environ)
    except (SettingsError, StackError) as error:
        sys.exit(str(error))
    for warning in warnings:
        print(f"Warning: {warning}", flush=True)
    return stack


if __name__ == "__main__":
    main()
