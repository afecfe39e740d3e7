"""What each column of a raw month looks like: made once for a loaded source, then kept in the warehouse.

A month is profiled when somebody first views it, not when it is loaded: most loads are never viewed.
"""

from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from include.dashboards.context import Context
from include.dashboards.drawing.charts import read_rows
from include.dashboards.reading.histograms import ENDS, place_in_bar
from include.problem.declaration import Problem
from include.problem.kinds import KINDS, KindName
from include.warehouse import connect

TARGET = "target"

_MONTH = "SELECT month, sha256 FROM raw.sources WHERE %(month)s IN ('', month) ORDER BY month DESC LIMIT 1"
_SUMMARY = sql.SQL("""
    SELECT count(*) AS rows, count(*) - count({column}) AS missing, count(DISTINCT {column}) AS distinct,
           min({column})::text AS min, max({column})::text AS max,
           {mean} AS mean, {median} AS median, mode() WITHIN GROUP (ORDER BY {column})::text AS frequent
    FROM raw.rows WHERE month = %s
""")
_MEAN, _MEDIAN = sql.SQL("avg({})::text"), sql.SQL("percentile_disc(0.5) WITHIN GROUP (ORDER BY {})::text")
_NOTHING = sql.SQL("NULL")
_CLASSES = (
    "SELECT target::int AS number, count(*) AS rows FROM raw.rows WHERE month = %s AND target IS NOT NULL GROUP BY 1"
)
_HISTOGRAM = sql.SQL(f"""
    WITH chosen AS (SELECT {{column}} AS value FROM raw.rows WHERE month = %(month)s), ends AS ({ENDS})
    SELECT low, high, {place_in_bar()} AS bar, count(*) AS rows
    FROM ends, chosen WHERE value <= top GROUP BY 1, 2, 3 ORDER BY 3
""")


def read_profile(context: Context) -> list[dict[str, Any]]:
    """The columns of the month that the page shows, else of the newest one; none where nothing is loaded."""
    found = read_rows(_MONTH, context)
    if not found:
        return []
    month, sha256 = found[0]["month"], found[0]["sha256"]
    with connect(context.sources.warehouse_url()) as connection:
        kept = connection.execute(
            "SELECT columns FROM dashboards.profiles WHERE month = %s AND sha256 = %s", [month, sha256]
        ).fetchone()
        kinds = list_kinds(context.settings.problem)
        if kept and [(column["column"], column["type"]) for column in kept[0]] == list(kinds.items()):
            return kept[0]
        columns = [_profile(connection, month, column, kind) for column, kind in kinds.items()]
        connection.execute(
            "INSERT INTO dashboards.profiles (month, sha256, columns) VALUES (%s, %s, %s) ON CONFLICT (month)"
            " DO UPDATE SET sha256 = excluded.sha256, columns = excluded.columns, made_at = now()",
            [month, sha256, Jsonb(columns)],
        )
    return columns


def list_kinds(problem: Problem) -> dict[str, KindName]:
    """The columns that the warehouse keeps with their kinds, and the target: a number, or the number of a class."""
    kind: KindName = "category" if problem.labels else "number"
    return {**{column.name: column.kind for column in problem.stored}, TARGET: kind}


def _profile(connection: psycopg.Connection, month: str, column: str, kind: KindName) -> dict[str, Any]:
    cursor = connection.cursor(row_factory=dict_row)
    named: sql.Composable = sql.Identifier(column)
    if kind == "flag":
        # Postgres has no least flag.
        named = sql.SQL("{}::int").format(named)
    # The mean of codes says nothing, and times have none; texts have no order.
    view = KINDS[kind].view
    mean = _MEAN.format(named) if view == "quantity" else _NOTHING
    median = _MEDIAN.format(named) if view in ("quantity", "clock") else _NOTHING
    summary = cursor.execute(_SUMMARY.format(column=named, mean=mean, median=median), [month]).fetchone() or {}
    bars: list[dict[str, Any]] = []
    if view == "quantity":
        bars = cursor.execute(_HISTOGRAM.format(column=named), {"month": month}).fetchall()
    classes = cursor.execute(_CLASSES, [month]).fetchall() if (column, view) == (TARGET, "frequencies") else []
    return {"month": month, "column": column, "type": kind, **summary, "bars": bars, "classes": classes}
