"""The error of logged predictions, once the rows of their time have arrived."""

import logging

import psycopg
from psycopg import sql

from include.problem.declaration import Problem
from include.problem.parts import Column
from include.raw.tables import LOG, ROWS, has_columns
from include.sets.examples import list_columns, target_bounds
from include.settings import Settings
from include.warehouse import connect

log = logging.getLogger(__name__)

# A row is found by what was known of it when it was predicted. Which of the rows that look alike was asked for, nobody
# can tell: they count together.
_MEASURE = """
    WITH arrived AS (
        SELECT {columns}, {together} AS actual
        FROM raw.accepted
        WHERE {in_time} AND target BETWEEN %(low)s AND %(high)s
        GROUP BY {columns}
    )
    INSERT INTO monitoring.live_errors (model_version, week, rows, error)
    SELECT l.model_version::text, date_trunc('week', l.{time})::date, count(*), {error}
    FROM prediction.log l
    JOIN arrived a ON {same}
    WHERE {predicted} IS NOT NULL AND l.model_version <> ALL(%(others)s)
    GROUP BY 1, 2
    ON CONFLICT (model_version, week) DO UPDATE
    SET rows = excluded.rows, error = excluded.error, measured_at = now()
    RETURNING rows
"""


_VERSIONS = """
    SELECT DISTINCT p.version, s.declaration
    FROM training.promotions p JOIN training.sets s ON s.version = p.set_version
    WHERE p.name = %s AND p.kind = 'judgement'
"""
# Spares looking through all rows.
_IN_TIME = "{time} BETWEEN (SELECT min({time}) FROM prediction.log) AND (SELECT max({time}) FROM prediction.log)"


def measure_live_errors(url: str, settings: Settings) -> int:
    """Stores the error, in the unit of the objective's main measure, for each model version and week.

    The week is that of the row's time, or of the prediction where rows have none.

    Returns:
        The number of logged predictions whose row has arrived since; 0 where nothing was ever predicted, or columns
        were declared since the last preparation, which makes them.
    """
    problem, objective = settings.problem, settings.problem.objective
    predicted = sql.Identifier("l", objective.logged)
    low, high = target_bounds(problem)
    query = sql.SQL(_MEASURE).format(
        columns=list_columns(problem.inputs),
        time=sql.Identifier(problem.time or "at"),
        in_time=sql.SQL(_IN_TIME if problem.time else "true").format(time=sql.Identifier(problem.time or "at")),
        together=sql.SQL(objective.sql_actual),
        predicted=predicted,
        error=sql.SQL(objective.main.sql).format(actual=sql.Identifier("a", "actual"), predicted=predicted),
        same=sql.SQL(" AND ").join(_compare(column) for column in problem.inputs),
    )
    with connect(url) as connection:
        if not all(has_columns(connection, table, problem.inputs) for table in (ROWS, LOG)):
            log.info("Nothing to compare: start data_preparation, which makes the columns that are declared.")
            return 0
        values = {"low": low, "high": high, "others": _list_others(connection, settings) if problem.labels else []}
        return sum(rows for (rows,) in connection.execute(query, values))


def _list_others(connection: psycopg.Connection, settings: Settings) -> list[int]:
    """The versions that learnt other classes than are declared now: a number in the warehouse is another class now."""
    found = connection.execute(_VERSIONS, [settings.registered_model]).fetchall()
    return [version for version, made in found if Problem.from_dict(made).labels != settings.problem.labels]


def _compare(column: Column) -> sql.Composed:
    """Missing values are alike, which plain equality, which can be looked up, does not say."""
    operator = "=" if column.required else "IS NOT DISTINCT FROM"
    return sql.SQL("l.{0} " + operator + " a.{0}").format(sql.Identifier(column.name))
