"""The error of logged predictions, once the rows of their time have arrived."""

import hashlib
import logging
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import psycopg
from psycopg import sql

from include.configuration.values import ALL
from include.problem.declaration import Problem
from include.problem.parts import Column
from include.raw.tables import LOG, ROWS, has_columns
from include.sets.examples import list_columns, target_bounds
from include.settings import Settings
from include.warehouse import connect

log = logging.getLogger(__name__)

# A row is found by what was known of it when it was predicted. Which of the rows that look alike was asked for, nobody
# can tell: they count together. Where the log has fewer predictions of a week than when it was measured, some were
# pruned, and the error of all of them stays.
_MEASURE = """
    WITH arrived AS (
        SELECT {columns}, {together} AS actual
        FROM raw.accepted
        WHERE month = ANY(%(months)s) AND {in_time} AND target BETWEEN %(low)s AND %(high)s
        GROUP BY {columns}
    ), counted AS (
        SELECT l.model_version::text AS version, date_trunc('week', l.{time})::date AS week, count(*) AS logged
        FROM prediction.log l WHERE {chosen}
        GROUP BY 1, 2
    ), compared AS (
        SELECT l.model_version::text AS version, date_trunc('week', l.{time})::date AS week, count(*) AS rows,
            {error} AS error
        FROM prediction.log l JOIN arrived a ON {same} WHERE {chosen}
        GROUP BY 1, 2
    ), gone AS (
        DELETE FROM monitoring.live_errors e USING counted
        WHERE e.model_version = counted.version AND e.week = counted.week AND counted.logged >= e.logged
            AND NOT EXISTS (SELECT FROM compared c WHERE c.version = e.model_version AND c.week = e.week)
    )
    INSERT INTO monitoring.live_errors AS e (model_version, week, rows, error, logged)
    SELECT version, week, rows, error, logged FROM compared JOIN counted USING (version, week)
    ON CONFLICT (model_version, week) DO UPDATE
    SET rows = excluded.rows, error = excluded.error, logged = excluded.logged, measured_at = now()
    WHERE excluded.logged >= e.logged OR e.logged IS NULL AND excluded.rows >= e.rows
    RETURNING rows
"""
_CHOSEN = "l.{time} >= %(start)s AND l.{time} < %(end)s AND {predicted} IS NOT NULL AND l.model_version {versions}"
_VERSIONS = """
    SELECT DISTINCT p.version, s.declaration
    FROM training.promotions p JOIN training.sets s ON s.version = p.set_version
    WHERE p.name = %s AND p.kind = 'judgement' ORDER BY p.version
"""
_CHANGED = """
    SELECT month, changed_at
    FROM (SELECT month, greatest(loaded_at, validated_at) AS changed_at FROM raw.sources) s
    WHERE NOT EXISTS (
        SELECT FROM monitoring.live_months m
        WHERE m.month = s.month AND m.changed_at = s.changed_at AND m.recipe = %s
    )
    ORDER BY month
"""
_NOTE = """
    INSERT INTO monitoring.live_months (month, changed_at, recipe, compared_until) VALUES (%s, %s, %s, %s)
    ON CONFLICT (month) DO UPDATE
    SET changed_at = excluded.changed_at, recipe = excluded.recipe, compared_until = excluded.compared_until
"""
# The months of the Mondays of weeks. A time that somebody asked for may be any: nothing comes after the last year.
_PERIODS = """
    SELECT DISTINCT date_trunc('month', date_trunc('week', {time}))::date FROM {table}
    WHERE {time} < '9999-01-01' AND {condition} ORDER BY 1
"""
# The service keeps predictions while the database is away: they can be in the log as much later than they were made.
_KEPT = timedelta(days=7)

# From a Monday, included, to another one, excluded.
Period = tuple[date, date]
EVER: Period = (date.min, date.max)


@dataclass(frozen=True)
class _Group:
    """Versions whose predictions are compared by the same columns: these alone, or all but these."""

    columns: tuple[Column, ...]
    versions: tuple[int, ...]
    are_others: bool = False


def measure_live_errors(url: str, settings: Settings) -> int:
    """Stores the error, in the unit of the objective's main measure, for each model version and week.

    The week is that of the row's time, or of the prediction where rows have none. Weeks are measured whose rows, or
    predictions, were not there when they were measured before, period by period: what was done before an error stays.

    Returns:
        The number of logged predictions that were compared with rows; 0 where nothing was ever predicted, or columns
        were declared since the last preparation, which makes them.
    """
    with connect(url) as connection:
        if not all(has_columns(connection, table, settings.problem.inputs) for table in (ROWS, LOG)):
            log.info("Nothing to compare: start data_preparation, which makes the columns that are declared.")
            return 0
        return _Comparison(connection, settings).run()


