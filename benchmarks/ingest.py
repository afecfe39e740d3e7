"""From files to committed rows, against a bare binary COPY of the same rows."""

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from statistics import median
from time import perf_counter

import psycopg
from psycopg import sql

from benchmarks.report import Report
from benchmarks.running import running_stack, settings_of
from benchmarks.trip_data import MONTHS, find_trips
from include.embedded.settings import read_stack_settings
from include.embedded.stack import Stack
from include.raw import ingest_month

ROUNDS = 7
GOAL_SPEED = 0.8
# As many tasks as the stack runs at once.
AT_ONCE = read_stack_settings().parallel_tasks

_PARTITIONS = """
    SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'raw.rows'::regclass
"""


def run() -> Report:
    """Loads five months by turns through the ingest and by COPY; each finds empty tables and commits each month."""
    trips = find_trips()
    settings = settings_of(trips.settings, months=MONTHS)
    with (
        ProcessPoolExecutor(AT_ONCE) as pool,
        running_stack(("postgres",)) as stack,
        psycopg.connect(stack.warehouse_url, autocommit=True) as connection,
    ):

        def ingest() -> None:
            for month in MONTHS:
                ingest_month(stack.warehouse_url, settings, month)

        def ingest_together() -> None:
            list(pool.map(ingest_month, repeat(stack.warehouse_url), repeat(settings), MONTHS))

        ingest()
        ingest_together()
        rows = connection.execute("SELECT count(*) FROM raw.rows").fetchall()[0][0]
        payloads = _read_payloads(connection)
        ways: dict[str, Callable[[], None]] = {
            "ingest, months one after another": ingest,
            f"ingest, {AT_ONCE} months at once": ingest_together,
            "COPY": lambda: _copy(connection, payloads),
        }
        rounds = [{way: _time(stack, connection, load) for way, load in ways.items()} for _ in range(ROUNDS)]
    table = []
    for way in ways:
        seconds = median(times[way] for times in rounds)
        ratio = median(times[way] / times["COPY"] for times in rounds)
        table.append([way, f"{seconds:.2f} s", f"{rows / seconds:,.0f}", f"{ratio:.2f}", f"{1 / ratio:.2f}"])
    megabytes = sum(map(len, payloads.values())) / 1e6
    return Report(
        "Ingest",
        f"at least {GOAL_SPEED} of the speed of COPY, which is a time of at most {1 / GOAL_SPEED:.2f} times COPY's",
        ["", "time", "rows a second", "time / COPY", "speed / COPY"],
        table,
        [
            f"{trips.label}: {len(MONTHS)} months, {rows:,} rows, {megabytes:.0f} MB as COPY sends them",
            f"medians of {ROUNDS} runs of each, by turns; the ratio is the median of the rounds' ratios",
            "at once: in processes that have run before, as tasks are forked with all libraries loaded",
            "COPY's input lies ready in memory; the ingest reads, hashes, converts and checks the source first",
        ],
    )


def _read_payloads(connection: psycopg.Connection) -> dict[str, bytes]:
    """Table in the schema `copied` -> what COPY sends for it; the tables are made like the partitions of raw.rows."""
    connection.execute("CREATE SCHEMA copied")
    payloads = {}
    for (name,) in connection.execute(_PARTITIONS).fetchall():
        original, copied = (sql.Identifier(schema, name) for schema in ("raw", "copied"))
        connection.execute(sql.SQL("CREATE TABLE {} (LIKE {})").format(copied, original))
        with connection.cursor().copy(sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(original)) as stream:
            payloads[name] = b"".join(stream)
    return payloads


def _copy(connection: psycopg.Connection, payloads: Mapping[str, bytes]) -> None:
    for name, payload in payloads.items():
        table = sql.Identifier("copied", name)
        with connection.cursor().copy(sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(table)) as stream:
            stream.write(payload)


def _time(stack: Stack, connection: psycopg.Connection, load: Callable[[], None]) -> float:
    connection.execute("TRUNCATE raw.rows, raw.sources, raw.rejected")
    for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'copied'").fetchall():
        connection.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier("copied", name)))
    with psycopg.connect(stack.admin_url, autocommit=True) as admin:
        # What the load before left to be written to disk is not this one's.
        admin.execute("CHECKPOINT")
    begun = perf_counter()
    load()
    return perf_counter() - begun
