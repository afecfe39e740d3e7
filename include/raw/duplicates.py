"""Rows that are identical in every column of the source.

All columns count, not only those that are kept: real data has two rows for what was charged and refunded.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NULL = np.uint64(0x9E3779B97F4A7C15)
MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)
SHIFT = np.uint64(32)


def hash_rows(batch: pa.RecordBatch) -> np.ndarray:
    """A 64-bit hash of each row over all of its columns, the same in every batch."""
    hashes = np.zeros(batch.num_rows, np.uint64)
    shifted = np.empty_like(hashes)
    for column in batch.columns:
        # In place: a new array for each step would take as long as the arithmetic.
        hashes ^= _hash_values(column)
        hashes *= MULTIPLIER
        hashes ^= np.right_shift(hashes, SHIFT, out=shifted)
    return hashes


def find_duplicates(hashes: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Positions of rows whose hash came before, and of the first row with that hash; ordered by position."""
    ordered = np.concatenate([np.array([], np.uint64), *hashes])
    ordered.sort()
    if not (ordered[1:] == ordered[:-1]).any():  # as a rule; sorting positions takes ten times as long
        return np.array([], np.int64), np.array([], np.int64)
    together = np.concatenate(hashes)
    order = np.argsort(together, kind="stable")
    repeats = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
    starts = np.searchsorted(ordered, ordered[repeats])
    by_position = np.argsort(order[repeats])
    return order[repeats][by_position], order[starts][by_position]


def _hash_values(column: pa.Array) -> np.ndarray:
    kind = column.type
    if pa.types.is_floating(kind):  # missing values become NaN, which is as good a mark as any
        return column.to_numpy(zero_copy_only=False).astype(np.float64, copy=False).view(np.uint64)
    if column.null_count == len(column):
        return np.full(len(column), NULL)
    is_time = pa.types.is_temporal(kind) and not pa.types.is_interval(kind)
    if pa.types.is_integer(kind) or is_time or pa.types.is_boolean(kind):
        width = pa.int32() if pa.types.is_date32(kind) or pa.types.is_time32(kind) else pa.int64()
        values = pc.fill_null(column.cast(width, safe=False), 0).to_numpy().astype(np.int64, copy=False).view(np.uint64)
    else:
        values = _hash_texts(column)
    return np.where(column.is_null().to_numpy(zero_copy_only=False), NULL, values) if column.null_count else values


def _hash_texts(column: pa.Array) -> np.ndarray:
    try:
        encoded = column.dictionary_encode()
    except pa.ArrowNotImplementedError:  # of lists, records and the like
        encoded = pa.array([repr(value) for value in column.to_pylist()]).dictionary_encode()
    # Of times in a dictionary, Python knows none beyond the year 9999, and Arrow writes them.
    kind = encoded.dictionary.type
    temporal = pa.types.is_temporal(kind) and not pa.types.is_interval(kind)
    values = encoded.dictionary.cast(pa.string()) if temporal else encoded.dictionary
    texts = [str(value).encode() for value in values.to_pylist()]
    hashes = [int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) for text in texts]
    return np.array(hashes, np.uint64)[pc.fill_null(encoded.indices, 0).to_numpy()]
