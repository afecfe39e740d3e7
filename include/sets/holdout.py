"""The newest held-out rows: what two models are compared on."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import adbc_driver_manager
from psycopg import sql

from include.configuration.values import ALL
from include.errors import NoTrainingSet, StaleInput
from include.problem.checks import PLACE
from include.problem.data import Columns, Values
from include.problem.declaration import Problem
from include.sets import baselines
from include.sets.examples import TARGET, list_columns, read_problem_of, read_rows, split_of_columns, table_of
from include.sets.plan import declare_contents
from include.sets.split import learnt_from
from include.warehouse import connect

# What a model has learnt from is known of pruned sets too: their rows in training.sets stay. A source that is not
# divided into months may hold any of them.
_ROWS = """
    SELECT {columns}, e.target, e.{place}{baselines}
    FROM (SELECT e.*{predictions} FROM {table} e) e
    WHERE e.split = {split} AND NOT EXISTS (
        SELECT FROM training.sets s
        WHERE (e.month = ANY(s.months) OR e.month = {all} OR {all} = ANY(s.months))
          AND (s.version = ANY({versions}) AND {learnt_from} OR s.version = ANY({whole}))
    )
    ORDER BY e.month, e.row_number
"""
# A set's source is where its newest month was loaded from, if that is loaded as the set holds it.
_PUBLISHED = """
    SELECT s.version, m.newest, s.counts,
        CASE WHEN m.newest <> 'all' THEN replace(r.location, r.month, '') END, s.settings, s.declaration
    FROM training.published s
    CROSS JOIN LATERAL (SELECT s.months[cardinality(s.months)] AS newest) m
    LEFT JOIN raw.sources r ON r.month = m.newest AND r.sha256 = s.sources ->> r.month
    ORDER BY s.published_at DESC, s.version DESC
"""


@dataclass(frozen=True)
class HeldOut:
    """Rows of the test split, else of the validation split, of one training set.

    Attributes:
        problem: As it was declared when the set was made.
        actual: Target of each row, (n,).
        baselines: What each baseline predicts of them, (n,) or (n, k), by its name.
        places: What decided to which split each belongs, (n,), equal within a group; NaN where time decided.
    """

    problem: Problem
    set_version: int
    split: str
    rows: Columns
    actual: Values
    baselines: Mapping[str, Values]
    places: Values


def load_held_out(url: str, versions: Collection[int], whole: Collection[int] = ()) -> HeldOut:
    """The held-out rows of the published set with the newest month.

    Of several, those of the set that was published last. Sets that were declared in another way than that one, or made
    from another source, do not count.

    Args:
        versions: Versions of the training sets behind the models; rows that these trained on are left out.
        whole: Versions of training sets of which no row counts: a model has learnt from all of them.

    Raises:
        NoTrainingSet: None is published.
        StaleInput: The set was pruned or followed by a newer one while it was read.
    """
    version, split, settings = _find_newest(url)
    problem = read_problem_of(url, version)
    measured = baselines.list_baselines(url, version)
    names = baselines.name_columns(measured)
    query = sql.SQL(_ROWS).format(
        columns=list_columns(problem.inputs),
        place=sql.Identifier(PLACE),
        predictions=baselines.select_predictions(problem, measured),
        baselines=sql.SQL("").join(sql.SQL(", e.{}").format(sql.Identifier(column)) for column in names.values()),
        table=table_of(version),
        all=sql.Literal(ALL),
        split=sql.Literal(split),
        versions=sql.Literal(list(versions)) + sql.SQL("::bigint[]"),
        whole=sql.Literal(list(whole)) + sql.SQL("::bigint[]"),
        learnt_from=learnt_from(problem, settings),
    )
    try:
        columns = read_rows(url, problem, query, [*problem.dtypes, TARGET, PLACE, *names.values()])
    except adbc_driver_manager.ProgrammingError:
        # It is asked below whether the version is gone.
        columns = None
    if columns is None or _find_newest(url)[0] != version:
        raise StaleInput(f"Training set {version} was superseded while its {split} split was read.")
    found = split_of_columns(problem, columns)
    predicted = {name: columns[column] for name, column in names.items()}
    return HeldOut(problem, version, split, found.rows, found.target, predicted, columns[PLACE])


def _find_newest(url: str) -> tuple[int, str, dict[str, Any]]:
    with connect(url) as connection:
        rows = connection.execute(_PUBLISHED).fetchall()
    if not rows:
        raise NoTrainingSet("No training set is published, so there is nothing to compare models on.")
    kinds = [(source, settings, declare_contents(declared)) for *_, source, settings, declared in rows]
    alike = [row for row, kind in zip(rows, kinds, strict=True) if kind[0] is not None and kind == kinds[0]]
    # Of equal ones, max takes the first, which was published last.
    version, _, counts, _, settings, _ = max(alike or rows[:1], key=lambda row: row[1])
    return version, "test" if counts.get("test") else "validation", settings
