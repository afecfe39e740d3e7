"""What every kind of source gives: a cheap look at a month, and the month's contents in batches."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from include.errors import SourceInvalid
from include.sources.location import mask


class NothingThere(SourceInvalid):
    """There is nothing at an address: no such file, an empty one, or a server that says so."""


# Reading one batch goes on while the warehouse stores the one before; larger ones would leave it waiting.
BATCH_ROWS = 16_384
# So many of a repeated column's positions are told.
MOST_POSITIONS = 6

# Gives batches of the named columns.
Read = Callable[[Sequence[str]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class Probe:
    """What a cheap look at a month tells; None where the source cannot tell without being read.

    Attributes:
        validator: Sign of a change: ETag, or size and modification time.
    """

    month: str
    location: str
    size: int | None
    validator: str | None
    sha256: str | None


@dataclass(frozen=True)
class Contents:
    """A month of an opened source.

    Attributes:
        columns: Every column of the source, name to type as the source calls it.
        sha256: Hash of the contents.
        read: Gives batches of the named columns, at most about `BATCH_ROWS` rows each, in the source's own types,
            which may differ between batches where the format has no schema.
        warnings: What was decided in reading that a person should know.
    """

    location: str
    size: int | None
    validator: str | None
    sha256: str
    columns: dict[str, str]
    read: Read
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Opened:
    """An opened file's table: as in `Contents`, of which it is a part."""

    columns: dict[str, str]
    read: Read
    warnings: tuple[str, ...] = ()


def name_columns(names: Sequence[str], url: str) -> dict[str, str]:
    """The columns' names without blanks around them -> as they are given; of those without a name, the first one's.

    Raises:
        SourceInvalid: Two columns have one name: which one was meant, nobody can tell.
    """
    named: dict[str, str] = {}
    for name in names:
        named.setdefault(name.strip(), name)
    counts = Counter(name.strip() for name in names)
    # Spreadsheets write empty columns at the end, and no declaration can name one that has no name.
    if repeated := next((name for name, times in counts.items() if name and times > 1), None):
        times = counts[repeated]
        positions = [str(position) for position, name in enumerate(names, 1) if name.strip() == repeated]
        often = "twice" if times == 2 else f"{times} times"
        last = positions[-1] if times <= MOST_POSITIONS else "others"
        places = f"{', '.join(positions[: MOST_POSITIONS - 1][: times - 1])} and {last}"
        raise SourceInvalid(f"{mask(url)}: column '{repeated}' is there {often} (positions {places}): rename one")
    return named


def find_positions(names: Sequence[str]) -> dict[str, int]:
    """Name -> position; of several columns without a name, the first one's."""
    return {name: position for position, name in reversed(list(enumerate(names)))}
