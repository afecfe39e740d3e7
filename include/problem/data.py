"""Rows as every room hands them on: columns held as NumPy arrays of one length, and what is to be predicted of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Columns = Mapping[str, npt.NDArray[Any]]
# Targets and predictions, (n,), in the target's unit.
Values = npt.NDArray[np.float64]


def count_rows(columns: Columns) -> int:
    """How many rows the columns have; 0 where there is no column."""
    return len(next(iter(columns.values()), ()))


@dataclass(frozen=True)
class Split:
    """One split of a training set: n rows by column, and n targets."""

    rows: Columns
    target: Values

    def __len__(self) -> int:
        return len(self.target)
