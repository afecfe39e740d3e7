"""Batches of Arrow's own files: in types that everything here reads, and of a bounded size."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from include.sources.contents import BATCH_ROWS

# A small file may repeat one long text in every row, and each step of a load makes a copy of its texts.
MOST_TEXT = 2**25


def name_type(kind: pa.DataType) -> str:
    """The name of the type in which arrays of `kind` are given."""
    return str(_simplify(pa.nulls(0, kind)).type)


def cut(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in parts of at most `BATCH_ROWS` rows and about `MOST_TEXT` bytes of text, in simple types."""
    for start in range(0, batch.num_rows, BATCH_ROWS):
        some = batch.slice(start, BATCH_ROWS)
        ends = np.cumsum(sum(map(_measure_texts, some.columns), np.zeros(some.num_rows, np.int64)))
        bounds = [0, *(np.flatnonzero(np.diff(ends // MOST_TEXT)) + 1).tolist(), some.num_rows]
        for first, last in pairwise(bounds):
            part = some.slice(first, last - first)
            # Else each part would go on holding, and hashing, the texts of all of them.
            arrays = [_decode(array) if len(bounds) > 2 else array for array in part.columns]
            yield pa.record_batch(list(map(_simplify, arrays)), some.schema.names)


def _simplify(array: pa.Array) -> pa.Array:
    """The values of an extension type as what they are stored as, a UUID as its usual text; runs as single values."""
    kind = array.type
    if isinstance(kind, pa.UuidType):
        return pa.array([None if value is None else str(value) for value in array.to_pylist()], pa.string())
    if isinstance(kind, pa.Bool8Type):
        return array.storage.cast(pa.bool_())
    if isinstance(kind, pa.BaseExtensionType):
        return _simplify(array.storage)
    return _simplify(pc.run_end_decode(array)) if pa.types.is_run_end_encoded(kind) else array


def _decode(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _measure_texts(array: pa.Array) -> npt.NDArray[np.int64]:
    """Bytes of each text or binary value, (n,), without decoding any; 0 for values of other types."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _measure_texts(array.storage)
    if pa.types.is_dictionary(kind):
        sizes = pa.array(_measure_texts(array.dictionary)).take(array.indices)
    elif pa.types.is_run_end_encoded(kind):
        runs = pa.RunEndEncodedArray.from_arrays(array.run_ends, pa.array(_measure_texts(array.values)))
        sizes = pc.run_end_decode(runs.slice(array.offset, len(array)))
    elif pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        # A view begins with its size, in four of 16 bytes; what a null has there is of no account.
        views = np.frombuffer(array.buffers()[1], np.int32).reshape(-1, 4)
        return views[array.offset : array.offset + len(array), 0].astype(np.int64)
    elif any(is_kind(kind) for is_kind in _SIZED):
        sizes = pc.binary_length(array).cast(pa.int64())
    else:
        return np.zeros(len(array), np.int64)
    return pc.fill_null(sizes, 0).to_numpy(zero_copy_only=False)


_SIZED = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
