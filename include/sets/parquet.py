"""Reads the examples of training sets that are also kept as Parquet files, in a directory or an object store.

Each file holds rows of one split in the source's order, as many as Postgres handed over at once, which is about 16 MB.
So a file can be held in memory, and compared with its hash as a whole before anything is read of it.
"""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import fsspec

from include.errors import TrainingSetDamaged
from include.problem.checks import ROW_HASH
from include.sources.listing import translate_store
from include.sources.location import mask
from include.warehouse import connect

if TYPE_CHECKING:
    import pyarrow as pa

SETTING = "PARQUET_LOCATION"
# Hashes of row numbers begin here, see `hashint8` of Postgres.
LEAST_HASH = -(2**31)


@dataclass(frozen=True)
class Part:
    """One file."""

    name: str
    split: str
    sha256: str


@dataclass(frozen=True)
class Kept:
    """The complete files of a version."""

    version: int
    directory: str
    parts: tuple[Part, ...]


def find_kept(url: str, version: int) -> Kept | None:
    """The files of a version; None where Postgres alone has its examples."""
    with connect(url) as connection:
        row = connection.execute(
            "SELECT directory, parts FROM training.files WHERE version = %s AND parts IS NOT NULL", [version]
        ).fetchone()
    return Kept(version, row[0], tuple(Part(**part) for part in row[1])) if row else None


def read_parts(kept: Kept, split: str, names: Collection[str], share: tuple[int, int] | None) -> "Iterator[pa.Table]":
    """Some columns of a split, a file at a time.

    Args:
        share: The number of a share, from 0, and of how many; None: all rows.

    Raises:
        TrainingSetDamaged: A file is missing or was changed.
        SourceUnavailable: The store cannot be reached now.
        SourceInvalid, SettingsError: It refuses access, or its package is not installed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [*names, *([ROW_HASH] if share else [])]
    for part in kept.parts:
        if part.split == split:
            table = pq.read_table(pa.BufferReader(_fetch(kept, part)), columns=columns)
            if share:
                number, of = share
                hashes = table[ROW_HASH].to_numpy().astype("int64") - LEAST_HASH
                table = table.filter(pa.array(hashes % of == number))
            yield table


def _fetch(kept: Kept, part: Part) -> bytes:
    """The contents of a file, which are what was written when the set was published."""
    address = f"{kept.directory}/{part.name}"
    with translate_store(address, SETTING):
        filesystem, path = fsspec.core.url_to_fs(address)
        try:
            contents = filesystem.cat_file(path)
        except FileNotFoundError:
            contents = None
    if contents is None or hashlib.sha256(contents).hexdigest() != part.sha256:
        raise TrainingSetDamaged(
            f"{mask(address)} of training set version {kept.version}"
            f" {'is missing' if contents is None else 'was changed after the set was published'}. Start"
            " data_preparation with `force` for a new version, or have this one read from Postgres: in the warehouse,"
            f" UPDATE training.files SET parts = NULL WHERE version = {kept.version};"
        )
    return contents
