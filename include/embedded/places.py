"""Where a checkout and a stack's directory may be: anywhere, except under names that a program would misread."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from include.embedded.errors import StackError

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
