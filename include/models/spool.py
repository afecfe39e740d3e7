"""A matrix that is larger than memory should hold: in a temporary file, from which it is read in batches of rows."""

import os
import tempfile
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from include.problem.data import ROWS_AT_ONCE

_ITEM = np.dtype(np.float32).itemsize


class Spool:
    """n rows of k float32 values, in a file that is gone with the process.

    The batches that are read follow from n alone, whatever the pieces that were written.
    """

    def __init__(self, pieces: Iterable[npt.NDArray[np.float32]]) -> None:
        """Writes the pieces, each (rows, k), one after the other."""
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - read as long as there is a spool
        self._rows = self._width = 0
        for piece in pieces:
            self._file.write(np.ascontiguousarray(piece, dtype=np.float32).data)
            self._rows, self._width = self._rows + len(piece), piece.shape[1]
        self._file.flush()

    def __len__(self) -> int:
        return self._rows

    def read(self, start: int, stop: int) -> npt.NDArray[np.float32]:
        """The rows from `start` on, before `stop`."""
        row = self._width * _ITEM
        data = os.pread(self._file.fileno(), (stop - start) * row, start * row)
        return np.frombuffer(data, dtype=np.float32).reshape(-1, self._width)

    def cut(self) -> Iterator[slice]:
        """Where each batch is."""
        for start in range(0, self._rows, ROWS_AT_ONCE):
            yield slice(start, min(start + ROWS_AT_ONCE, self._rows))
