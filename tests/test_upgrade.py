"""A warehouse from before the newest migration keeps its rows, and its sets and models are used as before."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest
from psycopg import sql

from include import warehouse
from include.raw.tables import ensure_columns
from include.sets.examples import load_split
from include.settings import Settings
from include.warehouse import create_partition, migrate
from tests.conftest import create_database
from tests.published_sets import train
from tests.registered import LASSO
from tests.warehouse_rows import query

TABLES = """
SELECT oid::regclass::text FROM pg_class
WHERE relkind IN ('r', 'p') AND NOT relispartition
  AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'public')
ORDER BY 1
"""
COLUMNS = """
SELECT quote_ident(attname), format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""


def read_columns(url: str, table: str) -> dict[str, str]:
    """Column -> type, for statements."""
    with psycopg.connect(url) as connection:
        return dict(connection.execute(COLUMNS, [table]).fetchall())


def read_rows(url: str) -> dict[str, list[dict]]:
    """Table -> its rows."""
    tables = [table for (table,) in query(url, TABLES)]
    return {table: [row for (row,) in query(url, f"SELECT to_jsonb(t) FROM {table} t ORDER BY 1")] for table in tables}


def copy_rows(source: str, target: str) -> None:
    """Copies all rows, as far as the target has the columns; tables that code makes are made here."""
    with psycopg.connect(source) as reading, psycopg.connect(target) as writing:
        for month in ("2024-01", "2024-02"):
            create_partition(writing, "raw", "rows", month.replace("-", "_"), "month", month)
        for (examples,) in query(source, "SELECT 'training.examples_' || version FROM training.sets"):
            columns = ", ".join(" ".join(column) for column in read_columns(source, examples).items())
            writing.execute(f"CREATE TABLE {examples} ({columns})".encode())
        writing.commit()
        for (table,) in query(target, TABLES):
            names = sql.SQL(", ".join(read_columns(target, table).keys() & read_columns(source, table).keys()))
            given = {"names": names, "table": sql.SQL(table)}
            with (
                reading.cursor().copy(sql.SQL("COPY (SELECT {names} FROM {table}) TO STDOUT").format(**given)) as out,
                writing.cursor().copy(sql.SQL("COPY {table} ({names}) FROM STDIN").format(**given)) as into,
            ):
                for block in out:
                    into.write(block)


@pytest.fixture
def former_url(postgres_url: str, published_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A warehouse without the newest migration, with a published set, its source's rows and what is known of them."""
    for path in sorted(warehouse.SQL_DIRECTORY.glob("[0-9]*.sql"))[:-1]:
        shutil.copy(path, tmp_path)
    with create_database(postgres_url, "template0") as url:
        with monkeypatch.context() as patch:
            patch.setattr(warehouse, "SQL_DIRECTORY", tmp_path)
            migrate(url)
        ensure_columns(url, Settings().problem)
        copy_rows(published_url, url)
        yield url


def test_newest_migration_keeps_every_row(former_url: str) -> None:
    before = read_rows(former_url)
    assert {"raw.rows", "raw.rejected", "raw.sources", "training.sets"} <= {table for table in before if before[table]}
    [newest] = migrate(former_url)
    assert newest == max(path.stem for path in warehouse.SQL_DIRECTORY.glob("[0-9]*.sql"))
    after = read_rows(former_url)
    for table, rows in before.items():
        kept = [{name: row[name] for name in rows[0]} for row in after[table]]
        assert sorted(kept, key=str) == sorted(rows, key=str), table


def test_set_from_before_trains_the_same_model(former_url: str, published_url: str) -> None:
    migrate(former_url)
    rows = load_split(published_url, 1, "validation").rows
    kept = load_split(former_url, 1, "validation").rows
    assert all(np.array_equal(rows[name], kept[name], equal_nan=rows[name].dtype.kind == "f") for name in rows)
    before, after = (train(url, 1, LASSO, "rich").predict(rows) for url in (published_url, former_url))
    assert before.tolist() == after.tolist()
