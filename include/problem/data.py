"""Rows as every room hands them on: columns held as NumPy arrays of one length, and what is to be predicted of them.

Each column has the type of its kind, see `Problem.dtypes`. A missing value is NaN in numbers and flags, None in texts,
NaT in times and `MISSING_CODE` in codes.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from include.problem.kinds import MISSING_CODE
from include.problem.numerals import spell

if TYPE_CHECKING:
    import pandas as pd

    from include.problem.declaration import Problem

Columns = Mapping[str, npt.NDArray[Any]]
# Targets and predictions, (n,), in the target's unit; of a classification, targets are the numbers of classes.
Values = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]
# What is computed for as many rows before that of the next ones.
ROWS_AT_ONCE = 100_000
# Types of pandas that hold nothing but texts.
_TEXTS = ("str", "string")


def count_rows(columns: Columns) -> int:
    """How many rows the columns have; 0 where there is no column."""
    return len(next(iter(columns.values()), ()))


def columns_of_frame(
    problem: "Problem", frame: "pd.DataFrame", names: Collection[str] | None = None
) -> dict[str, npt.NDArray[Any]]:
    """The problem's inputs as columns of their types; a frame may hold others.

    Args:
        names: The inputs that are wanted; None: all.

    Raises:
        KeyError: A column is missing.
    """
    return {
        name: _column_of(frame[name], dtype, problem.timezone)
        for name, dtype in problem.dtypes.items()
        if names is None or name in names
    }


def _column_of(series: "pd.Series[Any]", dtype: str, timezone: str) -> npt.NDArray[Any]:
    if dtype == "object":
        texts = _with_none(series)
        if series.dtype.name not in _TEXTS:  # numbers where texts are expected; missing values make floats of codes
            texts = make_column([None if text is None else spell(text) for text in texts], dtype)
        return texts
    if dtype.startswith("datetime64"):
        if getattr(series.dtype, "tz", None) is not None:
            series = series.dt.tz_convert(timezone).dt.tz_localize(None)
        times = series.to_numpy() if series.dtype.kind == "M" else _with_none(series)
        return times.astype(dtype)
    return series.to_numpy(dtype=dtype, na_value=MISSING_CODE if dtype == "int64" else np.nan)


def _with_none(series: "pd.Series[Any]") -> npt.NDArray[Any]:
    return series.astype(object).where(series.notna(), None).to_numpy()


def columns_of_records(problem: "Problem", records: Sequence[Mapping[str, Any]]) -> dict[str, npt.NDArray[Any]]:
    """The problem's inputs as columns, of records by column; None is a missing value, and so is a key that is missing.

    The values have the types that the parsers of the kinds return.
    """
    return {
        name: make_column([record.get(name) for record in records], dtype) for name, dtype in problem.dtypes.items()
    }


def make_column(values: Sequence[Any], dtype: str) -> npt.NDArray[Any]:
    """A column of a type of `Problem.dtypes`; None is a missing value."""
    if dtype == "int64":
        values = [MISSING_CODE if value is None else value for value in values]
    return np.array(values, dtype=dtype)


def name_classes(labels: Sequence[str], target: Values) -> npt.NDArray[Any]:
    """The class of each target by its number, (n,), as text; None where there is none."""
    names = np.array([*labels, None], dtype=object)
    is_one = (target >= 0) & (target < len(labels))
    return names[np.where(is_one, target, -1).astype(np.intp)]


def make_any_rows(problem: "Problem", count: int) -> dict[str, npt.NDArray[Any]]:
    """Rows of the problem's types, whatever they say: enough to see whether a model predicts."""
    return {
        name: np.full(count, "1", dtype) if dtype == "object" else np.ones(count, "int64").astype(dtype)
        for name, dtype in problem.dtypes.items()
    }


class Pieces(Protocol):
    """n rows with their targets, in memory or not, that are read piece by piece, as often as is needed."""

    @property
    def target(self) -> Values:
        """The targets, (n,)."""

    @property
    def weights(self) -> Values | None:
        """How much each row counts when a model is fitted, (n,); None where all count alike."""

    def __len__(self) -> int: ...

    def pieces(self) -> "Iterator[Split]":
        """The rows in their order; of no rows one piece without any."""

    def columns(self, names: Collection[str]) -> Columns:
        """Some columns of all rows."""

    def take(self, positions: Positions) -> "Split":
        """The rows at these ascending positions."""


def find_pieces(count: int, size: int) -> Iterator[slice]:
    """Where each piece of so many rows is; the last one holds what is left."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def cut(rows: Columns) -> Iterator[tuple[slice, Columns]]:
    """The rows in pieces, so that what is computed of them is never held of all at once; where each piece is."""
    count = count_rows(rows)
    if count <= ROWS_AT_ONCE:
        yield slice(0, count), rows
        return
    for piece in find_pieces(count, ROWS_AT_ONCE):
        yield piece, {name: values[piece] for name, values in rows.items()}


@dataclass(frozen=True)
class Split:
    """One split of a training set: n rows by column, and n targets.

    Attributes:
        weights: How much each row counts when a model is fitted, (n,); None where all count alike.
    """

    rows: Columns
    target: Values
    weights: Values | None = None

    def __len__(self) -> int:
        return len(self.target)

    def __add__(self, other: "Split") -> "Split":
        """The rows of both, this one's first."""
        rows = {name: np.concatenate([values, other.rows[name]]) for name, values in self.rows.items()}
        weights = None
        if self.weights is not None and other.weights is not None:
            weights = np.concatenate([self.weights, other.weights])
        return Split(rows, np.concatenate([self.target, other.target]), weights)

    def pieces(self) -> "Iterator[Split]":
        """The rows in pieces; see `Pieces`."""
        for start in range(0, len(self) or 1, ROWS_AT_ONCE):
            piece = slice(start, start + ROWS_AT_ONCE)
            weights = None if self.weights is None else self.weights[piece]
            yield Split({name: values[piece] for name, values in self.rows.items()}, self.target[piece], weights)

    def columns(self, names: Collection[str]) -> Columns:
        """Some of the columns."""
        return {name: self.rows[name] for name in names}

    def take(self, positions: Positions) -> "Split":
        """The rows at these positions."""
        weights = None if self.weights is None else self.weights[positions]
        return Split({name: values[positions] for name, values in self.rows.items()}, self.target[positions], weights)
