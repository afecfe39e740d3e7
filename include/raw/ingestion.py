"""A month of raw rows: read in batches, coerced, and replaced in one transaction."""

import hashlib
import json
from contextlib import closing
from dataclasses import dataclass

import pyarrow as pa
from adbc_driver_postgresql.dbapi import Cursor

from include.raw.columns import check_columns, describe_drift
from include.raw.load import REJECTED, Load
from include.settings import Settings
from include.sources import Contents, open_batches, probe
from include.warehouse import connect_bulk, ensure_month, lock_month

# Goes up when the same bytes of a source become other raw rows: loaded months are read again then.
READER_VERSION = 3
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
    with connect_bulk(url) as connection, connection.cursor() as cursor:
        if not force and (unchanged := _find_unchanged(cursor, settings, month)):
            return unchanged
        # No transaction stays open while a source is downloaded.
        connection.rollback()
        with open_batches(settings, month) as contents:
            check_columns(contents, settings, month)
            lock_month(cursor, *ROWS, month)
            stored = None if force else _read_stored(cursor, month)
            if stored and stored["sha256"] == contents.sha256 and stored["reading"] == hash_reading(settings):
                _refresh(cursor, month, contents)
                connection.commit()
                return _as_unchanged(month, stored)
            warnings = (*contents.warnings, *describe_drift(_read_latest_columns(cursor), contents.columns))
            load = Load(settings, month, contents)
            _replace(cursor, ensure_month(cursor, url, *ROWS, month), load)
            connection.commit()
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


def _find_unchanged(cursor: Cursor, settings: Settings, month: str) -> Ingest | None:
    """Trusts an unchanged validator, so that a remote file is not downloaded to learn that it is the same."""
    stored = _read_stored(cursor, month)
    if not stored or not stored["validator"] or stored["reading"] != hash_reading(settings):
        return None
    seen = probe(settings, month)
    same = (seen.location, seen.validator) == (stored["location"], stored["validator"])
    return _as_unchanged(month, stored) if same else None


def _as_unchanged(month: str, stored: dict) -> Ingest:
    return Ingest(month, stored["rows"], stored["rejected"], stored["sha256"], False)


def _read_stored(cursor: Cursor, month: str) -> dict | None:
    cursor.execute(
        "SELECT location, validator, sha256, reading, rows, "
        "(SELECT count(DISTINCT row_number) FROM raw.rejected r "
        "WHERE r.month = s.month AND stage = 'load') AS rejected FROM raw.sources s WHERE month = $1",
        (month,),
    )
    row = cursor.fetchone()
    return dict(zip([column[0] for column in cursor.description], row, strict=True)) if row else None


def _read_latest_columns(cursor: Cursor) -> dict[str, str]:
    cursor.execute("SELECT columns::text FROM raw.sources ORDER BY loaded_at DESC LIMIT 1")
    row = cursor.fetchone()
    return json.loads(row[0]) if row else {}


def _refresh(cursor: Cursor, month: str, contents: Contents) -> None:
    cursor.execute(
        "UPDATE raw.sources SET location = $2, size = $3, validator = $4 WHERE month = $1",
        (month, contents.location, contents.size, contents.validator),
    )


def _replace(cursor: Cursor, partition: str, load: Load) -> None:
    month, contents = load.month, load.contents
    cursor.execute(f'DELETE FROM raw."{partition}"')
    cursor.execute("DELETE FROM raw.rejected WHERE month = $1", (month,))
    try:
        with closing(load.read_batches()) as batches:
            reader = pa.RecordBatchReader.from_batches(load.schema, batches)
            cursor.adbc_ingest(partition, reader, mode="append", db_schema_name="raw")
    except Exception:
        if load.error:  # the driver knows the error's text alone
            raise load.error from None
        raise
    if load.rejected:
        reader = pa.RecordBatchReader.from_batches(REJECTED, load.rejected)
        cursor.adbc_ingest("rejected", reader, mode="append", db_schema_name="raw")
    cursor.execute(
        "INSERT INTO raw.sources (month, location, size, validator, sha256, columns, reading, rows) "
        "VALUES ($1, $2, $3, $4, $5, CAST($6::text AS jsonb), $7, $8) ON CONFLICT (month) DO UPDATE SET "
        "location = EXCLUDED.location, size = EXCLUDED.size, validator = EXCLUDED.validator, sha256 = EXCLUDED.sha256, "
        "columns = EXCLUDED.columns, reading = EXCLUDED.reading, rows = EXCLUDED.rows, loaded_at = now(), "
        "rules = NULL, validated_at = NULL",
        (month, contents.location, contents.size, contents.validator, contents.sha256, json.dumps(contents.columns),
         hash_reading(load.settings), load.rows),
    )  # fmt: skip
