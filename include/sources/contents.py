"""What every kind of source gives: a cheap look at a month, and the month's contents in batches."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

# Reading one batch goes on while the warehouse stores the one before; larger ones would leave it waiting.
BATCH_ROWS = 16_384


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
    """

    location: str
    size: int | None
    validator: str | None
    sha256: str
    columns: dict[str, str]
    read: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]
