"""A matrix that is larger than memory should hold: in temporary files, from which it is read in batches of rows."""

import fcntl
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from include.errors import SettingsError
from include.problem.data import find_pieces
from include.problem.mapped import has_written

_ITEM = np.dtype(np.float32).itemsize
_PREFIX = "mltrain-bins-"


class Spool:
    """n rows of k float32 values, in a file that is gone with the spool, or with a process that is killed.

    The batches that are read do not depend on the pieces that were written.
    """

    def __init__(self, pieces: Iterable[npt.NDArray[np.float32]]) -> None:
        """Writes the pieces, each (rows, k), one after the other.

        Raises:
            SettingsError: The file system is full.
        """
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - read as long as there is a spool
        weakref.finalize(self, self._file.close)
        self._rows = self._width = 0
        for piece in pieces:
            if not has_written(self._file, np.ascontiguousarray(piece, dtype=np.float32).tobytes()):
                raise SettingsError(
                    f"{tempfile.gettempdir()} has no room for the matrix of a fit to more than IN_MEMORY_ROWS rows."
                    " Make room, let TMPDIR name a directory with more, or raise IN_MEMORY_ROWS where the memory"
                    " suffices."
                )
            self._rows, self._width = self._rows + len(piece), piece.shape[1]

    def __len__(self) -> int:
        return self._rows

    def read(self, start: int, stop: int) -> npt.NDArray[np.float32]:
        """The rows from `start` on, before `stop`."""
        row = self._width * _ITEM
        data = os.pread(self._file.fileno(), (stop - start) * row, start * row)
        return np.frombuffer(data, dtype=np.float32).reshape(-1, self._width)

    def cut(self, rows: int) -> Iterator[slice]:
        """Where each batch of so many rows is."""
        return find_pieces(self._rows, rows)


class Scratch:
    """A directory for files that a library writes by their names.

    A process that is killed leaves its directory behind. The next one that needs such a directory deletes it: nobody
    holds its lock any more.
    """

    def __init__(self) -> None:
        for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            with suppress(OSError):  # it is another user's, in use, or gone
                lock = _lock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
                try:
                    shutil.rmtree(left)
                finally:
                    os.close(lock)
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
            with suppress(FileNotFoundError):  # another process took it for one that was left
                self._held = _lock(self.path, fcntl.LOCK_EX)
                if self.path.exists():
                    break
                os.close(self._held)

    def delete(self) -> None:
        """Deletes the directory with its files."""
        shutil.rmtree(self.path)
        os.close(self._held)


def _lock(directory: Path, kind: int) -> int:
    """The descriptor that holds the directory's lock until it is closed.

    Raises:
        OSError: There is no such directory, or another one holds it.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, kind)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
