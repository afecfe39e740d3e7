"""The synthetic sample as a source."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa

from include.problems.taxi.sample import GENERATOR_VERSION, generate_trips, list_columns
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
def open_month(settings: Settings, month: str, _allow: Allow = allow_all) -> Iterator[Contents]:
    """Opens the generator for `month`."""
    digest = _hash(settings, month)

    def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        batches = generate_trips(settings.sample_seed, settings.sample_rows, month)
        return (batch.select(list(names)) for batch in batches)

    yield Contents(_name(settings, month), None, digest, digest, list_columns(), read)


def _name(settings: Settings, month: str) -> str:
    return f"sample:{month} (synthetic trips, seed {settings.sample_seed})"


def _hash(settings: Settings, month: str) -> str:
    recipe = f"{GENERATOR_VERSION}:{settings.sample_seed}:{settings.sample_rows}:{month}"
    return hashlib.sha256(recipe.encode()).hexdigest()
