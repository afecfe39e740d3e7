"""What becomes of a model's error where a column that is measured later is only estimated when one predicts."""

from collections.abc import Callable

from include.problem.data import Columns
from include.problem.declaration import Problem
from include.problem.objectives.objective import Objective

Estimate = Callable[[Columns], Columns]


def name_estimated(objective: Objective, split: str) -> str:
    """The key under which the error with estimates on a split is stored."""
    return f"{split}_{objective.key}_estimated"


def learn_estimates(problem: Problem, rows: Columns) -> Estimate | None:
    """Learns what is usual in each column with `estimated_by`: the median of the rows that are equal in those columns.

    Returns:
        What puts these medians in place of the values of other rows, and the median of all where no row was equal; None
        where the problem declares no such column.
    """
    import pandas as pd

    columns = [column for column in problem.inputs if column.estimated_by]
    if not columns:
        return None
    usual: dict[str, tuple[pd.Series, float]] = {}
    for column in columns:
        frame = pd.DataFrame({name: rows[name] for name in (*column.estimated_by, column.name)})
        medians = frame.groupby(list(column.estimated_by), dropna=False)[column.name].median()
        usual[column.name] = medians, float(frame[column.name].median())

    def estimate(others: Columns) -> Columns:
        estimated = dict(others)
        for column in columns:
            medians, overall = usual[column.name]
            keys = pd.DataFrame({name: others[name] for name in column.estimated_by})
            # A merge, unlike a look-up by index, finds missing values among the keys.
            found = keys.merge(medians.reset_index(), how="left")[column.name]
            estimated[column.name] = found.fillna(overall).to_numpy()
        return estimated

    return estimate
