"""A Postgres table: `postgresql://user:password@host:port/database/schema.table`."""

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from time import monotonic
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pyarrow as pa
from adbc_driver_manager import Error as BulkError
from adbc_driver_manager import OperationalError as BulkOperationalError
from adbc_driver_postgresql.dbapi import Cursor
from psycopg import sql

from include.configuration.values import ALL, MONTH_PATTERN
from include.errors import SettingsError, SourceInvalid, SourceUnavailable, WarehouseUnavailable
from include.problem.parts import Column
from include.problem.problem_file import place_of_name
from include.problem.reading import DETECT, Reading
from include.settings import Settings
from include.sources.contents import Contents, Probe
from include.sources.limits import Allow, Limits, allow_all, explain_time_limit
from include.sources.location import explain, locate, mask, month_bounds
from include.warehouse import connect, connect_bulk

# Ahead of the address's own parameters, which win.
WATCHED = "keepalives_idle=30&keepalives_interval=10&keepalives_count=3"
QUERY_CANCELED = "57014"
# How a month is picked by the type of the time column; {timezone} is the source's time zone.
MONTH_FILTERS = {
    "timestamp without time zone": "{column} >= {start}::timestamp AND {column} < {end}::timestamp",
    "timestamp with time zone": (
        "{column} >= {start}::timestamp AT TIME ZONE {timezone} AND {column} < {end}::timestamp AT TIME ZONE {timezone}"
    ),
    "date": "{column} >= {start}::date AND {column} < {end}::date",
    "text": "left({column}, 7) = {month}",
    "character varying": "left({column}, 7) = {month}",
}
# The month of a row, by the type of the time column.
MONTH_NAMES = {
    "timestamp without time zone": "to_char({column}, 'YYYY-MM')",
    "timestamp with time zone": "to_char({column} AT TIME ZONE {timezone}, 'YYYY-MM')",
    "date": "to_char({column}, 'YYYY-MM')",
    "text": "left({column}, 7)",
    "character varying": "left({column}, 7)",
}
# Types that arrive as they are; anything else is read as text and turned into what the column needs afterwards.
KEPT_TYPES = {*MONTH_FILTERS, "smallint", "integer", "bigint", "real", "double precision"}


def list_months(settings: Settings, _known: Collection[str]) -> list[str]:
    """The months that have at least MINIMUM_ROWS rows: stray dates make no month. Reads the whole column."""
    if settings.months == (ALL,):
        return [ALL]
    time = _require_time(settings)
    url = settings.problem.source
    address, table = split_address(url)
    limits = Limits.of(settings)
    with _translate(url, limits), connect(address) as connection:
        _limit(connection, limits.time_limit)
        columns = _read_columns(connection, table, url)
        kind = columns.get(time.source)
        if kind not in MONTH_NAMES:
            return list(settings.months)  # what is wrong with the column is said when a month is opened
        name = sql.SQL(MONTH_NAMES[kind]).format(
            column=sql.Identifier(time.source), timezone=sql.Literal(settings.problem.timezone)
        )
        query = sql.SQL("SELECT {} FROM {} GROUP BY 1 HAVING count(*) >= {}")
        rows = connection.execute(query.format(name, table, settings.minimum_rows)).fetchall()
    return [month for (month,) in rows if month and re.match(MONTH_PATTERN, month)]


def probe(settings: Settings, month: str) -> Probe:
    """Looks whether the table is there; nothing cheap tells whether its rows changed."""
    url = locate(settings, month)
    address, table = split_address(url)
    limits = Limits.of(settings)
    with _translate(url, limits), connect(address) as connection:
        _limit(connection, limits.timeout)
        _read_columns(connection, table, url)
    return Probe(month, mask(url), None, None, None)


@contextmanager
def open_month(
    settings: Settings, month: str, allow: Allow = allow_all, _reading: Reading = DETECT
) -> Iterator[Contents]:
    """Opens the rows of `month` by the time column, all of them as of one moment."""
    url = locate(settings, month)
    address, table = split_address(url)
    limits = Limits.of(settings, allow)
    ends = monotonic() + limits.time_limit
    with ExitStack() as stack:
        with _translate(url, limits):
            with connect(address) as connection:
                _limit(connection, limits.timeout)
                columns = _read_columns(connection, table, url)
            where = _filter_month(settings, month, columns, url)
            cursor = stack.enter_context(stack.enter_context(connect_bulk(address)).cursor())
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            # The hash is of rows as text, which depends on these two.
            cursor.execute("SET LOCAL TimeZone = 'UTC'")
            cursor.execute("SET LOCAL DateStyle = 'ISO'")
            _limit(cursor, ends - monotonic())
            digest = _hash_rows(cursor, table, list(columns), where)

        def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
            with _translate(url, limits):
                _limit(cursor, ends - monotonic())
                cursor.execute(_render(_select(table, names, columns, where)))
                yield from cursor.fetch_record_batch()

        yield Contents(mask(url), None, None, digest, columns, read)


