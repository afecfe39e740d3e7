"""A month of raw rows: read in batches, coerced, and replaced in one transaction."""

import hashlib
import json
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from include.raw.columns import check_columns, describe_drift
from include.raw.load import REJECTED, REJECTED_ROWS, Load
from include.settings import Settings
from include.sources import Contents, open_batches, probe
from include.warehouse import append_rows, connect, ensure_month, lock_month

# Goes up when the same bytes of a source become other raw rows: loaded months are read again then.
READER_VERSION = 5
ROWS = ("raw", "rows")


@dataclass(frozen=True)
class Ingest:
    """What became of a month.

    Attributes:
        rejected: Rows with a value of the wrong type or a time beyond what can be stored, which is null now, and rows
            that repeat an earlier one entirely.
        changed: False where the source held what is loaded already.
        warnings: What was decided in reading the source that a person should know, and columns that appeared,
            vanished or changed type since the load before.
    """

    month: str
    rows: int
    rejected: int
    sha256: str
    changed: bool
    warnings: tuple[str, ...] = ()


def ingest_month(url: str, settings: Settings, month: str, *, force: bool = False) -> Ingest:
    """Loads `month` (YYYY-MM) from the source into its partition of raw.rows, or finds that nothing changed.

    Everything is replaced in one transaction, under a lock of the month: readers see the old rows or the new ones,
    and of two runs at once the second finds the first one's work.

    Args:
        url: The warehouse's libpq address.
        force: Loads again what has not changed.

    Raises:
        SettingsError: The source setting cannot be used.
        SourceUnavailable: The source cannot be read now.
        SourceInvalid: The month is missing, empty, damaged, or lacks a column that the settings name.
        WarehouseUnavailable: The warehouse cannot be reached, or broke off.
    """
    with connect(url) as connection:
        if not force and (unchanged := _find_unchanged(connection, settings, month)):
            return unchanged
        # No transaction stays open while a source is downloaded.
        connection.rollback()
        with open_batches(settings, month) as contents:
            check_columns(contents, settings, month)
            lock_month(connection, *ROWS, month)
            stored = None if force else _read_stored(connection, month)
            if stored and stored["sha256"] == contents.sha256 and stored["reading"] == hash_reading(settings):
                _refresh(connection, month, contents)
                return _as_unchanged(month, stored)
            warnings = (*contents.warnings, *describe_drift(_read_latest_columns(connection), contents.columns))
            load = Load(settings, month, contents)
            _replace(connection, ensure_month(connection, url, *ROWS, month), load)
    return Ingest(month, load.rows, load.rejected_rows, contents.sha256, True, warnings)


def hash_reading(settings: Settings) -> str:
    """Hash of the settings that decide how a source's rows become raw ones."""
    problem = settings.problem
    columns = [
        (column.name, column.source, column.clock, column.kind, column.after, problem.time_format_of(column.name),
         column.missing)
        for column in problem.stored
    ]  # fmt: skip
    # Classes by their order, too: rows keep the number of theirs.
    target = [problem.target, problem.elapsed, problem.unit if problem.elapsed else "", *problem.labels]
    recipe = [READER_VERSION, sorted(columns, key=repr), target, problem.timezone, problem.reading]
    return hashlib.sha256(repr(recipe).encode()).hexdigest()


def _find_unchanged(connection: psycopg.Connection, settings: Settings, month: str) -> Ingest | None:
    """Trusts an unchanged validator where no hash is known, so that a remote file is not downloaded to learn it."""
    stored = _read_stored(connection, month)
    if not stored or not stored["validator"] or stored["reading"] != hash_reading(settings):
        return None
    seen = probe(settings, month)
    found = (seen.location, seen.validator, seen.sha256 or stored["sha256"])
    same = found == (stored["location"], stored["validator"], stored["sha256"])
    return _as_unchanged(month, stored) if same else None


def _as_unchanged(month: str, stored: dict[str, Any]) -> Ingest:
    return Ingest(month, stored["rows"], stored["rejected"], stored["sha256"], False)


def _read_stored(connection: psycopg.Connection, month: str) -> dict[str, Any] | None:
    return (
        connection.cursor(row_factory=dict_row)
        .execute(
            "SELECT location, validator, sha256, reading, rows, "
            "(SELECT count(DISTINCT row_number) FROM raw.rejected r "
            "WHERE r.month = s.month AND stage = 'load') AS rejected FROM raw.sources s WHERE month = %s",
            [month],
        )
        .fetchone()
    )


def _read_latest_columns(connection: psycopg.Connection) -> dict[str, str]:
    row = connection.execute("SELECT columns FROM raw.sources ORDER BY loaded_at DESC LIMIT 1").fetchone()
    return row[0] if row else {}


def _refresh(connection: psycopg.Connection, month: str, contents: Contents) -> None:
    connection.execute(
        "UPDATE raw.sources SET location = %s, size = %s, validator = %s WHERE month = %s",
        [contents.location, contents.size, contents.validator, month],
    )


def _replace(connection: psycopg.Connection, partition: sql.Identifier, load: Load) -> None:
    month, contents = load.month, load.contents
    connection.execute(sql.SQL("DELETE FROM {}").format(partition))
    connection.execute("DELETE FROM raw.rejected WHERE month = %s", [month])
    with closing(load.read_batches()) as batches:
        append_rows(connection, partition, load.schema, batches)
    append_rows(connection, REJECTED_ROWS, REJECTED, load.rejected)
    connection.execute(
        "INSERT INTO raw.sources (month, location, size, validator, sha256, columns, reading, rows) "
        "VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s, %s) ON CONFLICT (month) DO UPDATE SET "
        "location = EXCLUDED.location, size = EXCLUDED.size, validator = EXCLUDED.validator, sha256 = EXCLUDED.sha256, "
        "columns = EXCLUDED.columns, reading = EXCLUDED.reading, rows = EXCLUDED.rows, loaded_at = now(), "
        "rules = NULL, validated_at = NULL",
        [month, contents.location, contents.size, contents.validator, contents.sha256, json.dumps(contents.columns),
         hash_reading(load.settings), load.rows],
    )  # fmt: skip
