"""Where trips come from: one reader a kind of source, all of the same shape.

Every kind's module has `probe(settings, month)`, a cheap look, and `open_month(settings, month)`, the contents.
"""

from contextlib import AbstractContextManager

from include.taxi.settings import Settings
from include.taxi.sources import api, files, sample, table
from include.taxi.sources.contents import BATCH_ROWS, Contents, Probe
from include.taxi.sources.location import identify_kind

READERS = {"sample": sample, "file": files, "table": table, "api": api}

__all__ = ["BATCH_ROWS", "Contents", "Probe", "open_batches", "probe"]


def probe(settings: Settings, month: str) -> Probe:
    """Looks cheaply whether `month` (YYYY-MM) is there and whether it changed.

    Raises:
        SettingsError: The source setting cannot be used.
        SourceInvalid: The month is not there.
        SourceUnavailable: The source cannot be reached now.
    """
    return READERS[identify_kind(settings)].probe(settings, month)


def open_batches(settings: Settings, month: str) -> AbstractContextManager[Contents]:
    """Opens `month` (YYYY-MM) for reading in batches with the source's column names; raises what `probe` raises."""
    return READERS[identify_kind(settings)].open_month(settings, month)
