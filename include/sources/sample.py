"""The synthetic sample as a source."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from include.problem.reading import DETECT, Reading
from include.settings import Settings
from include.sources.contents import Contents, Probe
from include.sources.limits import Allow, allow_all


def list_months(settings: Settings, _known: Collection[str]) -> list[str]:
    """The months of the setting: any month could be generated."""
    return list(settings.months)


def probe(settings: Settings, month: str) -> Probe:
    """Names what would be generated; its hash follows from the seed alone."""
    digest = _hash(settings, month)
    return Probe(month, _name(settings, month), None, digest, digest)


@contextmanager
def open_month(
    settings: Settings, month: str, _allow: Allow = allow_all, _reading: Reading = DETECT
) -> Iterator[Contents]:
    """Opens the generator for `month`."""
    digest = _hash(settings, month)
    generator = _find_generator(settings)

    def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        batches = generator.generate(settings.sample_seed, settings.sample_rows, month)
        return (batch.select(list(names)) for batch in batches)

    yield Contents(_name(settings, month), None, digest, digest, generator.list_columns(), read)


def _find_generator(settings: Settings) -> Any:
    """The problem's module that makes rows up.

    It has `GENERATOR_VERSION`, which goes up when the same seed gives other rows; `list_columns()`, names and types;
    and `generate(seed, rows, month)`, an iterator of record batches, the same for the same arguments.
    """
    problem = settings.problem
    assert problem.sample is not None  # the kind of the source is `sample` only then
    return problem.resolve(problem.sample)


def _name(settings: Settings, month: str) -> str:
    return f"sample:{month} (synthetic, seed {settings.sample_seed})"


def _hash(settings: Settings, month: str) -> str:
    recipe = f"{_find_generator(settings).GENERATOR_VERSION}:{settings.sample_seed}:{settings.sample_rows}:{month}"
    return hashlib.sha256(recipe.encode()).hexdigest()
