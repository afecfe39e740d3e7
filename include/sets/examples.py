"""Reads training sets: which are published, their examples by split, and what their features look up."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import sql

from include.errors import NoTrainingSet
from include.problem.checks import ROW_WEIGHT
from include.problem.data import Columns, Positions, Split, Values, columns_of_frame
from include.problem.declaration import Problem
from include.problem.mapped import Growing
from include.problem.parts import Column
from include.problem.references import thaw_references
from include.sets.parquet import LEAST_HASH, find_kept, read_parts
from include.warehouse import connect, read_batches

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

TARGET = "target"
_EVERY = sql.SQL("true")
_COLUMNS = "version, fingerprint, months, validation_from::text, test_from::text, counts, published_at"


@dataclass(frozen=True)
class TargetShape:
    """What decides which model types can learn a target, and which of them well.

    Attributes:
        lowest: Of all splits.
        skewness: Of the training split.
    """

    lowest: float
    skewness: float


@dataclass(frozen=True)
class TrainingSet:
    """A published version: what it holds, not the examples themselves."""

    version: int
    fingerprint: str
    months: tuple[str, ...]
    validation_from: str | None
    test_from: str | None
    counts: dict[str, int]
    published_at: datetime

    @property
    def has_test_split(self) -> bool:
        """Whether there is a third split."""
        return bool(self.counts.get("test"))


def _fetch(connection: psycopg.Connection, condition: str, values: list[Any]) -> TrainingSet | None:
    row = connection.execute(f"SELECT {_COLUMNS} FROM training.{condition}", values).fetchone()
    return TrainingSet(row[0], row[1], tuple(row[2]), *row[3:]) if row else None


def get_training_set(url: str, version: int) -> TrainingSet:
    """The version of that number, if it was published; one that was superseded can be read until it is pruned.

    Raises:
        NoTrainingSet: It was never published, or its examples are gone.
    """
    with connect(url) as connection:
        found = _fetch(
            connection,
            "sets WHERE version = %s AND (state = 'published'"
            " OR (state = 'superseded' AND to_regclass('training.examples_' || version) IS NOT NULL))",
            [version],
        )
    if found is None:
        raise NoTrainingSet(f"Training set version {version} no longer exists; start data_preparation.")
    return found


def find_newest(url: str, outdated_after: float) -> TrainingSet | None:
    """The newest published version, None if there is none or it is older than `outdated_after` hours."""
    with connect(url) as connection:
        return _fetch(
            connection, "newest WHERE published_at > now() - make_interval(secs => %s)", [outdated_after * 3600]
        )


def choose_training_set(
    url: str, outdated_after: float, *, requested: int | None = None, announced: Collection[int] = ()
) -> TrainingSet | None:
    """The set to train on: the requested one, else the newest announced one, else the newest that is fresh.

    An announced set that was superseded meanwhile gives way to its successor.

    Raises:
        NoTrainingSet: The requested one is not published.
    """
    if requested is not None:
        return get_training_set(url, requested)
    with connect(url) as connection:
        found = _fetch(
            connection,
            "published WHERE version = ANY(%s) ORDER BY published_at DESC, version DESC LIMIT 1",
            [list(announced)],
        )
    return found or find_newest(url, outdated_after)


def table_of(version: int) -> sql.Identifier:
    """The table of a version's examples."""
    return sql.Identifier("training", f"examples_{version}")


def list_columns(columns: Sequence[Column]) -> sql.Composed:
    """The columns' names for a statement."""
    return sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)


def target_bounds(problem: Problem) -> tuple[float, float]:
    """Least and greatest target that a row may have; infinite where the problem has no bound."""
    low, high = problem.target_min, problem.target_max
    return -math.inf if low is None else low, math.inf if high is None else high


def read_problem_of(url: str, version: int) -> Problem:
    """The problem as it was declared when the set was made.

    Raises:
        NoTrainingSet: There was never such a set.
    """
    with connect(url) as connection:
        return _read_problem(connection, version)


def _read_problem(connection: psycopg.Connection, version: int) -> Problem:
    row = connection.execute("SELECT declaration FROM training.sets WHERE version = %s", [version]).fetchone()
    if row is None:
        raise NoTrainingSet(f"Training set version {version} no longer exists; start data_preparation.")
    return Problem.from_dict(row[0])


