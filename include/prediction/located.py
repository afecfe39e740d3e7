"""Rows to predict from an address: read as the problem declares its columns, with what has changed about them."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.errors import SourceInvalid
from include.prediction.accepted import find_accepted
from include.problem.declaration import Problem
from include.raw.coercion import NumberForm, coerce_column
from include.raw.columns import check_columns
from include.settings import Settings
from include.sources import Contents, open_batches
from include.sources.limits import Allow

log = logging.getLogger(__name__)


def read_schema(problem: Problem) -> pa.Schema:
    """What is read of a month: each row's number and its inputs."""
    inputs = [(column.name, pa.type_for_alias(column.of_kind.arrow)) for column in problem.inputs]
    return pa.schema([("row_number", pa.int64()), *inputs])


@contextmanager
def open_location(
    settings: Settings, month: str, location: str, allow: Allow, own: Problem | None = None
) -> Iterator[Iterator[pa.RecordBatch]]:
    """Gives a month's rows in batches of `read_schema`.

    Columns that the problem does not declare are named in the log and left out.

    Args:
        own: The problem of the model that the rows are for; None: it is that of the settings.

    Raises:
        SourceInvalid: A column is missing, or, once all are read, more of a column's values than `rejected_max_share`
            could not be.
    """
    # What is to be predicted does not have to be there.
    changed = settings.change(source=location, months=(month,))
    today = changed.problem
    problem = find_accepted(own or today, today)
    changed = changed.model_copy(update={"problem": problem})
    with open_batches(changed, month, allow) as contents:
        sources = {column.name: column.source for column in problem.inputs}
        _check_undeclared(contents, sources, today, month)
        check_columns(contents, changed, month, sources)
        names = list(dict.fromkeys((*sources.values(), *problem.clocks.values())))
        declared = {column.source for column in today.columns.values()} | {*names, today.target}
        if new := [name for name in contents.columns if name not in declared]:
            log.warning("%s: ignored, as the problem does not declare them: %s", contents.location, ", ".join(new))
        yield _Located(contents, problem, settings.rejected_max_share).coerce(names)


def _check_undeclared(contents: Contents, sources: Mapping[str, str], today: Problem, month: str) -> None:
    """A key that names such a column in the source, which is asked for where others are missing, is no more."""
    gone = [source for name, source in sources.items() if name not in today.columns and source not in contents.columns]
    if contents.columns and gone:
        raise SourceInvalid(
            f"{contents.location} ({month}): no column {', '.join(map(repr, gone))}, which the model was trained with"
            " and the problem no longer declares. Add it to the source, or train a new model. Columns found:"
            f" {', '.join(contents.columns)}"
        )


@dataclass
class _Located:
    """A location's rows under way to the types of the inputs; counts what cannot be turned into them."""

    contents: Contents
    problem: Problem
    most: float
    rows: int = 0
    present: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def coerce(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        # How a column writes its numbers is found in one batch and holds for the next.
        forms: dict[str, NumberForm | None] = {}
        schema = read_schema(self.problem)
        for batch in self.contents.read(names):
            columns = [pa.array(np.arange(self.rows, self.rows + batch.num_rows))]
            self.rows += batch.num_rows
            for name in schema.names[1:]:
                coerced = coerce_column(self.problem, name, batch, forms.get(name))
                forms[name] = coerced.form
                columns.append(coerced.array)
                self._count(name, batch.column(self.problem.columns[name].source), coerced.failed)
            yield pa.record_batch(columns, schema=schema)
        self._check()

    def _count(self, name: str, source: pa.Array, failed: pa.Array | None) -> None:
        self.present[name] += len(source) - source.null_count
        if failed is not None:
            positions = pc.indices_nonzero(failed)
            self.failed[name] += len(positions)
            self.examples.setdefault(name, str(source[positions[0].as_py()])[:60])

    def _check(self) -> None:
        drifted = [
            f"column '{self.problem.columns[name].source}': {count:,} of its {self.present[name]:,} values"
            f" ({count / self.present[name]:.1%}), such as {self.examples[name]!r}, cannot be read as a"
            f" {self.problem.columns[name].kind}"
            for name, count in self.failed.items()
            if count > self.most * self.present[name]
        ]
        if drifted:
            raise SourceInvalid(
                f"{self.contents.location}: {'; '.join(drifted)}. REJECTED_MAX_SHARE={self.most:g} allows fewer:"
                " correct the source, or that share"
            )
