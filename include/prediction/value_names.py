"""Names of a reference's values in a small file beside the stack's other files, for forms made without a database."""

import json
from collections.abc import Mapping
from pathlib import Path

from include.configuration.layers import HOME
from include.problem.declaration import Problem

DIRECTORY = HOME / "names"
# A column's value, as text -> its name.
Names = Mapping[str, str]


def write_names(url: str, problem: Problem, directory: Path = DIRECTORY) -> None:
    """Writes a file for each of the problem's references, unless it holds the same names already.

    Args:
        url: The warehouse's libpq address.
    """
    for name, names in _load_references(url, problem).items():
        path, text = directory / f"{name}.json", json.dumps(names)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        directory.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)


def load_names(url: str, problem: Problem) -> dict[str, Names]:
    """What `read_names` gives, from the warehouse: where files are not shared, and always up to date."""
    found = _load_references(url, problem)
    return {column.name: found[column.reference] for column in problem.columns.values() if found.get(column.reference)}


def _load_references(url: str, problem: Problem) -> dict[str, dict[str, str]]:
    # Only here: a DAG file reads the names, and is to be read quickly.
    from include.warehouse import connect

    with connect(url) as connection:
        return {name: problem.resolve(each.table).read_names(connection) for name, each in problem.references.items()}


def read_names(problem: Problem, directory: Path = DIRECTORY) -> dict[str, Names]:
    """Column -> value as text -> its name, of the columns with a reference whose names are on this machine."""
    names: dict[str, Names] = {}
    for column in problem.columns.values():
        path = directory / f"{column.reference}.json"
        if column.reference and path.exists():
            names[column.name] = json.loads(path.read_text(encoding="utf-8"))
    return names


def name_value(names: Mapping[str, Names], column: str, value: object) -> str:
    """The value's name, else the value itself as text."""
    return names.get(column, {}).get(str(value), str(value))
