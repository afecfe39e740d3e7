"""Estimators in files of their libraries: boosters, or scikit-learn estimators without arbitrary pickles."""

import tempfile
from pathlib import Path
from typing import Any

from include.models.libraries.table import LIBRARIES, library_of


def save_estimator(estimator: Any, directory: Path) -> str:
    """Writes an estimator into an existing directory; returns the file's name, which says what it is."""
    library = library_of(estimator)
    library.save(estimator, directory / library.file)
    return library.file


def load_estimator(path: Path, threads: int) -> Any:
    """Reads what `save_estimator` wrote.

    Args:
        threads: Those that a booster predicts with; scikit-learn's estimators predict with one.

    Raises:
        KeyError: The file's name says nothing.
        ModelInvalid: It holds a type that is not allowed.
    """
    return {library.file: library for library in LIBRARIES.values()}[path.name].load(path, threads)


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
