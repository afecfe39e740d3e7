"""Where a checkout and a stack's directory may be: anywhere, but for names that a program would read otherwise."""

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
        StackError: A program would take one for another; the message says which program, and what in the name.
    """
    for place in places:
        path = str(place)
        if found := VARIABLE.search(path):
            problem = f"{found[0]!r}, which Airflow takes for a variable"
        elif found := ENCODED.search(path):
            problem = f"{found[0]!r}, which MLflow takes for an encoded letter"
        elif os.pathsep in path:
            problem = f"{os.pathsep!r}, which separates directories in search paths"
        elif not path.isprintable():
            problem = "a character that cannot be printed"
        else:
            continue
        raise StackError(
            f"The directory {path!r} has {problem}: rename it, or keep the stack elsewhere by"
            " MLTRAIN_HOME=/another/directory."
        )
