"""Estimators in files of their libraries: boosters, or scikit-learn estimators without arbitrary pickles."""

import tempfile
from pathlib import Path
from typing import Any

from include.models.libraries.table import KINDS, kind_of


def save_estimator(estimator: Any, directory: Path) -> str:
    """Writes an estimator into an existing directory; returns the name of its file, which says what it is.

    A blend's is a directory with a file for each member.
    """
    kind = kind_of(estimator)
    kind.save(estimator, directory / kind.file)
    return kind.file


def load_estimator(path: Path, threads: int) -> Any:
    """Reads what `save_estimator` wrote.

    Args:
        threads: Those that a booster predicts with; scikit-learn's estimators predict with one.

    Raises:
        KeyError: The file's name says nothing.
        ModelInvalid: It holds a type that is not allowed.
    """
    return {kind.file: kind for kind in KINDS}[path.name].load(path, threads)


def dump_estimator(estimator: Any) -> tuple[str, bytes]:
    """The name and the contents of an estimator's file."""
    with tempfile.TemporaryDirectory() as directory:
        name = save_estimator(estimator, Path(directory))
        return name, (Path(directory) / name).read_bytes()


def parse_estimator(name: str, contents: bytes, threads: int) -> Any:
    """Reads what `dump_estimator` gave, see `load_estimator`."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / name
        path.write_bytes(contents)
        return load_estimator(path, threads)
