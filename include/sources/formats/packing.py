"""Compressed files: known by their contents, whatever they are called, and unpacked to a bounded size."""

import gzip
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, cast

import pyarrow as pa

from include.errors import SourceInvalid
from include.sources.http import explain_full_disk
from include.sources.limits import explain_unpacked, limit_unpacked
from include.sources.location import mask

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZIP_MAGIC = b"PK\x03\x04"
NOT_UNPACKED = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"7z\xbc\xaf": "7-Zip", b"Rar!": "RAR"}
PIECE = 2**20


@contextmanager
def unpack(path: Path, url: str) -> Iterator[Path]:
    """The path of the contents of `path`: itself, or an unpacked copy that lives until the block ends.

    Raises:
        SourceInvalid: They are too large, or are not one file.
    """
    with path.open("rb") as file:
        head = file.read(8)
    for magic, name in NOT_UNPACKED.items():
        if head.startswith(magic):
            raise SourceInvalid(
                f"{mask(url)} is compressed by {name}, which is not read here: compress it by gzip, zstd or zip"
            )
    opener = next((opener for magic, opener in OPENERS.items() if head.startswith(magic)), None)
    if not opener or is_workbook(path):
        yield path
        return
    with TemporaryDirectory(prefix="source-") as directory:
        unpacked = Path(directory) / "unpacked"
        with opener(path, url) as packed, unpacked.open("wb") as file:
            for piece in read_pieces(packed, limit_unpacked(path.stat().st_size), url):
                with explain_full_disk(url):
                    file.write(piece)
        if not unpacked.stat().st_size:
            raise SourceInvalid(f"{mask(url)} is compressed, and empty (0 bytes) when it is unpacked: publish it again")
        yield unpacked


def read_pieces(packed: IO[bytes], most: int, url: str) -> Iterator[bytes]:
    """What unpacking gives, piece by piece; raises SourceInvalid once it is more than `most` bytes."""
    size = 0
    while piece := packed.read(PIECE):
        size += len(piece)
        if size > most:
            raise explain_unpacked(url, most)
        yield piece


def is_workbook(path: Path) -> bool:
    """Whether this is an Excel workbook, which is a zip file itself."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return "[Content_Types].xml" in archive.namelist()


def _open_gzip(path: Path, _url: str) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path))


def _open_zstd(path: Path, _url: str) -> IO[bytes]:
    return cast("IO[bytes]", pa.input_stream(str(path), compression="zstd"))


@contextmanager
def _open_zip(path: Path, url: str) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if not member.is_dir() and not _is_hidden(member.filename)]
        if len(members) != 1:
            names = ", ".join(member.filename for member in members[:5]) or "none"
            raise SourceInvalid(
                f"{mask(url)} holds {len(members)} files ({names}): a zip file must hold exactly one. "
                "Unpack it, and name its files by a pattern with *"
            )
        if members[0].flag_bits & 1:
            raise SourceInvalid(f"{mask(url)} is protected by a password: publish it without")
        with archive.open(members[0]) as file:
            yield file


def _is_hidden(name: str) -> bool:
    # macOS adds its own notes to what it packs.
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith(".")


OPENERS: dict[bytes, Callable[[Path, str], Any]] = {
    GZIP_MAGIC: _open_gzip,
    ZSTD_MAGIC: _open_zstd,
    ZIP_MAGIC: _open_zip,
}
