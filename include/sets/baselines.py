"""Baselines: predictions that need no model, which a first model has to beat to be promoted.

The constants of the problem's objective, always. In a series also earlier targets: the last one that is known
when a row is predicted, and those of a season or more ago.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import sql

from include.problem.declaration import Problem
from include.problem.objectives.objective import Objective
from include.sets.examples import table_of
from include.warehouse import connect

HELD_OUT = ("validation", "test")
_DAY = timedelta(days=1)
_WEEK = timedelta(weeks=1)
# Days between two rows, at least and at most, and the rows of a season: a week of days; a year of weeks, of months
# and of quarters.
_SEASONS = ((1, 1, 7), (7, 7, 52), (28, 31, 12), (90, 92, 4))
_STEP = """
    SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY step) FROM (
        SELECT {time} - lag({time}) OVER ({series} ORDER BY {time}) AS step FROM {table}
    ) AS steps WHERE step > interval '0'
"""
_MEASURE = """
    SELECT split, {errors} FROM (SELECT e.split, e.target{predictions} FROM {table} e) AS predicted
    WHERE split = ANY(%s) GROUP BY split
"""


@dataclass(frozen=True)
class Baseline:
    """One prediction that needs no model, and how far it is off.

    Attributes:
        name: As it reads after "the".
        value: What it always predicts, of classes the probability of each; of an earlier target what stands in where
            there is none.
        lag: So many rows earlier in the series is the target that it predicts; None: it always predicts `value`.
        errors: By held-out split that has rows, and there by the key of the measure, see `Objective.of_baselines`.
    """

    name: str
    value: float | list[float]
    lag: int | None
    errors: Mapping[str, Mapping[str, float]]


def list_baselines(url: str, version: int) -> list[Baseline]:
    """The baselines of a training set, also of one whose examples were pruned."""
    with connect(url) as connection:
        row = connection.execute("SELECT baselines FROM training.sets WHERE version = %s", [version]).fetchone()
    return [Baseline(**entry) for entry in row[0]] if row else []


def find_best(objective: Objective, baselines: Sequence[Baseline], split: str) -> Baseline | None:
    """The baseline with the lowest error on a split; None where nothing was measured."""
    measured = [each for each in baselines if split in each.errors]
    return min(measured, key=lambda each: each.errors[split][objective.key], default=None)


def measure_baselines(
    connection: psycopg.Connection, problem: Problem, version: int, target: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Makes the baselines of a built set and measures them on its held-out splits.

    Args:
        target: Figures of the training split's target, see `profile_split`.

    Returns:
        A `Baseline` each, as JSON values.
    """
    measures = problem.objective.of_baselines
    made = [Baseline(name, value, None, {}) for name, value in problem.objective.constants(target).items()]
    made += [Baseline(_name(lag), made[0].value, lag, {}) for lag in _find_lags(connection, problem, version)]
    aggregates = [
        sql.SQL(measure.sql).format(actual=sql.Identifier("target"), predicted=sql.Identifier(_column(at)))
        for measure in measures
        for at in range(len(made))
    ]
    query = sql.SQL(_MEASURE).format(
        errors=sql.SQL(", ").join(aggregates), predictions=select_predictions(problem, made), table=table_of(version)
    )
    rows = connection.execute(query, [list(HELD_OUT)]).fetchall()
    keys, found = [measure.key for measure in measures], []
    for at, each in enumerate(made):
        errors = {split: dict(zip(keys, values[at :: len(made)], strict=True)) for split, *values in rows}
        found.append(asdict(replace(each, errors=errors)))
    return found


def select_predictions(problem: Problem, baselines: Sequence[Baseline]) -> sql.Composed:
    """What the baselines predict of each row of a set's examples, `e`: further columns of a statement.

    The statement must not leave out rows before it has these columns, as earlier rows are those of the whole set.
    """
    return sql.SQL("").join(
        sql.SQL(", {} AS {}").format(_predict(problem, each), sql.Identifier(_column(at)))
        for at, each in enumerate(baselines)
    )


def name_columns(baselines: Sequence[Baseline]) -> dict[str, str]:
    """Name of a baseline -> its column in `select_predictions`."""
    return {each.name: _column(at) for at, each in enumerate(baselines)}


def _predict(problem: Problem, baseline: Baseline) -> sql.Composable:
    kind = "float8[]" if isinstance(baseline.value, list) else "float8"
    value = sql.SQL("{}::" + kind).format(sql.Literal(baseline.value))
    if baseline.lag is None:
        return value
    return sql.SQL(
        "coalesce(lag(e.target, {lag}) OVER ({series} ORDER BY e.{time}, e.month, e.row_number), {value})"
    ).format(
        lag=sql.Literal(baseline.lag),
        series=_partition(problem),
        time=sql.Identifier(str(problem.time)),
        value=value,
    )


def _find_lags(connection: psycopg.Connection, problem: Problem, version: int) -> list[int]:
    """How many rows earlier the baselines of a series are: the last one known, then each season's."""
    if problem.horizon is None:
        return []
    query = sql.SQL(_STEP).format(
        time=sql.Identifier(str(problem.time)), series=_partition(problem), table=table_of(version)
    )
    row = connection.execute(query).fetchone()
    step = row[0] if row else None
    seasons = [] if step is None else [reach(period, problem.horizon) for period in find_periods(step)]
    return list(dict.fromkeys([problem.horizon, *seasons]))


def find_periods(step: timedelta) -> list[int]:
    """The rows of each season that a series may have, by the time from one row to the next."""
    if step < _DAY:
        return [whole // step for whole in (_DAY, _WEEK) if not whole % step]
    return [period for least, most, period in _SEASONS if least * _DAY <= step <= most * _DAY]


def reach(period: int, horizon: int) -> int:
    """The fewest whole seasons, in rows, that lead back to a target that is known then."""
    return period * math.ceil(horizon / period)


def _partition(problem: Problem) -> sql.Composable:
    return sql.SQL("PARTITION BY {}").format(sql.Identifier(problem.series)) if problem.series else sql.SQL("")


def _name(lag: int) -> str:
    return f"value of {lag:,} row{'s' * (lag != 1)} earlier"


def _column(at: int) -> str:
    return f"baseline_{at}"
