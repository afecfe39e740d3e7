"""Where a checkout and a stack's directory may be, and what a stack writes into its directory.

It may be anywhere, except under names that a program would misread, and among files of somebody else.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from include.embedded.errors import StackError

# There from the first start on.
KEYS = "secrets.env"
# There while a backup is restored.
RESTORING = "restoring"
FILES = (KEYS, RESTORING, "stack.json", "ports.json", "programs.json", "settings.env", "supervisord.conf", "run.json")
MADE_AT_START = ("logs", "run", "mail", "mlflow", "airflow", "models", "predictions")
FOLDERS = (*MADE_AT_START, "names", "postgres")
_NAMES = "|".join(map(re.escape, (*FILES, *FOLDERS)))
# Also a file of which a writer that was killed has left a part.
WRITTEN = re.compile(rf"{_NAMES}|\.(?:{_NAMES})\.\d+")
ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
VARIABLE = re.compile(r"\$\{?[A-Za-z_]")


def check_places(places: Iterable[Path]) -> None:
    """Checks directories before anything is written to them.

    Raises:
        StackError: A program would misread a name; the message says which program, and which part of the name.
    """
    for place in places:
        path = str(place)
        if found := VARIABLE.search(path):
            problem = f"{found[0]!r}, which Airflow reads as a variable"
        elif found := ENCODED.search(path):
            problem = f"{found[0]!r}, which MLflow reads as an encoded character"
        elif os.pathsep in path:
            problem = f"{os.pathsep!r}, which separates directories in search paths"
        elif not path.isprintable():
            problem = "a character that cannot be printed"
        else:
            continue
        raise StackError(
            f"The directory {path!r} contains {problem}: rename it, or keep the stack elsewhere with"
            " MLTRAIN_HOME=/another/directory."
        )


def find_foreign(home: Path) -> list[Path]:
    """What is in a stack's directory and not of a stack."""
    if not home.exists():
        return []
    return sorted(path for path in home.iterdir() if not WRITTEN.fullmatch(path.name))


def find_written(home: Path) -> list[Path]:
    """What a stack wrote into its directory."""
    return sorted(set(home.iterdir()).difference(find_foreign(home))) if home.exists() else []


def check_home(home: Path) -> None:
    """Checks that a directory is a stack's, or that one may be made of it.

    Raises:
        StackError: It is there, and has files of somebody else.
    """
    if (foreign := find_foreign(home)) and not (home / KEYS).exists():
        raise StackError(
            f"{home} holds no stack but other files, such as {foreign[0].name}: set MLTRAIN_HOME to an empty directory"
            " or to one that is not there yet. Nothing was changed."
        )
