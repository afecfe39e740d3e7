import re
from collections.abc import Iterator
from datetime import datetime

import psycopg
import pyarrow as pa
import pytest
from psycopg import sql

from include.problem.kinds import KINDS
from include.settings import ROOT
from include.warehouse import append_rows, connect

TABLE = sql.Identifier("raw", "of every kind")
VALUES = {
    "double precision": [1.5, None, float("nan"), float("-inf"), -0.0],
    "integer": [0, None, -(2**31), 2**31 - 1, 7],
    "text": ["", None, "a\tb\n\\N", "Zürich, 東京 🚕", "'\""],
    "timestamp": [
        datetime(2024, 2, 29, 23, 59, 59, 999_999),
        None,
        datetime(1, 1, 1),
        datetime(1969, 12, 31, 23, 59, 59),
        datetime(9999, 12, 31),
    ],
    "boolean": [True, None, False, True, False],
}
SCHEMA = pa.schema([(kind.sql, pa.type_for_alias(kind.arrow)) for kind in KINDS.values() if kind.sql])
LISTS = [[1.5, float("inf")], None, [], [0.0], [None, 2.0]]


@pytest.fixture
def url(warehouse_url: str) -> str:
    """A warehouse with an empty table that has a column of each type that is kept, and one of lists."""
    columns = sql.SQL(", ").join(sql.SQL(f"{{}} {name}").format(sql.Identifier(name)) for name in VALUES)
    with psycopg.connect(warehouse_url) as connection:
        connection.execute(sql.SQL("CREATE TABLE {} ({}, lists double precision[])").format(TABLE, columns))
    return warehouse_url


def read(url: str) -> list[tuple]:
    with psycopg.connect(url) as connection:
        return connection.execute(sql.SQL("SELECT * FROM {}").format(TABLE)).fetchall()


def test_rows_of_every_kind_are_appended_as_they_are(url: str) -> None:
    schema = pa.schema([*{field.name: field for field in SCHEMA}.values(), ("lists", pa.list_(pa.float64()))])
    assert {*schema.names} == {*VALUES, "lists"}
    values = {**VALUES, "lists": LISTS}
    batch = pa.record_batch([pa.array(values[field.name], field.type) for field in schema], schema=schema)
    with connect(url) as connection:
        append_rows(connection, TABLE, schema, [batch[:2], batch[2:2], batch[2:]])
    assert repr(read(url)) == repr([*zip(*(values[name] for name in [*VALUES, "lists"]), strict=True)])


def test_without_batches_nothing_is_appended(url: str) -> None:
    with connect(url) as connection:
        append_rows(connection, TABLE, pa.schema([("text", pa.string())]), [])
    assert read(url) == []


def test_fault_in_making_batches_is_raised_as_it_is_and_leaves_nothing(url: str) -> None:
    schema = pa.schema([("text", pa.string())])

    def make_batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([pa.array(["one"])], schema=schema)
        raise ValueError("the source broke off")

    with pytest.raises(ValueError, match="the source broke off"), connect(url) as connection:
        append_rows(connection, TABLE, schema, make_batches())
    assert read(url) == []


def test_text_that_postgres_has_no_place_for_is_refused(url: str) -> None:
    schema = pa.schema([("text", pa.string())])
    with pytest.raises(psycopg.DataError, match="0x00"), connect(url) as connection:
        append_rows(connection, TABLE, schema, [pa.record_batch([pa.array(["a\0b"])], schema=schema)])
    assert read(url) == []


def test_migrations_take_nothing_from_the_programs_of_the_release_before() -> None:
    taking = re.compile(r"\b(DROP (COLUMN|TABLE|VIEW)|RENAME)\b")
    files = sorted((ROOT / "include" / "sql").glob("*.sql"))
    found = {path.name[:3] for path in files if taking.search(path.read_text(encoding="utf-8"))}
    # No release came before these. Of a later one: what it takes, no program of the last release uses any more.
    assert found == {"020", "021", "023"}
