"""The problem's columns in the warehouse's tables, made from its declaration.

Migrations make what every problem has; a column that a declaration adds, or gives another kind, is changed here, so
that a new column is a change of the problem's file alone.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

from include.errors import WarehouseUnavailable
from include.problem.declaration import Problem
from include.problem.parts import Column
from include.sources.references import list_references
from include.warehouse import connect

# Rows of a source are read again when the declaration changes: what is stored of them need not be kept.
ROWS = ("raw", "rows")
LOG = ("prediction", "log")
LOGS = (LOG, ("prediction", "batch"))
_LOCK = "raw.rows: columns"
# All who come later queue behind a change of a table that waits. A task may read by one connection what it writes by
# another: where the change waits for one of them and keeps the other waiting, only this ends it.
LOCK_TIMEOUT = "60s"
_ACCEPTED = """
    CREATE VIEW raw.accepted AS
    SELECT r.* FROM raw.rows r
    WHERE NOT EXISTS (SELECT FROM raw.rejected j WHERE j.month = r.month AND j.row_number = r.row_number)
"""
_COLUMNS = """
    SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
"""
# Of one column of the log alone.
_INDEXES = """
    SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = 'prediction.log'::regclass AND i.indnatts = 1 AND a.attname = %s
"""
# As Postgres calls them where it lists columns.
_LISTED = {"timestamp": "timestamp without time zone"}


def ensure_columns(url: str, problem: Problem) -> list[str]:
    """Gives every table the columns of the problem, and its references their tables.

    A column whose kind has changed is replaced: in `raw.rows` it is empty until its months are loaded again; in the
    logs of predictions the old one stays under a name that says its type. Each table is changed in a transaction of
    its own: what was changed before an error stays, and the next call does the rest.

    Args:
        url: The warehouse's libpq address.

    Returns:
        What was changed, as `table.column`.

    Raises:
        WarehouseUnavailable: The warehouse cannot be reached, or others have used a table for too long.
    """
    with connect(url, autocommit=True) as connection:
        with _changing(connection, "a table of references"):
            for _, table in list_references(problem):
                table.create(connection)
        with _changing(connection, ".".join(ROWS)):
            changed = _ensure(connection, ROWS, problem.stored, keep=False)
            if connection.execute("SELECT to_regclass('raw.accepted')").fetchone() == (None,):
                connection.execute(_ACCEPTED)
                connection.execute(
                    "COMMENT ON VIEW raw.accepted IS 'Rows that broke no rule, whatever their target is'"
                )
        for log in LOGS:
            with _changing(connection, ".".join(log)):
                changed += _ensure(connection, log, problem.inputs, keep=True)
                if log == LOG:
                    _index_log(connection, problem)
    return changed


@contextmanager
def _changing(connection: psycopg.Connection, table: str) -> Iterator[None]:
    """A transaction that gives up where others use the table for too long."""
    try:
        with connection.transaction():
            # Two starters at once: the second waits, then finds nothing to do.
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [_LOCK])
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
            yield
    except psycopg.errors.LockNotAvailable as error:
        raise WarehouseUnavailable(
            f"{table} could not be given the columns that the problem declares: others have used it for {LOCK_TIMEOUT}"
            f" ({error}). Wait until the tasks and statements on it have ended, which pg_stat_activity lists, or end"
            " them with pg_terminate_backend; then start again what was started"
        ) from error


def has_columns(connection: psycopg.Connection, table: tuple[str, str], columns: Sequence[Column]) -> bool:
    """Whether a table has these columns, each of its kind: those of another declaration may not be there."""
    found: dict[str, str] = dict(connection.execute(_COLUMNS, [".".join(table)]).fetchall())
    return all(found.get(column.name) == _list_type(column) for column in columns)


def _list_type(column: Column) -> str:
    wanted = column.of_kind.sql
    return _LISTED.get(wanted, wanted)


def _ensure(
    connection: psycopg.Connection, table: tuple[str, str], columns: Sequence[Column], *, keep: bool
) -> list[str]:
    name = sql.Identifier(*table)
    found: dict[str, str] = dict(connection.execute(_COLUMNS, [".".join(table)]).fetchall())
    changed: list[str] = []
    for column in columns:
        if found.get(column.name) == _list_type(column):
            continue
        if not changed and table == ROWS:
            connection.execute("DROP VIEW IF EXISTS raw.accepted")
        if column.name in found:
            _make_room(connection, table, column.name, found, keep=keep)
            if table == ROWS:
                # Else a kind that is changed and changed back would leave the column of unchanged months empty.
                connection.execute("UPDATE raw.sources SET reading = ''")
        connection.execute(
            sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
                name, sql.Identifier(column.name), sql.SQL(column.of_kind.sql)
            )
        )
        changed.append(f"{'.'.join(table)}.{column.name}")
    return changed


def _make_room(
    connection: psycopg.Connection, table: tuple[str, str], column: str, found: dict[str, str], *, keep: bool
) -> None:
    old = f"{column}_{found[column].partition(' ')[0]}"
    if keep and old not in found:
        connection.execute(
            sql.SQL("ALTER TABLE {} RENAME COLUMN {} TO {}").format(
                sql.Identifier(*table), sql.Identifier(column), sql.Identifier(old)
            )
        )
    else:
        connection.execute(
            sql.SQL("ALTER TABLE {} DROP COLUMN {}").format(sql.Identifier(*table), sql.Identifier(column))
        )


def _index_log(connection: psycopg.Connection, problem: Problem) -> None:
    """Predictions are joined to the rows that arrive later, by their time first."""
    if problem.time not in problem.dtypes:
        return
    name, former = f"log_by_column_{problem.time}", f"log_by_{problem.time}"
    indexes = {index for (index,) in connection.execute(_INDEXES, [problem.time])}
    if former in indexes and name not in indexes:
        # As releases before this one called it: to make it again would keep predictions from being written for so long.
        connection.execute(
            sql.SQL("ALTER INDEX {} RENAME TO {}").format(sql.Identifier("prediction", former), sql.Identifier(name))
        )
    # The statement keeps predictions from being written while it waits, also where it then finds the index there.
    elif name not in indexes:
        connection.execute(
            sql.SQL("CREATE INDEX IF NOT EXISTS {} ON prediction.log ({})").format(
                sql.Identifier(name), sql.Identifier(problem.time)
            )
        )
