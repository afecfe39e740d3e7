"""The problem's columns in the warehouse's tables, made from its declaration.

Migrations make what every problem has; a column that a declaration adds, or gives another kind, is changed here, so
that a new column is a change of the problem's file alone.
"""

from collections.abc import Sequence

import psycopg
from psycopg import sql

from include.problem.declaration import Problem
from include.problem.parts import Column
from include.sources.references import list_references
from include.warehouse import connect

# Rows of a source are read again when the declaration changes: what is stored of them need not be kept.
ROWS = ("raw", "rows")
LOG = ("prediction", "log")
LOGS = (LOG, ("prediction", "batch"))
_LOCK = "raw.rows: columns"
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
    logs of predictions the old one stays under a name that says its type.

    Args:
        url: The warehouse's libpq address.

    Returns:
        What was changed, as `table.column`.

    Raises:
        WarehouseUnavailable: The warehouse cannot be reached.
    """
    with connect(url) as connection:
        # Two starters at once: the second waits, then finds nothing to do.
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [_LOCK])
        for _, table in list_references(problem):
            table.create(connection)
        changed = _ensure(connection, ROWS, problem.stored, keep=False)
        for log in LOGS:
            changed += _ensure(connection, log, problem.inputs, keep=True)
        _index_log(connection, problem)
        if connection.execute("SELECT to_regclass('raw.accepted')").fetchone() == (None,):
            connection.execute(_ACCEPTED)
            connection.execute("COMMENT ON VIEW raw.accepted IS 'Rows that broke no rule, whatever their target is'")
    return changed


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
        statement = sql.SQL("ALTER INDEX {} RENAME TO {}").format(
            sql.Identifier("prediction", former), sql.Identifier(name)
        )
    else:
        statement = sql.SQL("CREATE INDEX IF NOT EXISTS {} ON prediction.log ({})").format(
            sql.Identifier(name), sql.Identifier(problem.time)
        )
    connection.execute(statement)
