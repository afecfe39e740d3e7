"""What every kind of source gives: a cheap look at a month, and the month's contents in batches."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from include.errors import SourceInvalid
from include.sources.location import mask

# Reading one batch goes on while the warehouse stores the one before; larger ones would leave it waiting.
BATCH_ROWS = 16_384

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


def name_columns(names: Sequence[str], url: str) -> list[str]:
    """The columns' names without blanks around them.

    Raises:
        SourceInvalid: Two columns have one name: which one was meant, nobody can tell.
    """
    names = [name.strip() for name in names]
    for name in dict.fromkeys(names):
        if (times := names.count(name)) > 1:
            positions = [str(position) for position, other in enumerate(names, 1) if other == name]
            often = "twice" if times == 2 else f"{times} times"
            places = f"{', '.join(positions[:-1])} and {positions[-1]}"
            raise SourceInvalid(f"{mask(url)}: column '{name}' is there {often} (positions {places}): rename one")
    return names
