"""The warehouse: connections, schema migrations, and bulk transfer by binary COPY."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import psycopg
import pyarrow as pa
from pgpq import ArrowToPostgresBinaryEncoder
from psycopg import sql

from include.errors import WarehouseUnavailable

SQL_DIRECTORY = Path(__file__).resolve().parent / "sql"
MIGRATION_LOCK = 7_202_401
_DEAD_CLIENTS = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except (psycopg.OperationalError, adbc_driver_manager.OperationalError) as error:
        raise WarehouseUnavailable(f"The warehouse could not be reached, or was lost: {error}") from error


@contextmanager
def connect(url: str, *, autocommit: bool = False) -> Iterator[psycopg.Connection]:
    """A connection that commits on success and rolls back on an error.

    Args:
        url: libpq address, `postgresql://user:password@host:port/database`.

    Raises:
        WarehouseUnavailable: The server cannot be reached or the connection broke.
    """
    with _translate_errors(), psycopg.connect(url, autocommit=autocommit, connect_timeout=10) as connection:
        yield connection


class KeptConnection:
    """One connection for a series of statements, each committed as soon as it is done; a context manager."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def execute(self, statement: str, values: Sequence[Any] | Mapping[str, Any]) -> psycopg.Cursor:
        """Executes a statement which, when it is repeated, changes nothing more; gives its cursor.

        Raises:
            WarehouseUnavailable: The server cannot be reached, also not by a new connection.
        """
        if self._connection is not None:
            try:
                return self._connection.execute(statement.encode(), values)
            # The server may have restarted since the last statement.
            except psycopg.OperationalError:
                self._close()
        with _translate_errors():
            # An hour may pass between two statements, and a firewall may forget a connection that is silent. The server
            # notices in a minute, too, when this machine is gone, and gives its locks to others.
            self._connection = psycopg.connect(
                self._url,
                autocommit=True,
                connect_timeout=10,
                keepalives_idle=30,
                tcp_user_timeout=30_000,
                options=_DEAD_CLIENTS,
            )
            return self._connection.execute(statement.encode(), values)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def connect_bulk(url: str) -> Iterator[adbc_driver_postgresql.dbapi.Connection]:
    """A connection that reads Arrow data by binary COPY; nothing is kept unless the caller commits.

    Raises:
        WarehouseUnavailable: The server cannot be reached or the connection broke.
    """
    with _translate_errors():
        connection = adbc_driver_manager.AdbcConnection(_open_database(url))
        # What would be closed with the connection is a stand-in: the database is kept for the next one.
        with adbc_driver_postgresql.dbapi.Connection(SimpleNamespace(close=lambda: None), connection) as bulk:
            yield bulk


def read_batches(url: str, query: sql.Composable) -> Generator[pa.RecordBatch]:
    """What a query gives, about 16 MB at a time; parameters have to be literals, or it would not be read by COPY."""
    with connect_bulk(url) as connection, connection.cursor() as cursor:
        cursor.execute(query.as_string())
        yield from cursor.fetch_record_batch()


def append_rows(
    connection: psycopg.Connection, table: sql.Identifier, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> None:
    """Appends batches to a table by binary COPY, in the connection's transaction.

    Args:
        schema: The batches' columns by their names in the table, in exactly its types: nothing is converted.
    """
    encoder = ArrowToPostgresBinaryEncoder(schema)
    columns = sql.SQL(", ").join(map(sql.Identifier, schema.names))
    command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(table, columns)
    with connection.cursor().copy(command) as stream:
        stream.write(encoder.write_header())
        for batch in batches:
            stream.write(encoder.write_batch(batch))
        stream.write(encoder.finish())


@contextmanager
def read_ahead(batches: Iterator[pa.RecordBatch]) -> Iterator[Iterator[pa.RecordBatch]]:
    """Gives what `batches` gives; from now on, another thread makes the next one while this one does other work."""
    with ThreadPoolExecutor(1) as reader:
        first = reader.submit(next, batches, None)

        def give() -> Iterator[pa.RecordBatch]:
            upcoming = first
            while (batch := upcoming.result()) is not None:
                upcoming = reader.submit(next, batches, None)
                yield batch

        yield give()


@lru_cache(maxsize=4)
def _open_database(url: str) -> adbc_driver_manager.AdbcDatabase:
    # Reads the server's catalog of types, which takes several times as long as a connection; holds no connection.
    return adbc_driver_postgresql.connect(url)


def migrate(url: str) -> list[str]:
    """Applies the migrations that the database lacks, each in its own transaction.

    Returns:
        The names of those applied now, in order.
    """
    applied = []
    with connect(url, autocommit=True) as connection:
        # Two starters at once: the second waits, then finds nothing to do.
        connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        connection.execute(
            "CREATE TABLE IF NOT EXISTS public.migrations (name text PRIMARY KEY, applied_at timestamptz DEFAULT now())"
        )
        done = {name for (name,) in connection.execute("SELECT name FROM public.migrations")}
        for path in sorted(SQL_DIRECTORY.glob("[0-9]*.sql")):
            if path.stem not in done:
                with connection.transaction():
                    connection.execute(path.read_text().encode())
                    connection.execute("INSERT INTO public.migrations (name) VALUES (%s)", [path.stem])
                applied.append(path.stem)
    return applied


def ensure_month(connection: psycopg.Connection, url: str, schema: str, table: str, month: str) -> sql.Identifier:
    """The partition of `schema.table` that holds `month` (YYYY-MM); created where it is missing.

    Args:
        connection: Any to the warehouse. As a rule it answers that there is nothing to do, which takes a fraction of
            the time of a new connection.
        url: The warehouse's libpq address.
    """
    partition = name_partition(schema, table, month)
    if connection.execute("SELECT to_regclass(%s)", [partition.as_string()]).fetchone() == (None,):
        with connect(url) as creating:
            # It locks the whole table: in a transaction of its own, and one run at a time.
            creating.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"{schema}.{table}"])
            create_partition(creating, schema, table, month.replace("-", "_"), "month", month)
    return partition


def name_partition(schema: str, table: str, month: str) -> sql.Identifier:
    """The name of the partition of `schema.table` that holds `month`."""
    return sql.Identifier(schema, f"{table}_{month.replace('-', '_')}")


def lock_month(connection: psycopg.Connection, schema: str, table: str, month: str) -> None:
    """Waits until no other transaction writes `month`, and keeps them out until this one ends."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s), hashtext(%s))", [f"{schema}.{table}", month])


def create_partition(
    connection: psycopg.Connection, schema: str, table: str, suffix: str, column: str, value: str | int
) -> str:
    """Creates the list partition of `schema.table` where `column` is `value`, and returns its name.

    There, `value` is the column's default: rows that are copied into the partition need not hold it.
    """
    name = f"{table}_{suffix}"
    connection.execute(
        sql.SQL(
            "CREATE TABLE IF NOT EXISTS {name} PARTITION OF {table} ({column} DEFAULT {value}) FOR VALUES IN ({value})"
        ).format(
            name=sql.Identifier(schema, name),
            table=sql.Identifier(schema, table),
            column=sql.Identifier(column),
            value=sql.Literal(value),
        )
    )
    return name
