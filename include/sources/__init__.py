"""Where rows come from: one reader a kind of source, all of the same shape.

Every kind's module has `list_months(settings, known)`, the months that are there, `probe(settings, month)`, a cheap
look at one, and `open_month(settings, month, allow, reading)`, its contents.
"""

from collections.abc import Collection
from contextlib import AbstractContextManager

from include.problem.reading import Reading
from include.settings import Settings
from include.sources import api, files, sample, table
from include.sources.contents import BATCH_ROWS, Contents, NothingThere, Probe
from include.sources.limits import Allow, allow_all
from include.sources.location import identify_kind

READERS = {"sample": sample, "file": files, "table": table, "api": api}

__all__ = ["BATCH_ROWS", "Contents", "NothingThere", "Probe", "list_months", "open_batches", "probe"]


def list_months(settings: Settings, known: Collection[str] = ()) -> list[str]:
    """The months (YYYY-MM) that the source has, ascending; where it cannot list them, some may not be there.

    Args:
        known: Months that were seen there before, where a source that cannot list its months begins to look.

    Raises:
        SettingsError: The source setting cannot be used.
        SourceUnavailable: The source cannot be reached now.
    """
    return sorted(READERS[identify_kind(settings)].list_months(settings, known))


def probe(settings: Settings, month: str) -> Probe:
    """Looks cheaply whether `month` (YYYY-MM) is there and whether it changed.

    Raises:
        SettingsError: The source setting cannot be used.
        NothingThere: The month is not there, or its file is empty.
        SourceInvalid: It is there, but cannot be used.
        SourceUnavailable: The source cannot be reached now.
    """
    return READERS[identify_kind(settings)].probe(settings, month)


def open_batches(
    settings: Settings, month: str, allow: Allow = allow_all, *, reading: Reading | None = None
) -> AbstractContextManager[Contents]:
    """Opens `month` (YYYY-MM) for reading in batches with the source's column names; raises what `probe` raises.

    Args:
        allow: Raises for an address that a server must not redirect to.
        reading: How the source's text is to be read, where it does not show it itself; None: as the problem declares.
    """
    return READERS[identify_kind(settings)].open_month(settings, month, allow, reading or settings.problem.reading)
