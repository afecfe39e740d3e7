"""What a registered version was made of, beyond its lineage: enough to see why it cannot be made again."""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version as version_of
from typing import Any

import psycopg
from psycopg.rows import dict_row

from include.errors import NoTrainingSet
from include.models.libraries.table import LIBRARIES
from include.sets.build import read_source_hashes
from include.sets.plan import contents_settings
from include.settings import ROOT, Settings
from include.sources.references import list_references
from include.tracking.lineage import find_commit
from include.warehouse import connect

PACKAGES = ("numpy", "pandas", "scipy", *(name for library in LIBRARIES.values() for name in library.packages))
Making = Mapping[str, Mapping[str, Any]]


def describe_set(url: str, version: int) -> Making:
    """What a training set was made of: hashes of its sources, references, declaration and settings, and its days.

    Raises:
        NoTrainingSet: There was never such a set.
    """
    with connect(url) as connection, connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "SELECT sources, reference, declaration, settings, validation_from::text, test_from::text"
            " FROM training.sets WHERE version = %s",
            [version],
        ).fetchone()
    if row is None:
        raise NoTrainingSet(f"Training set version {version} is not in training.sets.")
    days = {"validation_from": row["validation_from"], "test_from": row["test_from"]}
    return {
        "source": dict(row["sources"]),
        "reference": {name: _hash(table) for name, table in row["reference"].items()},
        "preparation": {"declaration": _hash(row["declaration"]), "settings": _hash(row["settings"]), **days},
    }


def describe_set_now(connection: psycopg.Connection, settings: Settings, months: tuple[str, ...]) -> Making:
    """What `describe_set` would say of a set that was made now; without its days, which follow from the rows."""
    tables = list_references(settings.problem)
    return {
        "source": read_source_hashes(connection, months),
        "reference": {name: _hash(table.freeze(connection)) for name, table in tables},
        "preparation": {
            "declaration": _hash(settings.problem.to_dict()),
            "settings": _hash(contents_settings(settings)),
        },
    }


def describe_code() -> Making:
    """The code that fits: its commit, its lock and the libraries that are installed."""
    lock = hashlib.sha256((ROOT / "requirements.txt").read_bytes()).hexdigest()
    return {"code": {"commit": find_commit(), "lock": lock}, "library": {name: version_of(name) for name in PACKAGES}}


def describe_changes(before: Making, now: Making) -> list[str]:
    """What is otherwise now than it was, a sentence each; of what is not known of both, nothing."""
    return [
        f"{kind.capitalize()} {name} was {_shorten(was)} and is {_shorten(now[kind].get(name))}."
        for kind, values in before.items()
        if kind in now
        for name, was in values.items()
        if (name in now[kind] or kind in ("source", "reference")) and now[kind].get(name) != was
    ]


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _shorten(value: Any) -> str:
    if value is None:
        return "not there"
    if not isinstance(value, str) or len(value) < 40:
        return str(value)
    digits, dash, suffix = value.partition("-")
    return f"{digits[:12]}...{dash}{suffix}"
