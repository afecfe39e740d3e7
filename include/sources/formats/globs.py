"""Several files that are one table: their rows one after the other."""

import hashlib
from collections.abc import Iterator, Sequence

import pyarrow as pa

from include.errors import SourceInvalid
from include.sources.contents import Contents
from include.sources.location import mask


def combine(parts: Sequence[str | None]) -> str | None:
    """One sign of a change for several files, which is that of a single one; None where one of them has none."""
    signs = [part for part in parts if part is not None]
    if len(parts) == 1:
        return parts[0]
    return hashlib.sha256("\n".join(signs).encode()).hexdigest() if len(signs) == len(parts) else None


def join(url: str, parts: Sequence[Contents]) -> Contents:
    """The contents of several files as those of one: columns are matched by name, whatever their order.

    Raises:
        SourceInvalid: A file has not the columns of the first one.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts[1:]:
        for one, other in ((first, part), (part, first)):
            if missing := [name for name in one.columns if name not in other.columns]:
                names = ", ".join(map(repr, missing))
                raise SourceInvalid(
                    f"{other.location} has no column {names}, which {one.location} has: "
                    f"the files of {mask(url)} are one table, so give all of them the same columns"
                )

    def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for part in parts:
            yield from part.read(names)

    sizes = [part.size for part in parts if part.size is not None]
    return Contents(
        mask(url),
        sum(sizes),
        combine([part.validator for part in parts]),
        str(combine([part.sha256 for part in parts])),
        first.columns,
        read,
        tuple(warning for part in parts for warning in part.warnings),
    )
