"""Which encoding a text file is in, checked over the whole of it before anything is read."""

import codecs
from dataclasses import dataclass
from pathlib import Path

from include.errors import SettingsError, SourceInvalid
from include.problem.reading import Reading
from include.sources.location import mask

# The longer marks first: one of UTF-32 begins like one of UTF-16.
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# What Western European programs write where they do not write UTF-8.
FALLBACK = "cp1252"
MOST_HEAD = 2**20
PIECE = 2**20
SAVE_AS_UTF8 = "Save it as UTF-8, for instance by `iconv -f latin1 -t utf-8`"


@dataclass(frozen=True)
class Text:
    """How a text file is to be read.

    Attributes:
        encoding: As Python calls it.
        head: The beginning of the text, at most about `MOST_HEAD` characters.
        has_quotes: Whether a double quote is in the file.
    """

    encoding: str
    head: str
    has_quotes: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Flaw:
    """The first byte that is not in the encoding: its value, and its line from 1."""

    byte: int
    line: int


def read_text(path: Path, url: str, reading: Reading) -> Text:
    """Finds the encoding: the declared one, else what a byte order mark says, else UTF-8, else cp1252 with a warning.

    Raises:
        SourceInvalid: The file is in no such encoding, or is no text.
        SettingsError: The declared encoding is unknown.
    """
    with path.open("rb") as file:
        start = file.read(MOST_HEAD)
    marked = next((name for mark, name in MARKS.items() if start.startswith(mark)), None)
    encoding = _normalize(reading.encoding, marked, url) if reading.encoding else marked or "utf-8"
    flaw, has_quotes = _check(path, encoding)
    warnings: tuple[str, ...] = ()
    if flaw and (reading.encoding or marked):
        raise SourceInvalid(
            f"{mask(url)}: byte 0x{flaw.byte:02X} in line {flaw.line} is not {encoding}, which "
            f"{'ENCODING declares' if reading.encoding else 'its byte order mark says'}. "
            "Set ENCODING to what it was saved as, or save it as UTF-8"
        )
    if flaw:
        other, has_quotes = _check(path, FALLBACK)
        if other:
            raise SourceInvalid(
                f"{mask(url)}: byte 0x{other.byte:02X} in line {other.line} is neither UTF-8 nor {FALLBACK}. "
                "Set ENCODING to what it was saved as, or save it as UTF-8"
            )
        encoding = FALLBACK
        place = f"{mask(url)}: byte 0x{flaw.byte:02X} in line {flaw.line}"
        warnings = (f"{place} is not UTF-8; read as {FALLBACK}. Set ENCODING to say otherwise",)
    # What was read may end in the middle of a letter, which is kept back.
    head = codecs.getincrementaldecoder(encoding)(errors="replace").decode(start)
    if "\0" in head:
        raise SourceInvalid(
            f"{mask(url)} is not a text file, or is in UTF-16 without a byte order mark. Save it as UTF-8, or set "
            "ENCODING to utf-16-le or utf-16-be"
        )
    if head.lstrip()[:15].lower().startswith(("<!doctype html", "<html")):
        raise SourceInvalid(f"{mask(url)} is a web page, not a table: check SOURCE, and whether it needs a login")
    return Text(encoding, head, has_quotes, warnings)


def _normalize(declared: str, marked: str | None, url: str) -> str:
    try:
        name = codecs.lookup(declared).name
        "".encode(name)  # some codecs turn bytes into bytes
    except (LookupError, ValueError) as error:
        raise SettingsError(
            f"ENCODING {declared!r}, declared for {mask(url)}, is unknown: give one such as utf-8, cp1252 or latin-1"
        ) from error
    # A mark that agrees is not a part of the first name.
    return marked if marked and marked.removesuffix("-sig") == name else name


def _check(path: Path, encoding: str) -> tuple[Flaw | None, bool]:
    """The first flaw of the file in this encoding, and whether there is a double quote before it."""
    plain = encoding in ("utf-8", "utf-8-sig")
    decoder = codecs.getincrementaldecoder(encoding)()
    has_quotes, clean, place = False, True, 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            has_quotes = has_quotes or b'"' in piece
            # Nearly all of the usual files, and many times quicker than to decode them.
            if not (plain and clean and piece.isascii()):
                try:
                    decoder.decode(piece)
                except UnicodeDecodeError as error:
                    held = len(error.object) - len(piece)
                    return Flaw(error.object[error.start], _count_lines(path, place - held + error.start)), has_quotes
                clean = not decoder.getstate()[0]
            place += len(piece)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        return Flaw(error.object[error.start], _count_lines(path, place - 1)), has_quotes
    return None, has_quotes


def _count_lines(path: Path, size: int) -> int:
    """The number of the line, from 1, that the byte after the first `size` ones is in."""
    line = 1
    with path.open("rb") as file:
        while size > 0 and (piece := file.read(min(PIECE, size))):
            line += piece.count(b"\n")
            size -= len(piece)
    return line
