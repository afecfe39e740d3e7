"""Scores a month with one model, in batches, into `prediction.batch`."""

import time
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import reduce
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from include.configuration.values import ALL
from include.errors import SourceInvalid
from include.models.outputs.protocol import Outputs, Stored
from include.prediction.accepted import find_accepted
from include.prediction.located import open_location, read_schema
from include.problem.data import find_pieces
from include.problem.declaration import Problem
from include.problem.kinds import BOUNDED
from include.problem.parts import Column
from include.problem.values import from_arrow
from include.settings import Settings
from include.sources.limits import Allow, allow_all
from include.sources.location import mask
from include.tracking.store import LoadedModel
from include.warehouse import append_rows, connect, ensure_month, lock_month, read_ahead, read_batches

# Rows that are alike are predicted sooner side by side, hence the more that are sorted at once, the better; they are
# predicted in smaller batches, so that one is stored while the next is predicted. For fewer rows, LightGBM's boosters
# make no masks.
SORTED_ROWS, SCORED_ROWS = 65_536, 16_384
BATCH = ("prediction", "batch")
# Of some columns those that raw.rows does not have, or has with another type.
_UNLIKE = """
    SELECT wanted.name FROM unnest(%s::text[], %s::text[]) AS wanted (name, type) WHERE NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = 'raw.rows'::regclass AND NOT attisdropped AND attname = wanted.name
            AND atttypid = to_regtype(wanted.type)
    )
"""
_TYPES: Mapping[Stored, pa.DataType] = MappingProxyType(
    {"number": pa.float64(), "text": pa.string(), "numbers": pa.list_(pa.float64())}
)


def scored_schema(problem: Problem, outputs: Outputs) -> pa.Schema:
    """What is written of it: exactly the types of prediction.batch, as binary COPY converts nothing."""
    head = [("month", pa.string()), ("model_version", pa.int32())]
    predicted = [(name, _TYPES[stored]) for name, stored in outputs.columns.items()]
    return pa.schema([*head, *read_schema(problem), *predicted])


