"""Settings given to the last `make up` or `make run`: kept in a file that every task reads.

The programs of the stack do not have them in their environment, so that a running stack sees changed settings at
the next task, without a restart.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from include.configuration.env_file import quote
from include.configuration.layers import is_secret
from include.embedded.credentials import write_private
from include.settings import Settings

# Where tasks track is the stack's own MLflow server; a variable in the caller's shell must not lead them elsewhere.
OVERRIDABLE = frozenset(name.upper() for name in Settings.model_fields) - {"MLFLOW_TRACKING_URI"}

# They hold passwords or tokens, which no terminal has to show.
SECRET = frozenset(name.upper() for name in Settings.model_fields if is_secret(Settings, name))


def write_overrides(home: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Replaces the overrides of the stack in `home` by the domain's settings found in `environment`.

    Returns:
        The overrides that hold from now on, by key.
    """
    overrides = {key: environment[key] for key in sorted(OVERRIDABLE) if key in environment}
    text = "".join(f"{key}={quote(value)}\n" for key, value in overrides.items())
    write_private(home / "settings.env", text)
    return overrides