@dataclass(frozen=True)
class StoredRows:
    """The examples of some splits in the warehouse or its files, read piece by piece; see `Pieces`.

    They are in the source's order, one split after the other.
    """

    url: str
    version: int
    splits: tuple[str, ...]
    problem: Problem
    count: int

    def __len__(self) -> int:
        return self.count

    @cached_property
    def target(self) -> Values:
        """See `Pieces`."""
        return self._gather([TARGET])[TARGET]

    @cached_property
    def weights(self) -> Values | None:
        """See `Pieces`."""
        return self._gather([ROW_WEIGHT])[ROW_WEIGHT] if self.problem.weight else None

    def pieces(self) -> Iterator[Split]:
        """See `Pieces`."""
        if not self.count:
            yield self.load()
        for frame in self._read(self._names):
            yield split_of_columns(self.problem, _read_columns(self.problem, frame, self._names))

    def columns(self, names: Collection[str]) -> Columns:
        """See `Pieces`."""
        return self._gather(names)

    def take(self, positions: Positions) -> Split:
        """See `Pieces`."""
        return split_of_columns(self.problem, self._gather(self._names, positions, in_memory=True))

    def load(self) -> Split:
        """All rows, in memory."""
        return split_of_columns(self.problem, self._gather(self._names, in_memory=True))

    def map(self) -> Split:
        """All rows, the columns of many in files, see `Growing`."""
        return split_of_columns(self.problem, self._gather(self._names))

    @property
    def _names(self) -> list[str]:
        return _name_columns(self.problem)

    def _gather(
        self, names: Collection[str], positions: Positions | None = None, *, in_memory: bool = False
    ) -> dict[str, npt.NDArray[Any]]:
        """Some columns of the rows at these ascending positions; None: of all rows."""
        frames = self._read(names)
        if positions is not None:
            frames = _pick(frames, positions)
        return _gather(self.problem, frames, names, in_memory=in_memory)

    def _read(self, names: Collection[str]) -> "Iterator[pd.DataFrame]":
        for split in self.splits if self.count and names else ():
            yield from _read_frames(self.url, self.version, split, names)


def open_rows(url: str, version: int, splits: Sequence[str]) -> StoredRows:
    """The examples of some splits, to be read; none where the version was pruned.

    Raises:
        NoTrainingSet: There was never such a set.
    """
    with connect(url) as connection:
        problem = _read_problem(connection, version)
        if connection.execute("SELECT to_regclass(%s)", [f"training.examples_{version}"]).fetchone() == (None,):
            return StoredRows(url, version, tuple(splits), problem, 0)
        statement = sql.SQL("SELECT count(*) FROM {} WHERE split = ANY(%s)").format(table_of(version))
        [(count,)] = connection.execute(statement, [list(splits)])
    return StoredRows(url, version, tuple(splits), problem, count)


def load_split(url: str, version: int, split: str) -> Split:
    """All examples of one split, in the source's order; none where the version was pruned.

    Raises:
        NoTrainingSet: There was never such a set.
    """
    return open_rows(url, version, [split]).load()


def stream_share(url: str, version: int, split: str, share: int, shares: int) -> Iterator[Split]:
    """The examples of one of so many equal shares of a split, bit by bit, in the source's order.

    A row's number in its source says which share it is in, so that each is as even over time as the whole, and the same
    each time.

    Args:
        share: Its number, from 0.
    """
    problem = read_problem_of(url, version)
    names = _name_columns(problem)
    for frame in _read_frames(url, version, split, names, (share, shares)):
        yield split_of_columns(problem, _read_columns(problem, frame, names))


def _name_columns(problem: Problem) -> list[str]:
    return [*problem.dtypes, TARGET, *([ROW_WEIGHT] if problem.weight else [])]


def _read_frames(
    url: str, version: int, split: str, names: Collection[str], share: tuple[int, int] | None = None
) -> "Iterator[pd.DataFrame]":
    """The rows of a split bit by bit, so that they are not held twice; from files where there are any."""
    if kept := find_kept(url, version):
        for table in read_parts(kept, split, names, share):
            yield table.to_pandas()
        return
    condition: sql.Composable = _EVERY
    if share:
        # By its hash: where each row is there twice, only every second one is an example.
        number, of = share
        condition = sql.SQL("mod(hashint8(row_number)::bigint - {}, {}) = {}").format(LEAST_HASH, of, number)
    for batch in stream_batches(url, version, split, sql.SQL(", ").join(map(sql.Identifier, names)), condition):
        yield batch.to_pandas()


