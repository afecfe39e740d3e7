"""Which rows train, which validate, and which test: by time, by group, or by a hash of what a row says.

A row that is split by a hash has a place between 0 and 1. The first places train, the ones behind them validate, and
the last ones test: with the same declaration and seed, a row stays where it is when rows are added.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from include.errors import DataQualityError
from include.problem.checks import PLACE
from include.problem.declaration import Problem
from include.settings import Settings

SPLITS = ("train", "validation", "test")
Days = tuple[str | None, str | None]
# With a single month, the days from these on validate and test.
_SINGLE_MONTH_SPLIT_DAYS = (21, 26)
_BY_TIME = """
    CASE WHEN r.{time} < %(validation_from)s THEN 'train'
         WHEN %(test_from)s::timestamp IS NULL OR r.{time} < %(test_from)s THEN 'validation'
         ELSE 'test' END
"""
_BY_PLACE = """
    CASE WHEN {place} < %(train_share)s THEN 'train'
         WHEN {place} < %(train_share)s + %(validation_share)s THEN 'validation'
         ELSE 'test' END
"""
# The first 32 bits of the hash, as a share of all that they can be. Separators keep neighbouring values apart.
_PLACE = "('x' || left(md5(concat_ws(E'\\x1f', %(seed)s::text, {key})), 8))::bit(32)::bigint / 4294967296.0"


def list_key(problem: Problem) -> tuple[str, ...]:
    """The columns that say where a row belongs: its group, else its ids, else all that it says."""
    return (problem.group,) if problem.split_by == "group" and problem.group else _list_own_key(problem)


def _list_own_key(problem: Problem) -> tuple[str, ...]:
    ids = tuple(column.name for column in problem.stored if column.kind == "id")
    return ids or (*(column.name for column in problem.stored), "target")


def identify_split(settings: Settings, days: Days) -> list[Any]:
    """What decides where a row belongs, as plain JSON values.

    Args:
        days: The first ones that validate and test, where they are declared.
    """
    problem = settings.problem
    if problem.split_by != "time":
        return [problem.split_by, describe_places(settings)]
    return [problem.validation_share, problem.test_share] if days[0] is None else list(days)


def describe_places(settings: Settings) -> dict[str, Any]:
    """How rows get their places, and below which a model learns; kept with a set, to know what a model has seen."""
    problem = settings.problem
    return {
        "key": [*list_key(problem), str(settings.random_state)],
        "shares": [problem.validation_share, problem.test_share],
        "learnt": 1 - problem.test_share if problem.test_share else _train_share(problem),
    }


def render_split(problem: Problem) -> tuple[sql.Composable, sql.Composable]:
    """The expressions of a raw row's split and of its place; the latter is null where rows are split by time."""
    if problem.split_by == "time":
        assert problem.time is not None
        return sql.SQL(_BY_TIME).format(time=sql.Identifier(problem.time)), sql.SQL("NULL")
    place = sql.SQL(_PLACE).format(key=_render_key(problem))
    return sql.SQL(_BY_PLACE).format(place=place), place


def _render_key(problem: Problem) -> sql.Composable:
    own = sql.SQL(", ").join(
        sql.SQL("coalesce(r.{}::text, '')").format(sql.Identifier(name)) for name in _list_own_key(problem)
    )
    if problem.split_by == "group" and problem.group:
        # A row without a group belongs to no other one.
        return sql.SQL("coalesce(r.{}::text, concat_ws(E'\\x1f', {}))").format(sql.Identifier(problem.group), own)
    return own


