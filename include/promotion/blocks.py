"""Which rows hang together, so that they are not as many findings as they are rows."""

import numpy as np

from include.problem.data import Columns, Values
from include.problem.declaration import Problem
from include.promotion.significance import Blocks

# Fewer blocks of time than this say nothing about how blocks differ: shorter ones are taken.
MINIMUM_BLOCKS = 5
_PERIODS = ("datetime64[D]", "datetime64[h]")


def list_blocks(problem: Problem, rows: Columns, places: Values) -> list[Blocks]:
    """The number of each row's block, (n,), for each way in which rows hang together; none where they do not.

    Blocks are days (hours, where there are few days), groups and series.

    Args:
        places: See `HeldOut`; rows of one group have one place.
    """
    found = []
    if problem.time and problem.time in rows:
        found += _by_period(rows[problem.time])
    found += [_number(rows[name]) for name in {problem.group, problem.series} if name and name in rows]
    if problem.split_by == "group" and problem.group not in rows:
        found.append(_number(places))
    return found


def _by_period(times: np.ndarray) -> list[Blocks]:
    for period in _PERIODS:
        blocks = _number(times.astype(period).astype(np.int64))
        if blocks.max(initial=-1) + 1 >= MINIMUM_BLOCKS:
            return [blocks]
    return []


def _number(values: np.ndarray) -> Blocks:
    import pandas as pd

    # A missing value is a block, too.
    return pd.factorize(values, use_na_sentinel=False)[0]