def stream_batches(
    url: str, version: int, split: str, columns: sql.Composable, condition: sql.Composable = _EVERY
) -> "Iterator[pa.RecordBatch]":
    """Some columns of a split from Postgres, about 16 MB at a time, in the source's order."""
    query = sql.SQL("SELECT {} FROM {} WHERE split = {} AND {} ORDER BY month, row_number").format(
        columns, table_of(version), sql.Literal(split), condition
    )
    return read_batches(url, query)


def _pick(frames: "Iterable[pd.DataFrame]", positions: Positions) -> "Iterator[pd.DataFrame]":
    """The rows at these ascending positions; no more is read once they are there."""
    start = 0
    for frame in frames:
        end = start + len(frame)
        first, last = np.searchsorted(positions, [start, end])
        yield frame.iloc[positions[first:last] - start]
        if last == len(positions):
            return
        start = end


def read_rows(url: str, problem: Problem, query: sql.Composed, names: Collection[str]) -> dict[str, npt.NDArray[Any]]:
    """Columns of all rows that a query gives: inputs of the problem, which have its types, and others, numbers.

    Those of many rows are in files, see `Growing`.
    """
    return _gather(problem, (batch.to_pandas() for batch in read_batches(url, query)), names)


def _gather(
    problem: Problem, frames: "Iterable[pd.DataFrame]", names: Collection[str], *, in_memory: bool = False
) -> dict[str, npt.NDArray[Any]]:
    """Columns of all rows that are read bit by bit, see `Growing`.

    Args:
        frames: Each with the columns `names`.
        names: Inputs of the problem, which have its types, and others, which are numbers, or as many for each row.
    """
    columns = {name: Growing(in_memory=in_memory) for name in names}
    rows = 0
    for frame in frames:
        for name, values in _read_columns(problem, frame, names).items():
            columns[name].append(values)
        rows += len(frame)
    if not rows:
        return {name: np.empty(0, problem.dtypes.get(name, "float64")) for name in names}
    return {name: column.finish() for name, column in columns.items()}


def _read_columns(problem: Problem, frame: "pd.DataFrame", names: Collection[str]) -> dict[str, npt.NDArray[Any]]:
    inputs = columns_of_frame(problem, frame, names)
    return {name: inputs[name] if name in inputs else _read_numbers(frame[name]) for name in names}


def _read_numbers(values: "pd.Series[Any]") -> Values:
    return np.array(values.tolist(), "float64") if values.dtype == object else values.to_numpy(dtype="float64")


def split_of_columns(problem: Problem, columns: Mapping[str, npt.NDArray[Any]]) -> Split:
    """Rows with their targets, of the problem's inputs and `target`, and, where they have any, weights."""
    return Split({name: columns[name] for name in problem.dtypes}, columns[TARGET], columns.get(ROW_WEIGHT))


def find_target_shape(url: str, version: int) -> TargetShape:
    """What the targets of a set are like.

    Raises:
        NoTrainingSet: The set was never published, or its examples are gone.
    """
    get_training_set(url, version)
    # The lowest is of all splits: folds and the fit on all rows learn from held-out rows, too, and a loss has to be
    # defined for them. Nothing leaks by it: it only decides which losses can be computed.
    query = sql.SQL(
        "SELECT (SELECT min(target) FROM {table}), avg(((target - mean) / nullif(deviation, 0)) ^ 3) FROM {table},"
        " (SELECT avg(target) AS mean, stddev_pop(target) AS deviation FROM {table} WHERE split = 'train') AS whole"
        " WHERE split = 'train'"
    ).format(table=table_of(version))
    with connect(url) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None  # an aggregate has one row
    lowest, skewness = row
    return TargetShape(float(lowest), float(skewness or 0))


def load_references(url: str, version: int) -> dict[str, Any]:
    """What the features look up, as it was when the set was made."""
    with connect(url) as connection:
        problem = _read_problem(connection, version)
        row = connection.execute("SELECT reference FROM training.sets WHERE version = %s", [version]).fetchone()
    assert row is not None  # it was there a moment ago, and rows are never deleted once published
    return thaw_references(problem, row[0])
