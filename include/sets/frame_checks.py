"""What the examples of one split must be: checked as a frame before a training set is published."""

from collections import Counter
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from include.problem.data import Pieces
from include.problem.declaration import Problem
from include.problem.kinds import MISSING_CODE
from include.problem.parts import Column
from include.raw.rules import make_within
from include.sets.examples import target_bounds

if TYPE_CHECKING:
    import pandera.pandas as pa


def find_example_problems(
    problem: Problem, name: str, rows: Pieces, starts_on: date | None, ends_before: date | None
) -> list[str]:
    """Says what is wrong with a split, a sentence for each failed check with how many rows fail it.

    Args:
        name: The split's.
        starts_on: First day that belongs to the split, None where it is open.
        ends_before: First day that belongs to the next split: a row from then on would leak.
    """
    import pandas as pd
    import pandera.pandas as pa

    in_time = [
        *([pa.Check.ge(pd.Timestamp(starts_on), error="leak from the split before")] if starts_on else []),
        *([pa.Check.lt(pd.Timestamp(ends_before), error="leak from the split after")] if ends_before else []),
    ]
    low, high = target_bounds(problem)
    target = pa.Check.in_range(low, high, error="outside TARGET_MIN..TARGET_MAX")
    columns = {
        column.name: pa.Column(
            column.of_kind.dtype,
            [*(in_time if column.name == problem.time else []), *_check_bounds(column), *_check_missing(column)],
            nullable=True,
        )
        for column in problem.inputs
    }
    schema = pa.DataFrameSchema({**columns, "target": pa.Column("float64", target)}, strict=True)
    failed: Counter[tuple[str, str]] = Counter()
    for piece in rows.pieces():
        # With their own types: pandas would take texts for texts that are never None.
        series = {column: pd.Series(values, dtype=values.dtype) for column, values in piece.rows.items()}
        try:
            schema.validate(pd.DataFrame({**series, "target": piece.target}), lazy=True)
        except pa.errors.SchemaErrors as error:
            failed.update(error.failure_cases.groupby(["column", "check"]).size().to_dict())
    return [f"{name}: {column} {check}: {count} rows" for (column, check), count in sorted(failed.items())]


def find_unlearnable(problem: Problem, train: Pieces) -> list[str]:
    """What the training split has no row of that counts, a sentence each with what to do: any, or a declared class."""
    if not len(train) or not (problem.weight or problem.labels):
        return []
    counting = np.ones(len(train), dtype=bool) if train.weights is None else train.weights > 0
    if not counting.any():
        return [f"train: the weight, {problem.weight}, is 0 in every row: name another one (WEIGHT)"]
    found, which = np.unique(train.target[counting]), "" if counting.all() else " that counts"
    return [
        f"train: no row of class '{label}'{which}, so that no model can learn it: load more rows, split them in another"
        " way (SPLIT), or name the classes without it (CLASSES)"
        for number, label in enumerate(problem.labels)
        if number not in found
    ]


def _check_bounds(column: Column) -> "list[pa.Check]":
    import pandera.pandas as pa

    if column.minimum is None and column.maximum is None:
        return []
    key = column.name.upper()
    broken = f"below {column.minimum:.10g}" if column.maximum is None else f"outside {key}_MIN..{key}_MAX"
    within = make_within(column)
    if column.kind == "code":
        return [pa.Check(lambda values: within(values) | (values == MISSING_CODE), error=broken)]
    return [pa.Check(within, error=broken, ignore_na=True)]


def _check_missing(column: Column) -> "list[pa.Check]":
    import pandera.pandas as pa

    if not column.required:
        return []
    return [pa.Check(lambda values: values.notna() & (values != MISSING_CODE), error="missing", ignore_na=False)]
