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


class Growing:
    """An array whose values come part by part: in memory while it is small, else in a file that is gone with it.

    Objects are always held in memory, texts that are the same as one object.
    """

    def __init__(self, *, in_memory: bool = False) -> None:
        self._in_memory = in_memory
        self._parts: list[npt.NDArray[Any]] = []
        self._rows = self._bytes = 0
        self._file: FileIO | None = None
        self._texts: dict[Any, Any] = {}

    def append(self, part: npt.NDArray[Any]) -> None:
        """Adds the values of further rows, (n,) or (n, k).

        Raises:
            SettingsError: The file system is full.
        """
        if part.dtype.hasobject:
            part = np.array([self._texts.setdefault(text, text) for text in part], part.dtype)
        # A copy, as the part may keep all columns that it was read with.
        self._parts.append(part.copy())
        self._rows += len(part)
        self._bytes += part.nbytes
        if self._bytes > MOST_BYTES and not self._in_memory and not part.dtype.hasobject:
            self._write()

    def finish(self) -> npt.NDArray[Any]:
        """All values, of at least one part, in memory of their own; gives up the parts."""
        if self._file is None:
            parts, self._parts = self._parts, []
            return parts[0] if len(parts) == 1 else np.concatenate(parts)
        self._write()
        with self._file:
            memory = mmap.mmap(self._file.fileno(), 0)
        [like] = self._parts
        return np.frombuffer(memory, like.dtype).reshape(-1, *like.shape[1:])

    def _write(self) -> None:
        self._file = self._file or tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - until it is mapped
        for part in self._parts:
            # Not by changing pages of the file: where there is no room for one, the process is killed.
            if not has_written(self._file, part.tobytes()):
                self._file.close()
                raise SettingsError(
                    f"{tempfile.gettempdir()} has no room for a column of {self._rows:,} rows or more. Make room, or"
                    " let TMPDIR name a directory with more."
                )
        self._parts, self._bytes = [self._parts[-1][:0]], 0


def collect(parts: Iterable[npt.NDArray[Any]], count: int) -> npt.NDArray[Any]:
    """What is given of n rows part by part, (n,) or (n, k), as one array, see `Growing`.

    Args:
        parts: At least one.
    """
    whole = Growing()
    for part in parts:
        if len(part) == count:
            return part
        whole.append(part)
    return whole.finish()


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