class _Comparison:
    """One look at all that is new.

    Args:
        connection: Committed after each month.
    """

    def __init__(self, connection: psycopg.Connection, settings: Settings) -> None:
        self._connection = connection
        self._settings = settings
        self._problem = settings.problem
        self._time = settings.problem.time or "at"
        self._groups = _group_versions(connection, settings)
        self._sources = [month for (month,) in connection.execute("SELECT month FROM raw.sources")]
        self._done: dict[Period, int] = {}

    def run(self) -> int:
        """Measures, and notes what was measured; gives the number of predictions that were compared."""
        recipe = self._hash_recipe()
        row = self._connection.execute("SELECT now(), min(compared_until) FROM monitoring.live_months").fetchone()
        assert row is not None  # an aggregate has one row
        begun, before = row
        for month, changed_at in self._connection.execute(_CHANGED, [recipe]).fetchall():
            for period in self._find_periods(month):
                self._measure(period)
            self._connection.execute(_NOTE, [month, changed_at, recipe, begun])
            self._connection.commit()
        for period in self._find_recent(before) if before else ():
            self._measure(period)
        self._connection.execute("UPDATE monitoring.live_months SET compared_until = %s", [begun])
        return sum(self._done.values())

    def _hash_recipe(self) -> str:
        """Hash of all but rows and predictions that decides what is measured."""
        objective = self._problem.objective
        recipe = [
            self._settings.registered_model, self._time, self._problem.labels, target_bounds(self._problem),
            objective.main.sql, objective.sql_actual, objective.logged, self._settings.month_tolerance_days,
            [([(c.name, c.of_kind.sql, c.required) for c in group.columns], group.versions) for group in self._groups],
        ]  # fmt: skip
        return hashlib.sha256(repr(recipe).encode()).hexdigest()

    def _find_periods(self, month: str) -> list[Period]:
        """Those in which rows of a source's month are, or may have been before it was loaded again."""
        if not self._problem.time or month == ALL:
            return [EVER]
        rows = self._list_periods(ROWS, self._time, sql.SQL("month = {}").format(sql.Literal(month)))
        start = _start(month)
        own = [_bound(start - timedelta(days=start.weekday())), _bound(start)]
        return sorted({*rows, *own})

    def _find_recent(self, before: datetime) -> list[Period]:
        """Those of predictions that may not have been in the log at that time."""
        return self._list_periods(LOG, self._time, sql.SQL("at > {}").format(sql.Literal(before - _KEPT)))

    def _list_periods(self, table: tuple[str, str], time: str, condition: sql.Composed) -> list[Period]:
        query = sql.SQL(_PERIODS).format(time=sql.Identifier(time), table=sql.Identifier(*table), condition=condition)
        return [_bound(first) for (first,) in self._connection.execute(query)]

    def _measure(self, period: Period) -> None:
        if period in self._done or EVER in self._done:
            return
        self._done[period] = 0
        bounds = sql.SQL(
            "SELECT min({time}), max({time}) FROM prediction.log WHERE {time} >= %s AND {time} < %s"
        ).format(time=sql.Identifier(self._time))
        row = self._connection.execute(bounds, period).fetchone()
        months = [month for month in self._sources if self._may_hold(month, period)]
        if row is None or row[0] is None or not months:
            return
        low, high = target_bounds(self._problem)
        values = {
            "start": period[0], "end": period[1], "first": row[0], "last": row[1], "months": months,
            "low": low, "high": high,
        }  # fmt: skip
        for group in self._groups:
            found = self._connection.execute(self._compose(group), {**values, "versions": list(group.versions)})
            self._done[period] += sum(rows for (rows,) in found)

    def _may_hold(self, month: str, period: Period) -> bool:
        """Whether accepted rows of a source's month may be of this period."""
        if not self._problem.time or month == ALL or period == EVER:
            return True
        start, tolerance = _start(month), timedelta(days=self._settings.month_tolerance_days)
        return start - tolerance < period[1] and _start_next(start) + tolerance > period[0]

    def _compose(self, group: _Group) -> sql.Composed:
        objective, time = self._problem.objective, sql.Identifier(self._time)
        predicted = sql.Identifier("l", objective.logged)
        versions = sql.SQL("<> ALL(%(versions)s)" if group.are_others else "= ANY(%(versions)s)")
        return sql.SQL(_MEASURE).format(
            columns=list_columns(group.columns),
            time=time,
            # Spares grouping rows that nobody asked for.
            in_time=sql.SQL("{} BETWEEN %(first)s AND %(last)s" if self._problem.time else "true").format(time),
            together=sql.SQL(objective.sql_actual),
            chosen=sql.SQL(_CHOSEN).format(time=time, predicted=predicted, versions=versions),
            error=sql.SQL(objective.main.sql).format(actual=sql.Identifier("a", "actual"), predicted=predicted),
            same=sql.SQL(" AND ").join(_compare(column) for column in group.columns),
        )


def _group_versions(connection: psycopg.Connection, settings: Settings) -> list[_Group]:
    """The versions by the declared inputs that they have learnt too: they say nothing of a column that came later.

    Those that learnt other classes are in no group: a number in the warehouse is another class for them.
    """
    problem = settings.problem
    groups: dict[tuple[Column, ...], list[int]] = {}
    for version, made in connection.execute(_VERSIONS, [settings.registered_model]).fetchall():
        learnt = Problem.from_dict(made)
        types = {column.name: column.of_kind.sql for column in learnt.inputs}
        common = tuple(column for column in problem.inputs if types.get(column.name) == column.of_kind.sql)
        groups.setdefault(common if learnt.labels == problem.labels else (), []).append(version)
    groups.pop(problem.inputs, None)
    others = tuple(version for versions in groups.values() for version in versions)
    groups.pop((), None)
    known = [_Group(columns, tuple(versions)) for columns, versions in groups.items()]
    return [_Group(problem.inputs, others, are_others=True), *known]


def _bound(first: date) -> Period:
    """The weeks whose Monday is in the month of that day."""
    return _find_monday(first.replace(day=1)), _find_monday(_start_next(first))


def _start(month: str) -> date:
    return date.fromisoformat(f"{month}-01")


def _start_next(day: date) -> date:
    """First day of the month after that of the day."""
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def _find_monday(day: date) -> date:
    """The first one from that day on."""
    return day + timedelta(days=-day.weekday() % 7)


def _compare(column: Column) -> sql.Composed:
    """Missing values are alike, which plain equality, which can be looked up, does not say."""
    operator = "=" if column.required else "IS NOT DISTINCT FROM"
    return sql.SQL("l.{0} " + operator + " a.{0}").format(sql.Identifier(column.name))
