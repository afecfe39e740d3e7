"""The newest held-out rows: what two models are compared on."""

from collections.abc import Collection
from dataclasses import dataclass

import adbc_driver_manager
from psycopg import sql

from include.errors import NoTrainingSet, StaleInput
from include.problem.data import Columns, Values
from include.problem.declaration import Problem
from include.sets.examples import list_columns, read_problem_of, split_of_frame, table_of
from include.warehouse import connect, connect_bulk

# What a model has learnt from is known of pruned sets too: their rows in training.sets stay.
_ROWS = """
    SELECT {columns}, e.target
    FROM {table} e
    WHERE e.split = {split} AND NOT EXISTS (
        SELECT FROM training.sets s
        WHERE s.version = ANY({learnt_from}) AND e.month = ANY(s.months) AND e.{time} < s.validation_from
    )
    ORDER BY e.month, e.row_number
"""


@dataclass(frozen=True)
class HeldOut:
    """Rows of the test split, else of the validation split, of one training set.

    Attributes:
        problem: As it was declared when the set was made.
        actual: Target of each row, (n,).
    """

    problem: Problem
    set_version: int
    split: str
    rows: Columns
    actual: Values


def load_held_out(url: str, learnt_from: Collection[int]) -> HeldOut:
    """The held-out rows of the set that was published last.

    Args:
        learnt_from: Versions of the training sets behind the models; rows that these trained on are left out.

    Raises:
        NoTrainingSet: None is published.
        StaleInput: The set was pruned while it was read.
    """
    version, split = _find_newest(url)
    problem = read_problem_of(url, version)
    query = sql.SQL(_ROWS).format(
        columns=list_columns(problem.inputs),
        table=table_of(version),
        split=sql.Literal(split),
        learnt_from=sql.Literal(list(learnt_from)) + sql.SQL("::bigint[]"),
        time=sql.Identifier(problem.time),
    )
    with connect_bulk(url) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(query.as_string())
        except adbc_driver_manager.ProgrammingError:
            # It is asked below whether the version is gone.
            found = None
        else:
            found = split_of_frame(problem, cursor.fetch_arrow_table().to_pandas())
    if found is None or _find_newest(url)[0] != version:
        raise StaleInput(f"Training set {version} was superseded while its {split} split was read.")
    return HeldOut(problem, version, split, found.rows, found.target)


def _find_newest(url: str) -> tuple[int, str]:
    with connect(url) as connection:
        row = connection.execute("SELECT version, test_from IS NOT NULL FROM training.newest").fetchone()
    if row is None:
        raise NoTrainingSet("No training set is published, so there is nothing to compare models on.")
    version, has_test_split = row
    return version, "test" if has_test_split else "validation"
