"""Answered predictions on disk until the database has them, so that a service that is killed loses none.

A journal is one file that grows by a line for each request, before its answer leaves: the line is the kernel's then,
which keeps it when the process dies (not when the machine does: nothing waits for the disk itself). While its process
lives it is locked; one that can be locked belongs to a process that is gone, and whoever comes next writes it to the
database. How far that has come stands in `prediction.journals`, in the same transaction as the rows.

<directory>/<id>.journal   a line: checksum, number within the journal, predictions
"""

import fcntl
import logging
import os
import uuid
import zlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from pydantic_core import from_json, to_json

from include.prediction.log import Predictions
from include.problem.values import from_json_values, to_json_values

log = logging.getLogger(__name__)
# A journal of this size is followed by another one, and removed when all of it is in the database.
MOST_BYTES = 16 * 1024 * 1024
SUFFIX = ".journal"


class Journal:
    """One file, locked as long as it is open.

    Attributes:
        name: Unique, in `prediction.journals` too.
        last: Number of its last line; 0 where there is none.
        size: In bytes.
    """

    def __init__(self, path: Path, descriptor: int, size: int = 0) -> None:
        self.path, self.name = path, path.stem
        self.last = 0
        self.size = size
        self._descriptor = descriptor

    @classmethod
    def create(cls, directory: Path) -> "Journal":
        """A new one; an OSError where there is no place for it."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / f"{uuid.uuid4()}{SUFFIX}"
        # Under a name that nobody looks for until it is locked.
        hidden = path.with_suffix(".new")
        descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(path)
        return cls(path, descriptor)

    def append(self, record: bytes) -> int:
        """Adds a line and returns its number.

        Args:
            record: See `to_record`.

        Raises:
            OSError: It could not be written, and nothing of it is left.
        """
        line = _write_line(self.last + 1, record)
        written = 0
        try:
            written = os.write(self._descriptor, line)
            if written < len(line):
                raise OSError(f"{self.path}: the disk is full")
        except OSError:
            # What comes next must not stand on the same line.
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(line)
        self.last += 1
        return self.last

    def read(self) -> Iterator[tuple[int, Predictions]]:
        """Its whole lines with their numbers; one that a kill tore ends it, or is left out.

        Raises:
            OSError: The file is gone or cannot be read.
        """
        with self.path.open("rb") as file:
            for line in file:
                found = _read_line(line)
                if found is None:
                    log.warning("%s: a line that cannot be read is left out", self.path)
                else:
                    self.last = found[0]
                    yield found

    def remove(self) -> None:
        """Removes the file: all of it is in the database."""
        with suppress(OSError):
            self.path.unlink()
        self.close()

    def close(self) -> None:
        """Lets go of the file, for whoever comes next."""
        os.close(self._descriptor)


def adopt_journals(directory: Path) -> list[Journal]:
    """Those whose process is gone, locked for this one, the oldest first."""
    adopted = []
    paths = directory.glob(f"*{SUFFIX}") if directory.is_dir() else ()
    for path in sorted(paths, key=_find_age):
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        except OSError as error:
            warn_of_unreadable(path, error)
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another one may have written and removed it between the two.
            found = os.fstat(descriptor)
            same = os.path.samestat(found, path.stat())
        except OSError:
            same = False
        if same:
            adopted.append(Journal(path, descriptor, found.st_size))
        else:
            os.close(descriptor)
    return adopted


def warn_of_unreadable(path: Path, error: OSError) -> None:
    """Names a journal that is left out."""
    log.warning(
        "%s cannot be read, so its predictions are not written to prediction.log: %s. If they should be, make the file"
        " readable and restart the service.",
        path,
        error,
    )


def to_record(answered: Predictions) -> bytes:
    """Predictions as a line has them: a JSON list without its opening bracket, behind which the number comes."""
    columns = [[name, kind, to_json_values(kind, answered.rows[name])] for name, kind in answered.kinds.items()]
    record = [answered.at, answered.source, answered.request_id, answered.model_version, columns, answered.predicted]
    return to_json(record)[1:]


def _find_age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _write_line(number: int, record: bytes) -> bytes:
    body = b"[%d,%b" % (number, record)
    return b"%08x %b\n" % (zlib.crc32(body), body)


def _read_line(line: bytes) -> tuple[int, Predictions] | None:
    try:
        checksum, _, body = line.removesuffix(b"\n").partition(b" ")
        if int(checksum, 16) != zlib.crc32(body):
            return None
        number, at, source, request_id, model_version, columns, predicted = from_json(body)
        rows = {name: from_json_values(kind, values) for name, kind, values in columns}
        kinds = {name: kind for name, kind, _ in columns}
        moment = datetime.fromisoformat(at)
        return number, Predictions(moment, source, request_id, model_version, rows, kinds, dict(predicted))
    except (ValueError, TypeError, KeyError):
        return None
