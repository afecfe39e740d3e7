"""A month's rows on their way from the source's columns and types to the warehouse's."""

from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from include.errors import SourceInvalid
from include.problem.declaration import Problem
from include.problem.problem_file import place_of_name
from include.raw.coercion import TARGET, Coerced, NumberForm, coerce_column, end_after
from include.raw.columns import explain_no_rows
from include.raw.duplicates import find_duplicates, hash_rows
from include.raw.rules import BEYOND, DUPLICATE, NO_CLASS, WRONG_TYPE
from include.settings import Settings
from include.sources import Contents
from include.warehouse import read_ahead

MOST_DETAIL = 200
MOST_EXAMPLE = 60
MOST_VALUES = 5
REJECTED_ROWS = sql.Identifier("raw", "rejected")
# Exactly the types of it: binary COPY converts nothing.
REJECTED = pa.schema(
    [
        ("month", pa.string()),
        ("row_number", pa.int64()),
        ("rule", pa.string()),
        ("detail", pa.string()),
        ("stage", pa.string()),
    ]
)


TARGET_FIELD = (TARGET, pa.float64())
_NUMBERS = "with a point, as 1234.5. For decimal commas in a text file set DECIMAL=, and for missing values MISSING"
# Kind -> what a value of it is called, and how it has to be written.
KIND_TEXTS = {
    "number": ("a number", _NUMBERS),
    "code": ("a whole number", _NUMBERS),
    "time": ("a time", "as 2024-01-31 18:30:00. For another format set TIME_FORMAT, such as %d/%m/%Y %H:%M"),
    "flag": ("yes or no", "as yes and no, true and false, or 1 and 0"),
}
OTHER_KIND = ("a text", "as one text for each row")


def stored_types(problem: Problem) -> dict[str, pa.DataType]:
    """Column -> its type in raw.rows: binary COPY converts nothing."""
    return {column.name: pa.type_for_alias(column.of_kind.arrow) for column in problem.stored}


def measure_elapsed(problem: Problem, arrays: Mapping[str, pa.Array]) -> pa.Array:
    """The time between the problem's two times in its unit; null where one is missing."""
    assert problem.elapsed is not None  # a problem without a target column has it
    start, end = (arrays[name] for name in problem.elapsed)
    microseconds = pc.subtract(end, start).cast(pa.int64()).cast(pa.float64(), safe=False)
    return pc.divide(pc.divide(microseconds, 1e6), float(problem.seconds_of_unit))


