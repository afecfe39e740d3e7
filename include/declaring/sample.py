"""A bounded sample of a source's rows, with all columns that it has."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pyarrow as pa

from include.configuration.layers import ENV_FILE, build, gather
from include.configuration.values import ALL
from include.errors import SettingsError, SourceInvalid
from include.problem.declaration import Problem
from include.raw.coerced import is_text
from include.settings import Settings
from include.sources import list_months, open_batches
from include.sources.listing import is_http
from include.sources.location import mask

MOST_ROWS = 50_000
ANY_MONTH = ("2000-01",)
PLACEHOLDER = re.compile(r"\{month(_start|_end)?\}")
RECORD = pa.struct([])
# Settings that say how a source is read, beside what the problem declares.
OF_SOURCES = ("source_records", "source_timeout", "source_time_limit")

# Column -> its values, in pieces.
Columns = dict[str, list[pa.Array]]


@dataclass(frozen=True)
class Sample:
    """Rows of a source.

    Attributes:
        columns: Name -> values, all of one length, in the source's own types.
        location: Where they are from, without secrets.
        is_whole: Whether these are all rows that there are.
        months: The months that are loaded; empty where the source is not divided into months.
        warnings: What was decided in reading.
    """

    columns: Mapping[str, pa.Array]
    location: str
    is_whole: bool
    months: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(next(iter(self.columns.values()), ()))


def read_sample(problem: Problem, environment: Mapping[str, str]) -> Sample:
    """Reads the first rows of each month, or of the whole, up to `MOST_ROWS` together.

    Args:
        problem: Says where rows come from and how they are read; its columns are not looked at.

    Raises:
        SettingsError: The source cannot be used as it is given, or its months are not known.
        SourceInvalid, SourceUnavailable: It is not there, or cannot be read.
    """
    given = gather(OF_SOURCES, (ENV_FILE,), environment)
    settings = build(Settings, given, {"problem": problem, "months": problem.months or (ALL,)})
    months = _find_months(settings)
    # A table's months are told apart by its time, which is not known yet.
    parts = months if PLACEHOLDER.search(problem.address) else (ALL,)
    settings = settings.model_copy(update={"months": parts})
    tables, whole = [], True
    warnings: dict[str, None] = {}
    for part in parts:
        table, ended, said = _read_part(settings, part, MOST_ROWS // len(parts))
        tables.append(table)
        whole = whole and ended
        warnings |= dict.fromkeys(said)
    if not any(len(array) for table in tables for arrays in table.values() for array in arrays):
        raise SourceInvalid(f"{mask(problem.source)} has no rows: check SOURCE")
    names = dict.fromkeys(name for table in tables for name in table)
    columns = {name: _join([_find_column(table, name) for table in tables]) for name in names}
    warnings |= dict.fromkeys(_name_absent(dict(zip(parts, tables, strict=True)), names))
    return Sample(columns, mask(problem.source), whole, months, tuple(warnings))


def _find_months(settings: Settings) -> tuple[str, ...]:
    if settings.problem.months or not PLACEHOLDER.search(settings.problem.address):
        return settings.problem.months
    # A server cannot list its months; anything else is asked for those that are there, whichever they are.
    some = settings.model_copy(update={"months": ANY_MONTH})
    months = [] if is_http(settings.problem.address) else list_months(some)
    if not months:
        raise SettingsError(
            f"SOURCE {mask(settings.problem.address)} has a place for the month, and which months there are cannot be "
            "seen. Set MONTHS, as in MONTHS=2024-01,2024-02"
        )
    return tuple(months)


def _read_part(settings: Settings, part: str, most: int) -> tuple[Columns, bool, tuple[str, ...]]:
    with open_batches(settings, part) as contents:
        names = list(contents.columns)
        found: Columns = {name: [] for name in names}
        rows = 0
        for batch in contents.read(names):
            for name, array in zip(names, batch.slice(0, most - rows).columns, strict=True):
                found[name].append(array)
            rows += batch.num_rows
            if rows > most:
                return found, False, contents.warnings
    return found, True, contents.warnings


def _find_column(table: Columns, name: str) -> list[pa.Array]:
    """A month's values of a column, nulls where it has no such column."""
    return table[name] if name in table else [pa.nulls(_count_rows(table))]


def _count_rows(table: Columns) -> int:
    return sum(len(array) for array in next(iter(table.values()), ()))


def _name_absent(tables: Mapping[str, Columns], names: Collection[str]) -> list[str]:
    """A sentence for each column that some months with rows are without."""
    absent = {
        name: [part for part, table in tables.items() if name not in table and _count_rows(table)] for name in names
    }
    return [
        f"column '{name}' is not in {', '.join(parts)}, which cannot be loaded like this: add it there, or delete it"
        " from problem.toml"
        for name, parts in absent.items()
        if parts
    ]


def _join(parts: list[list[pa.Array]]) -> pa.Array:
    """The arrays one after the other: a form without types may have another one in each."""
    arrays = [_decode(array) for part in parts for array in part]
    kinds = {array.type for array in arrays if not pa.types.is_null(array.type)}
    if len(kinds) > 1 and any(map(pa.types.is_nested, kinds)):
        # Records of different keys have no type in common, and no kind holds them: what counts is where they are.
        return pa.array([{} if valid else None for array in arrays for valid in array.is_valid().to_pylist()], RECORD)
    if len(kinds) > 1:
        numeric = all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds)
        kind = pa.float64() if numeric else pa.string()
    else:
        kind = kinds.pop() if kinds else pa.null()
    return pa.concat_arrays([array if array.type == kind else array.cast(kind, safe=False) for array in arrays])


def _decode(array: pa.Array) -> pa.Array:
    return array.cast(pa.string()) if is_text(array.type) else array