def choose_bounds(
    connection: psycopg.Connection, settings: Settings, days: Days, accepted: sql.Composable, values: Mapping[str, Any]
) -> dict[str, Any]:
    """The values that `render_split`'s expressions ask for.

    Args:
        days: The first ones that validate and test, where they are declared.
        accepted: The condition of the raw rows that become examples, with `values`.

    Raises:
        DataQualityError: The rows are of too few days to be split by time.
    """
    problem = settings.problem
    if problem.split_by == "time" and days[0] is None:
        assert problem.time is not None
        query = sql.SQL("SELECT r.{}::date, count(*) FROM raw.accepted r WHERE {} GROUP BY 1").format(
            sql.Identifier(problem.time), accepted
        )
        days = choose_days(dict(connection.execute(query, values).fetchall()), problem)
    shares = {"train_share": _train_share(problem), "validation_share": problem.validation_share}
    return {"validation_from": days[0], "test_from": days[1], **shares, "seed": settings.random_state}


def choose_days_of_months(months: Sequence[str]) -> tuple[str, str]:
    """The first days that validate and test, where none is declared: of months, ascending, as YYYY-MM."""
    if len(months) == 1:
        validation, test = (f"{months[0]}-{day}" for day in _SINGLE_MONTH_SPLIT_DAYS)
    elif len(months) == 2:
        validation = f"{months[1]}-01"
        first = date.fromisoformat(validation)
        days = date.fromisoformat(find_month_end(months[1])) - first
        test = (first + days // 2).isoformat()
    else:
        validation, test = f"{months[-2]}-01", f"{months[-1]}-01"
    return validation, test


def find_month_end(month: str) -> str:
    """The day after a month, YYYY-MM, ends."""
    return (date.fromisoformat(f"{month}-01") + timedelta(days=32)).replace(day=1).isoformat()


def choose_days(rows: Mapping[date, int], problem: Problem) -> Days:
    """The first days that validate and test, so that their rows are as near to the shares as whole days allow.

    Args:
        rows: Day -> number of rows.

    Raises:
        DataQualityError: There are not enough days for each split to have one.
    """
    days = sorted(rows)
    splits = 3 if problem.test_share else 2
    if len(days) < splits:
        raise DataQualityError(
            f"The rows are of {len(days)} days, too few to split them by {problem.time} into {splits} parts. Set"
            " SPLIT=hash, or load more days"
        )
    total = sum(rows.values())
    wanted = (_train_share(problem), _train_share(problem) + problem.validation_share)
    starts: list[str] = []
    before = 0
    for position, day in enumerate(days):
        left = splits - 1 - len(starts)
        # Each split that is left needs a day.
        is_last = position == len(days) - left
        if left and position and (before >= wanted[len(starts)] * total or is_last):
            starts.append(str(day))
        before += rows[day]
    return starts[0], starts[1] if splits > 2 else None


def _train_share(problem: Problem) -> float:
    # Without the noise of the last binary digits, which would otherwise be stored and hashed.
    return round(1 - problem.validation_share - problem.test_share, 12)


def learnt_from(problem: Problem, settings: Mapping[str, Any]) -> sql.Composable:
    """Whether a model of set `s` has learnt from example `e`; a set that was split otherwise may hold any row.

    Where a test split judges a model, it has learnt from the validation split, too.

    Args:
        settings: Those that the examples' set is stored with.
    """
    if problem.split_by == "time":
        assert problem.time is not None
        return sql.SQL("coalesce(e.{} < coalesce(s.test_from, s.validation_from), true)").format(
            sql.Identifier(problem.time)
        )
    key = sql.Literal(Jsonb(settings["places"]["key"]))
    return sql.SQL(
        "((s.settings #> '{{places,key}}') IS DISTINCT FROM {} OR e.{} < (s.settings #>> '{{places,learnt}}')::float)"
    ).format(key, sql.Identifier(PLACE))


def describe_split(validation_from: str | None, problem: Problem) -> str:
    """Which rows of a set train, for people."""
    rows = problem.row[1]
    if validation_from:
        return f"{rows} before {validation_from} train"
    share = f"{_train_share(problem):.0%} of the {rows} train, chosen by a hash of"
    return f"{share} {problem.group}" if problem.split_by == "group" else f"{share} what they say"
