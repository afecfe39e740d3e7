"""`python -m include.team.start <program> ...`: becomes a program of a container, its environment completed.

What all stacks share is added where it lacks, and each `<secret:name>` in a value is replaced by the contents of the
file of that name. So no secret is part of an image, of a container's configuration or of a command line.
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from include.embedded.options import (
    AIRFLOW_OPTIONS,
    CONTAINER_OPTIONS,
    MLFLOW_SERVER_ENVIRONMENT,
    SERVING_ENVIRONMENT,
    SHARED_ENVIRONMENT,
    name_variables,
)

DIRECTORY = "SECRETS_DIRECTORY"
PLACE = re.compile(r"<secret:(\w+)>")
# What needs no quoting inside of an address or of JSON.
PLAIN = re.compile(r"[\w.~=+-]*", re.ASCII)


class SecretMissing(Exception):
    """A secret is not there or cannot be used where it is wanted."""


def complete(environment: Mapping[str, str], program: Sequence[str] = ()) -> dict[str, str]:
    """The environment with what all stacks or all containers share, and with its secrets filled in.

    Args:
        program: The command that gets it.

    Raises:
        SecretMissing: A secret has no file, or cannot stand inside of a longer value.
    """
    airflow = name_variables(AIRFLOW_OPTIONS) | name_variables(CONTAINER_OPTIONS)
    shared = SHARED_ENVIRONMENT | MLFLOW_SERVER_ENVIRONMENT | airflow
    if "include.serving" in program:
        shared |= SERVING_ENVIRONMENT
    directory = Path(environment.get(DIRECTORY, "/run/secrets"))
    return {key: _fill(key, value, directory) for key, value in {**shared, **environment}.items()}


def _fill(key: str, value: str, directory: Path) -> str:
    def read(place: re.Match[str]) -> str:
        path = directory / place[1]
        try:
            secret = path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SecretMissing(f"{key} needs the secret {place[1]}: {error}; scripts/start.sh creates it") from None
        if place[0] != value and not PLAIN.fullmatch(secret):
            raise SecretMissing(f"{key} has the secret {place[1]} inside an address: {path} may only contain letters,"
                                " digits and . _ ~ = + -")  # fmt: skip
        return secret

    return PLACE.sub(read, value)


def main() -> None:
    """Replaces this process by the program, which keeps its process id and gets its signals."""
    try:
        environment = complete(os.environ, sys.argv[1:])
    except SecretMissing as error:
        sys.exit(str(error))
    os.execvpe(sys.argv[1], sys.argv[1:], environment)


if __name__ == "__main__":
    main()
