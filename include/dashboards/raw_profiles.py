"""What each column of a raw month looks like: made once for a loaded source, then kept in the warehouse.

A month is profiled when somebody first looks at it, not when it is loaded: most loads are never looked at.
"""

from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from include.dashboards.charts import read_rows
from include.dashboards.context import Context
from include.warehouse import connect

# Name -> type and SQL; the duration is the source's own where it has one.
COLUMNS = {
    "pickup_at": ("time", "pickup_at"),
    "dropoff_at": ("time", "dropoff_at"),
    "pickup_zone": ("zone", "pickup_zone"),
    "dropoff_zone": ("zone", "dropoff_zone"),
    "trip_distance": ("number", "trip_distance"),
    "duration, minutes": ("number", "target"),
}
BARS = 40

_MONTH = "SELECT month, sha256 FROM raw.sources WHERE %(month)s IN ('', month) ORDER BY month DESC LIMIT 1"
_SUMMARY = """
    SELECT count(*) AS rows, count(*) - count({column}) AS missing, count(DISTINCT {column}) AS distinct,
           min({column})::text AS min, max({column})::text AS max,
           {mean} AS mean, {median} AS median, mode() WITHIN GROUP (ORDER BY {column})::text AS frequent
    FROM raw.rows WHERE month = %s
"""
_MEAN, _MEDIAN = "avg({column})::text", "percentile_disc(0.5) WITHIN GROUP (ORDER BY {column})::text"
# Without the largest hundredth: single outliers would flatten all else.
_HISTOGRAM = """
    WITH ends AS (
        SELECT percentile_disc(ARRAY[0.0, 0.99]) WITHIN GROUP (ORDER BY {column}) AS e
        FROM raw.rows WHERE month = %(month)s
    )
    SELECT e[1] AS low, e[2] AS high, b AS bar, count(*) AS rows
    FROM ends, raw.rows, width_bucket({column}, e[1], e[2] + 1e-9, %(bars)s) b
    WHERE month = %(month)s AND {column} BETWEEN e[1] AND e[2] AND e[2] > e[1] GROUP BY e, b ORDER BY b
"""


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
        if kept:
            return kept[0]
        columns = [_profile(connection, month, column) for column in COLUMNS]
        connection.execute(
            "INSERT INTO dashboards.profiles (month, sha256, columns) VALUES (%s, %s, %s) ON CONFLICT (month)"
            " DO UPDATE SET sha256 = excluded.sha256, columns = excluded.columns, made_at = now()",
            [month, sha256, Jsonb(columns)],
        )
    return columns


def _profile(connection: psycopg.Connection, month: str, column: str) -> dict[str, Any]:
    kind, expression = COLUMNS[column]
    cursor = connection.cursor(row_factory=dict_row)
    # The mean of zone numbers says nothing, and times have none.
    mean = _MEAN.format(column=expression) if kind == "number" else "NULL"
    query = _SUMMARY.format(column=expression, mean=mean, median=_MEDIAN.format(column=expression))
    summary = cursor.execute(query.encode(), [month]).fetchone() or {}
    bars: list[dict[str, Any]] = []
    if kind == "number":
        histogram = _HISTOGRAM.format(column=expression)
        bars = cursor.execute(histogram.encode(), {"month": month, "bars": BARS}).fetchall()
    return {"month": month, "column": column, "type": kind, **summary, "bars": bars}
