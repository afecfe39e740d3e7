"""Copies the examples of large training sets into Parquet files before they are published, and deletes old copies."""

import hashlib
import io
import logging
from collections.abc import Iterator
from dataclasses import asdict
from secrets import token_hex

import fsspec
from psycopg import sql
from psycopg.types.json import Jsonb

from include.errors import SettingsError, SourceInvalid, SourceUnavailable
from include.problem.checks import ROW_HASH, ROW_WEIGHT
from include.sets.examples import TARGET, list_columns, read_problem_of, stream_batches
from include.sets.parquet import SETTING, Part, find_kept
from include.sets.publish import seal
from include.sets.split import SPLITS
from include.settings import Settings
from include.sources.listing import find_local, translate_store
from include.sources.location import mask
from include.warehouse import connect

log = logging.getLogger(__name__)


def copy_examples(url: str, settings: Settings, version: int) -> None:
    """Copies the examples of a checked version, if they are to be kept as files and are so many; seals them before.

    Readers see the files when all of them are complete.

    Raises:
        SourceUnavailable: The store cannot be reached now.
        SourceInvalid, SettingsError: It refuses access, or its package is not installed.
    """
    if not settings.parquet_location or find_kept(url, version):  # a retry
        return
    with translate_store(settings.parquet_location, SETTING):
        fsspec.core.url_to_fs(settings.parquet_location)
    with connect(url) as connection:
        row = connection.execute(
            "SELECT fingerprint, counts FROM training.sets WHERE version = %s AND state = 'building'", [version]
        ).fetchone()
        if row is None or sum(row[1][split] for split in SPLITS) < settings.parquet_minimum_rows:
            return
        seal(connection, version)
        # Of this attempt alone, whatever else is kept at that address: by another database, for instance.
        name = f"examples_{version}_{row[0][:12]}_{token_hex(4)}"
        directory = f"{settings.parquet_location.rstrip('/')}/{name}"
        connection.execute("INSERT INTO training.files (directory, version) VALUES (%s, %s)", [directory, version])
    parts = [asdict(part) for split in SPLITS for part in _write_split(url, version, split, directory)]
    with connect(url) as connection:
        connection.execute("UPDATE training.files SET parts = %s WHERE directory = %s", [Jsonb(parts), directory])
    log.info("Training set version %d is also kept as %d files in %s", version, len(parts), mask(directory))


def _write_split(url: str, version: int, split: str, directory: str) -> Iterator[Part]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    problem = read_problem_of(url, version)
    columns = sql.SQL("month, row_number, hashint8(row_number) AS {}, {}, {}{}").format(
        sql.Identifier(ROW_HASH),
        list_columns(problem.inputs),
        sql.Identifier(TARGET),
        sql.SQL(f", {ROW_WEIGHT}" if problem.weight else ""),
    )
    for number, batch in enumerate(stream_batches(url, version, split, columns)):
        file = io.BytesIO()
        pq.write_table(pa.Table.from_batches([batch]), file, row_group_size=max(1, len(batch)), compression="zstd")
        part = Part(f"{split}-{number:05}.parquet", split, hashlib.sha256(file.getbuffer()).hexdigest())
        _store(directory, part.name, file.getvalue())
        yield part


def _store(directory: str, name: str, contents: bytes) -> None:
    with translate_store(directory, SETTING):
        if path := find_local(directory):
            path.mkdir(parents=True, exist_ok=True)
        filesystem, path = fsspec.core.url_to_fs(f"{directory}/{name}")
        filesystem.pipe_file(path, contents)


def delete_old_copies(url: str) -> None:
    """Deletes files that nobody reads any more; what cannot be deleted now is left to the next call.

    They are those of versions whose examples are gone, of attempts that were interrupted, and of published versions
    that are read from Postgres again.
    """
    with connect(url) as connection:
        unread = connection.execute(
            "SELECT directory FROM training.files f LEFT JOIN training.sets s USING (version)"
            " WHERE to_regclass('training.examples_' || version) IS NULL OR (parts IS NULL AND state <> 'building')"
        ).fetchall()
    for (directory,) in unread:
        try:
            _delete(directory)
        except (SourceUnavailable, SourceInvalid, SettingsError) as error:
            log.warning("Old files of a training set are left until the next set is published: %s", error)
        else:
            with connect(url) as connection:
                connection.execute("DELETE FROM training.files WHERE directory = %s", [directory])


def _delete(directory: str) -> None:
    with translate_store(directory, SETTING):
        filesystem, path = fsspec.core.url_to_fs(directory)
        # Workers live long, and a listing of an hour ago may be cached.
        filesystem.invalidate_cache()
        if filesystem.exists(path):
            filesystem.rm(path, recursive=True)