def _limit(connection: psycopg.Connection | Cursor, seconds: float) -> None:
    """Lets no statement after this one take longer, waiting for locks included; 0 would be no limit."""
    connection.execute(f"SET statement_timeout = {max(1, round(seconds * 1000))}")


def split_address(url: str) -> tuple[str, sql.Identifier]:
    """The database's address and the table's name.

    Raises:
        SettingsError: The address does not end in `/database/schema.table`.
    """
    parts = urlsplit(url)
    match parts.path.strip("/").split("/"):
        case [database, name] if 1 <= name.count(".") + 1 <= 2:
            # A server that is gone without a word is noticed after a minute.
            query = "&".join(filter(None, [WATCHED, parts.query]))
            return urlunsplit(parts._replace(path=f"/{database}", query=query)), sql.Identifier(*name.split("."))
    raise SettingsError(f"SOURCE {mask(url)}: a table's address ends in /database/schema.table")


def _read_columns(connection: psycopg.Connection, table: sql.Identifier, url: str) -> dict[str, str]:
    rows = connection.execute(
        "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute "
        "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        [_render(table)],
    ).fetchall()
    if not rows:
        raise SourceInvalid(f"{mask(url)}: the table does not exist, or this user may not see it: check SOURCE")
    return dict(rows)


def _require_time(settings: Settings) -> Column:
    time = settings.problem.time
    if time is None:
        raise SettingsError(
            f"MONTHS: no month can be picked of a table without a time. Set TIME to its column, or MONTHS={ALL} to load"
            " the table whole"
        )
    return settings.problem.columns[time]


def _filter_month(settings: Settings, month: str, columns: dict[str, str], url: str) -> sql.Composable:
    if month == ALL:
        return sql.SQL("true")
    time = _require_time(settings)
    name = time.source
    if name not in columns:
        return sql.SQL("false")  # the missing column is reported with all others by the reader of the contents
    if columns[name] not in MONTH_FILTERS:
        raise SourceInvalid(
            f"{mask(url)}: column {name} is of type {columns[name]}, which no month can be picked by. "
            f"Offer a view where it is one of {', '.join(MONTH_FILTERS)}, or change "
            f"{place_of_name(settings.problem, time.name)}"
        )
    start, end = month_bounds(month)
    return sql.SQL(MONTH_FILTERS[columns[name]]).format(
        column=sql.Identifier(name), start=sql.Literal(str(start)), end=sql.Literal(str(end)),
        timezone=sql.Literal(settings.problem.timezone), month=sql.Literal(month),
    )  # fmt: skip


def _hash_rows(cursor: Cursor, table: sql.Identifier, names: Sequence[str], where: sql.Composable) -> str:
    # Sums do not depend on the order that rows come in; two seeds make 128 bits.
    row = sql.SQL("ROW({})::text").format(sql.SQL(", ").join(map(sql.Identifier, names)))
    query = sql.SQL(
        "SELECT count(*)::text, sum(hashtextextended({row}, 1)::numeric)::text, "
        "sum(hashtextextended({row}, 2)::numeric)::text FROM {table} WHERE {where}"
    ).format(row=row, table=table, where=where)
    cursor.execute(_render(query))
    return hashlib.sha256(repr([names, *cursor.fetchone()]).encode()).hexdigest()


def _select(
    table: sql.Identifier, names: Sequence[str], columns: dict[str, str], where: sql.Composable
) -> sql.Composable:
    selected = [
        sql.Identifier(name)
        if columns[name] in KEPT_TYPES
        else sql.SQL("{name}::text AS {name}").format(name=sql.Identifier(name))
        for name in names
    ]
    # Ordered, so that the same rows get the same numbers in every load.
    order = ", ".join(str(position) for position in range(1, len(names) + 1))
    return sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY {}").format(
        sql.SQL(", ").join(selected), table, where, sql.SQL(order)
    )


def _render(composed: sql.Composable) -> str:
    return composed.as_string(None)


@contextmanager
def _translate(url: str, limits: Limits) -> Iterator[None]:
    try:
        yield
    except (psycopg.Error, BulkError, WarehouseUnavailable) as error:
        cause = error.__cause__ if isinstance(error, WarehouseUnavailable) and error.__cause__ else error
        if getattr(cause, "sqlstate", None) == QUERY_CANCELED:
            raise explain_time_limit(url, limits) from error
        if isinstance(cause, psycopg.OperationalError | BulkOperationalError | WarehouseUnavailable):
            raise SourceUnavailable(
                f"{mask(url)} could not be read: {explain(cause, url)}. Try again when it answers"
            ) from error
        raise SourceInvalid(f"{mask(url)} could not be read: {explain(cause, url)}. Check SOURCE") from error
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise SourceInvalid(
            f"{mask(url)} holds what cannot be read ({explain(error, url)}): offer a view with other types"
        ) from error