@dataclass
class Scoring:
    """A month's scoring under way: gives the scored batches, and counts what passes.

    Attributes:
        skipped: Rows that cannot be predicted: a value that is required is missing, or one is out of bounds.
        unusual: Values that are not as those learnt, by column and reason.
        model_seconds: Time in features and model alone.
    """

    month: str
    loaded: LoadedModel
    problem: Problem
    rows: int = 0
    skipped: int = 0
    unusual: dict[str, Counter[str]] = field(default_factory=dict)
    model_seconds: float = 0.0

    @property
    def schema(self) -> pa.Schema:
        """Of the scored batches."""
        return scored_schema(self.problem, self.loaded.model.outputs)

    def score(self, batches: Iterator[pa.RecordBatch]) -> Generator[pa.RecordBatch, None, None]:
        """Turns batches in `read_schema` into ones in `schema`, of `SCORED_ROWS` rows at most."""
        for gathered in self._gather(batches):
            begun = time.perf_counter()
            rows = sort_rows(gathered, self.problem)
            self.model_seconds += time.perf_counter() - begun
            yield from (self._score(rows[piece]) for piece in find_pieces(rows.num_rows, SCORED_ROWS))

    def _gather(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows that can be predicted, `SORTED_ROWS` or more of them at once as long as there are so many."""
        kept: list[pa.RecordBatch] = []
        for batch in batches:
            usable = batch.filter(find_usable(batch, self.problem))
            self.skipped += batch.num_rows - usable.num_rows
            kept.append(usable)
            if sum(each.num_rows for each in kept) >= SORTED_ROWS:
                yield pa.concat_batches(kept)
                kept = []
        if kept:
            yield pa.concat_batches(kept)

    def _score(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        rows = {name: from_arrow(kind, batch[name]) for name, kind in self.problem.input_kinds.items()}
        begun = time.perf_counter()
        predicted = self.loaded.model.predict(rows)
        self.model_seconds += time.perf_counter() - begun
        for name, counts in self.loaded.model.learnt.count_unusual(rows).items():
            self.unusual.setdefault(name, Counter()).update(counts)
        self.rows += batch.num_rows
        constants = (self.month, pa.scalar(self.loaded.version.version, pa.int32()))
        heads = [pa.repeat(value, batch.num_rows) for value in constants]
        tabulated = self.loaded.model.outputs.tabulate(predicted, rows)
        schema = self.schema
        ends = [_to_arrow(values, schema.field(name).type, batch.num_rows) for name, values in tabulated.items()]
        return pa.record_batch([*heads, *batch.columns, *ends], schema=schema)


def _to_arrow(values: npt.NDArray[Any] | None, kind: pa.DataType, count: int) -> pa.Array:
    """One column of a batch, by values (n,) or (n, k); nulls where there are none."""
    if values is None:
        return pa.nulls(count, kind)
    if values.ndim == 1:
        return pa.array(values, kind)
    ends = np.arange(0, values.size + 1, values.shape[1], dtype="int32")
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(values.ravel()), kind)


def score_month(
    url: str,
    settings: Settings,
    loaded: LoadedModel,
    month: str,
    location: str | None = None,
    *,
    allow: Allow = allow_all,
) -> dict[str, Any]:
    """Predicts a month's rows and replaces what the same model version had predicted for it, in one transaction.

    Args:
        url: The warehouse's libpq address.
        month: YYYY-MM.
        location: Address of the rows, as SOURCE has it; None: the month as loaded in `raw.rows`.
        allow: Raises for an address that the location's server must not lead to.

    Returns:
        month, version, rows, skipped, unusual (column -> reason -> values that are not as those learnt), seconds, and
        model_seconds, the part spent in features and model.

    Raises:
        SourceInvalid, SourceUnavailable: The month is not there, or cannot be read now; or a column is gone, or too
            many of its values cannot be read, see `open_location`.
        WarehouseUnavailable: The warehouse cannot be reached, or broke off.
    """
    begun = time.perf_counter()
    own = loaded.model.problem
    problem = find_accepted(own, settings.problem)
    scoring = Scoring(month, loaded, problem)
    if location:
        opened = open_location(settings, month, location, allow, own)
    else:
        _check_loaded(url, problem, settings.problem, month)
        opened = _open_loaded(url, problem, month)
    with (
        opened as batches,
        connect(url) as connection,
        closing(scoring.score(batches)) as scored,
        read_ahead(scored) as upcoming,
    ):
        partition = ensure_month(connection, url, *BATCH, month)
        # Of two runs at once, the second replaces the first one's rows rather than adding to them.
        lock_month(connection, *BATCH, month)
        connection.execute(
            sql.SQL("DELETE FROM {} WHERE model_version = %s").format(partition), [loaded.version.version]
        )
        append_rows(connection, partition, scoring.schema, upcoming)
        if not scoring.rows:
            raise SourceInvalid(_explain_nothing(problem, settings.months, month, location, scoring.skipped))
    return {
        "month": month,
        "version": loaded.version.version,
        "rows": scoring.rows,
        "skipped": scoring.skipped,
        "unusual": {name: dict(counts) for name, counts in sorted(scoring.unusual.items())},
        "seconds": time.perf_counter() - begun,
        "model_seconds": scoring.model_seconds,
    }


def sort_rows(batch: pa.RecordBatch, problem: Problem) -> pa.RecordBatch:
    """The rows in the problem's `batch_order`, or as they come where it has none.

    Rows that are alike take the same paths through a booster's trees, which are in the processor's cache then.
    """
    keys = [(name, "ascending") for name in problem.batch_order if name in batch.schema.names]
    return batch.sort_by(keys) if keys else batch


def find_usable(batch: pa.RecordBatch, problem: Problem) -> pa.Array:
    """Which rows can be predicted: no value that is required is missing, and none is out of bounds."""
    found = [_find_usable_values(batch[column.name], column) for column in problem.inputs]
    usable: pa.Array = reduce(pc.and_, (each for each in found if each is not None), pa.repeat(True, batch.num_rows))
    return usable


def _find_usable_values(values: pa.Array, column: Column) -> pa.Array | None:
    """Where a column has a value that can be used; None where that is everywhere."""
    checks = []
    bounded = column.kind in BOUNDED
    if bounded and column.minimum is not None:
        checks.append(pc.greater_equal(values, column.minimum))
    if bounded and column.maximum is not None:
        checks.append(pc.less_equal(values, column.maximum))
    if checks:
        return pc.fill_null(reduce(pc.and_, checks), not column.required)
    return pc.is_valid(values) if column.required else None


def _check_loaded(url: str, problem: Problem, today: Problem, month: str) -> None:
    """Raises SourceInvalid where raw.rows has no such column any more, or none of the values of the month."""
    columns = {column.name: column.of_kind.sql for column in problem.inputs}
    with connect(url) as connection:
        gone = [name for (name,) in connection.execute(_UNLIKE, [list(columns), list(columns.values())])]
        # What is no longer declared is empty in the months that were loaded since.
        undeclared = columns.keys() - {*gone, *(column.name for column in today.stored)}
        for name in sorted(undeclared):
            query = sql.SQL("SELECT count(*) > 0 AND count({}) = 0 FROM raw.rows WHERE month = %s")
            row = connection.execute(query.format(sql.Identifier(name)), [month]).fetchone()
            gone += [name] if row == (True,) else []
    if gone:
        raise SourceInvalid(
            f"raw.rows does not have {', '.join(gone)} for {month} as the model was trained with it, because the"
            " problem's declaration has changed since. Give a location whose rows have it, declare it again and start"
            " data_preparation, or train a new model."
        )


@contextmanager
def _open_loaded(url: str, problem: Problem, month: str) -> Iterator[Iterator[pa.RecordBatch]]:
    columns = sql.SQL(", ").join(map(sql.Identifier, read_schema(problem).names))
    query = sql.SQL("SELECT {} FROM raw.rows WHERE month = {}").format(columns, sql.Literal(month))
    with closing(read_batches(url, query)) as batches:
        yield batches


def _explain_nothing(problem: Problem, months: tuple[str, ...], month: str, location: str | None, skipped: int) -> str:
    rows = problem.row[1]
    if skipped:
        return f"None of the {skipped} {rows} of {month} can be predicted: a value is missing or out of bounds in each."
    if location:
        return f"{mask(location)} has no {rows} for {month}."
    # To load what is named would not help: with the settings as they are, rows are loaded by other names.
    if months == (ALL,) != (month,):
        return (
            f"raw.rows has no {rows} of {month}, because the source is loaded whole, not by month: give `months` as"
            f' ["{ALL}"], or leave it empty.'
        )
    if (month,) == (ALL,) != months:
        return f"raw.rows has no {rows} of {ALL}, because the source is loaded by month: name months, as YYYY-MM."
    return f"raw.rows has no {rows} of {month}: start data_preparation with that month, or give a location."
