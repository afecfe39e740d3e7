"""Arrays of a value for each of many rows, in files that the system reads and writes as it has memory for them."""

import ctypes
import errno
import mmap
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from io import FileIO
from typing import Any

import numpy as np
import numpy.typing as npt

from include.errors import SettingsError

# Of an array that is held in memory: a million numbers.
MOST_BYTES = 8_000_000
_PIECE = 1_000_000


def make_array(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """An array to be filled: in memory where it is small or holds objects, else in a file that is gone with it.

    Raises:
        SettingsError: The file system is full.
    """
    kind = np.dtype(dtype)
    size = kind.itemsize * int(np.prod(shape))
    if size <= MOST_BYTES or kind.hasobject:
        return np.empty(shape, kind)
    with tempfile.TemporaryFile(buffering=0) as file:
        # Every page is written once: a process that changes a page for which there is no room is killed.
        if not all(has_written(file, bytes(min(_PIECE, size - start))) for start in range(0, size, _PIECE)):
            raise SettingsError(
                f"{tempfile.gettempdir()} has no room for a column of {shape[0]:,} rows. Make room, or let TMPDIR name"
                " a directory with more."
            )
        return np.frombuffer(mmap.mmap(file.fileno(), size), kind).reshape(shape)


def collect(parts: Iterable[npt.NDArray[Any]], count: int) -> npt.NDArray[Any]:
    """What is given of n rows part by part, (n,) or (n, k), as one array, see `make_array`.

    Args:
        parts: At least one.
    """
    start, whole = 0, np.empty(0)
    for part in parts:
        if len(part) == count:
            return part
        if not start:
            whole = make_array((count, *part.shape[1:]), part.dtype)
        whole[start : start + len(part)] = part
        start += len(part)
    return whole


def release() -> None:
    """Gives memory that is free back to the system, where the C library keeps it for later."""
    with suppress(AttributeError):  # only that of GNU has it
        ctypes.CDLL(None).malloc_trim(0)


def has_written(file: FileIO, data: bytes) -> bool:
    """Writes the data; False where the file system is full."""
    try:
        return file.write(data) == len(data)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