@dataclass
class Load:
    """A month's load under way: gives the warehouse's batches, and counts what passes.

    Attributes:
        rows: Rows given so far.
        present: Values that were there, by neutral column.
        failed: Values that could not be turned into the column's type, by neutral column.
        examples: The first of those, by neutral column.
        unknown: How often each value of the target is there that is none of the classes.
        rejected: A row for each of those and for each duplicate, in the schema `REJECTED`.
        hashes: A hash for each row over all of the source's columns.
        forms: What stands around the numbers of a column of text, by neutral column: the first ones decide.
    """

    settings: Settings
    month: str
    contents: Contents
    rows: int = 0
    present: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)
    rejected: list[pa.RecordBatch] = field(default_factory=list)
    hashes: list[np.ndarray] = field(default_factory=list)
    forms: dict[str, NumberForm | None] = field(default_factory=dict)

    @property
    def schema(self) -> pa.Schema:
        """The columns of raw.rows that are sent, in exactly its types; the month is known to the partition."""
        return pa.schema([("row_number", pa.int64()), *stored_types(self.settings.problem).items(), TARGET_FIELD])

    def read_batches(self) -> Generator[pa.RecordBatch, None, None]:
        """Yields batches in the schema; raises SourceInvalid where there is none, or most of a column fails.

        Close it before the contents, as it reads ahead.
        """
        with read_ahead(self._coerce_batches()) as coerced:
            yield from coerced
        self._check()
        self._reject_duplicates()

    @property
    def rejected_rows(self) -> int:
        """Rows with a value of the wrong type, and duplicates."""
        return len({number for batch in self.rejected for number in batch["row_number"].to_pylist()})

    def _coerce_batches(self) -> Iterator[pa.RecordBatch]:
        for batch in self.contents.read(list(self.contents.columns)):
            self.hashes.append(hash_rows(batch))
            yield self._coerce(batch)

    def _coerce(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        size = batch.num_rows
        problem = self.settings.problem
        types = {**stored_types(problem), TARGET: pa.float64()}
        coerced: dict[str, Coerced] = {}
        for neutral, name in problem.read_columns.items():
            source = batch.column(name)
            coerced[neutral] = coerce_column(problem, neutral, batch, self.forms.get(neutral))
            self.forms[neutral] = coerced[neutral].form
            self.present[neutral] += size - source.null_count
            wrong = NO_CLASS if neutral == TARGET and problem.labels else WRONG_TYPE
            for rule, marks in ((wrong, coerced[neutral].failed), (BEYOND, coerced[neutral].beyond)):
                if marks is not None:
                    self._reject_failed(f"{neutral}: {rule}", neutral, source, marks)
        arrays = {neutral: column.array for neutral, column in coerced.items()}
        for column in problem.stored:
            if column.after:
                arrays[column.name] = end_after(coerced[column.after], coerced[column.name])
        if TARGET not in arrays:
            arrays[TARGET] = measure_elapsed(problem, arrays)
        numbers = pa.array(np.arange(self.rows, self.rows + size))
        self.rows += size
        return pa.record_batch([numbers, *(arrays[name] for name in types)], schema=self.schema)

    def _reject_failed(self, rule: str, neutral: str, source: pa.Array, failed: pa.Array) -> None:
        positions = pc.indices_nonzero(failed).to_numpy()
        self.failed[neutral] += len(positions)
        # Postgres has no place for the NUL character in a text.
        details = [text[:MOST_DETAIL].replace("\0", "\\0") for text in _write(source.take(positions))]
        self.examples.setdefault(neutral, details[0][:MOST_EXAMPLE])
        if neutral == TARGET and self.settings.problem.labels:
            self.unknown.update(details)
        self._reject(positions + self.rows, rule, details)

    def _reject_duplicates(self) -> None:
        repeats, firsts = find_duplicates(self.hashes)
        if len(repeats):
            self._reject(repeats, DUPLICATE, [f"row {first}" for first in firsts])

    def _reject(self, row_numbers: np.ndarray, rule: str, details: list[str]) -> None:
        size = len(details)
        month, rules, stage = (pa.repeat(value, size) for value in (self.month, rule, "load"))
        columns = [month, pa.array(row_numbers), rules, pa.array(details), stage]
        self.rejected.append(pa.record_batch(columns, schema=REJECTED))

    def _check(self) -> None:
        if not self.rows:
            raise explain_no_rows(self.contents, self.month)
        for neutral, failures in self.failed.items():
            if failures * 2 > self.present[neutral]:
                if neutral == TARGET and self.settings.problem.labels:
                    raise SourceInvalid(self._describe_unknown())
                name, place = self.settings.problem.read_columns[neutral], place_of_name(self.settings.problem, neutral)
                kind = "number" if neutral == TARGET else self.settings.problem.columns[neutral].kind
                what, form = KIND_TEXTS.get(kind, OTHER_KIND)
                raise SourceInvalid(
                    f"{self.contents.location}: column '{name}' is of type {self.contents.columns[name]}, and "
                    f"{failures} of its {self.present[neutral]} values cannot be read as {what}, "
                    f"which {neutral} needs, such as {self.examples[neutral]!r}. "
                    f"Name another column in {place}, or write its values {form}"
                )

    def _describe_unknown(self) -> str:
        problem = self.settings.problem
        found = ", ".join(value[:MOST_EXAMPLE] for value, _ in self.unknown.most_common(MOST_VALUES))
        more = " and others" if len(self.unknown) > MOST_VALUES else ""
        return (
            f"{self.contents.location}: {self.failed[TARGET]} of the {self.present[TARGET]} values of column "
            f"'{problem.target}', the target, are none of the classes {', '.join(problem.classes)}, but {found}{more}. "
            f"Name all values that are classes in CLASSES, or another column in {place_of_name(problem, TARGET)}"
        )


def _write(values: pa.Array) -> list[str]:
    # Python's own times end with the year 9999; Arrow writes no lists or structures.
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        values = values.cast(pa.string())
    return [str(value) for value in values.to_pylist()]
