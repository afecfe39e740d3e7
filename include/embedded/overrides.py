"""Settings given to the last `make up` or `make run`: kept in a file that every task reads.

The programs of the stack do not have them in their environment, so that a running stack sees changed settings at
the next task, without a restart.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from include.configuration.env_file import quote
from include.configuration.layers import ENV_FILE, gather, is_secret
from include.configuration.values import split_list
from include.embedded.credentials import write_private
from include.settings import Settings, known_keys
from include.sources.location import mask

# Where tasks track is the stack's own MLflow server; a variable in the caller's shell must not lead them elsewhere.
OWN = frozenset(("MLFLOW_TRACKING_URI",))

# Several addresses, separated by commas.
LISTS_OF_ADDRESSES = frozenset(("BATCH_LOCATIONS",))


def list_overridable(environment: Mapping[str, str]) -> frozenset[str]:
    """The keys that hold for tasks without being in their environment, with those of the problem that is chosen."""
    return known_keys(gather(("problem",), (ENV_FILE,), environment)) - OWN


def show_override(key: str, value: str) -> str:
    """A value as a terminal may show it, without passwords and tokens."""
    if is_secret(Settings, key.lower()):
        return "***"
    parts = split_list(value) if key in LISTS_OF_ADDRESSES else (value,)
    return ",".join(mask(part) if "//" in part else part for part in parts)


def write_overrides(home: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Replaces the overrides of the stack in `home` by the domain's settings found in `environment`.

    Returns:
        The overrides that hold from now on, by key.
    """
    overrides = {key: environment[key] for key in sorted(list_overridable(environment)) if key in environment}
    text = "".join(f"{key}={quote(value)}\n" for key, value in overrides.items())
    write_private(home / "settings.env", text)
    return overrides
