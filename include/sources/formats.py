"""Files of trips, Parquet or CSV: their columns, their rows in batches, and in our words what is wrong with them."""

import codecs
import csv
import gzip
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from include.errors import MltrainError, SourceInvalid
from include.sources.contents import BATCH_ROWS
from include.sources.location import explain, mask

# Columns by name and type, and what reads some of them in batches.
Opened = tuple[dict[str, str], Callable[[Sequence[str]], Iterator[pa.RecordBatch]]]
GZIP_MAGIC = b"\x1f\x8b"
# The longer marks first: one of UTF-32 begins like one of UTF-16.
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
SEPARATORS = ",;\t|"
MOST_HEADER = 1 << 20
SAVE_AS_UTF8 = "Save it as UTF-8, for instance by `iconv -f latin1 -t utf-8`"


@contextmanager
def translate_errors(url: str, path: Path | None = None) -> Iterator[None]:
    """Turns what libraries raise about a file's contents into an error that names the file and the remedy.

    Args:
        path: Where the file is a CSV: its copy on this machine, to say where it is not in UTF-8.
    """
    try:
        yield
    except MltrainError:
        raise
    except Exception as error:  # damaged files make libraries raise all kinds of errors
        if path and (line := _find_line_not_utf8(path)):
            raise SourceInvalid(f"{mask(url)}, line {line}, is not in UTF-8. {SAVE_AS_UTF8}") from error
        raise SourceInvalid(
            f"{mask(url)} is damaged or cut short ({explain(error, url)}): publish or download the file again"
        ) from error


def guard(read: Callable[[], Iterator[pa.RecordBatch]], url: str, path: Path | None = None) -> Iterator[pa.RecordBatch]:
    """The batches of `read`, with its errors turned into ours."""
    with translate_errors(url, path):
        yield from read()


def open_parquet(path: Path, url: str) -> Opened:
    """Opens a Parquet file; raises SourceInvalid where two of its columns have one name."""
    metadata = pq.read_metadata(path)
    schema = metadata.schema.to_arrow_schema()
    require_distinct(schema.names, url)
    columns = {field.name: str(field.type) for field in schema}
    # Few values in many rows, as a rule; and most texts are only compared.
    texts = [name for name, kind in columns.items() if kind in ("string", "large_string")]
    file = pq.ParquetFile(path, memory_map=True, metadata=metadata, read_dictionary=texts)

    def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        # One thread: months are read side by side, and each ahead of what stores it.
        return file.iter_batches(batch_size=BATCH_ROWS, columns=list(names), use_threads=False)

    return columns, read


def open_csv(path: Path, url: str, wanted: Collection[str]) -> Opened:
    """Opens a CSV file, packed by gzip or not, in UTF-8 or in what a byte order mark says, with any usual separator.

    Args:
        wanted: Columns that tell which separator is right: where a comma gives fewer of them than another one.

    Raises:
        SourceInvalid: Its header is in another encoding, or has a name twice.
    """
    header, encoding = _read_header(path, url)
    separator = max(SEPARATORS, key=lambda mark: len(set(_split(header, mark)) & set(wanted)))
    require_distinct(_split(header, separator), url)
    compression = "gzip" if _is_gzip(path) else None

    def open_reader(names: Sequence[str] | None = None) -> pa.csv.CSVStreamingReader:
        # Everything as text: a value of the wrong type is then one refused row, not a file that cannot be read.
        options = pa.csv.ConvertOptions(
            include_columns=names, column_types=dict.fromkeys(names or (), pa.string()), strings_can_be_null=True
        )
        stream = pa.input_stream(str(path), compression=compression)
        return pa.csv.open_csv(
            stream,
            # Arrow skips the mark of UTF-8 by itself.
            read_options=pa.csv.ReadOptions(encoding="utf8" if encoding == "utf-8-sig" else encoding),
            parse_options=pa.csv.ParseOptions(delimiter=separator),
            convert_options=options,
        )

    columns = dict.fromkeys(open_reader().schema.names, "text")
    return columns, lambda names: iter(open_reader(list(names)))


def require_distinct(names: Sequence[str], url: str) -> None:
    """Raises SourceInvalid where a name is there twice: which column was meant, nobody can tell."""
    twice = list(dict.fromkeys(name for name in names if names.count(name) > 1))
    if twice:
        raise SourceInvalid(
            f"{mask(url)} has more than one column of the name {', '.join(map(repr, twice))}: "
            "give each column a name of its own"
        )


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(GZIP_MAGIC)) == GZIP_MAGIC


def _open_bytes(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if _is_gzip(path) else path.open("rb")


def _read_header(path: Path, url: str) -> tuple[str, str]:
    """The first line, and the name of the encoding."""
    with _open_bytes(path) as file:
        head = file.read(MOST_HEADER)
    encoding = next((name for mark, name in MARKS.items() if head.startswith(mark)), "utf8")
    # What was read may end in the middle of a letter, which is kept back.
    text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(head)
    header = next((line for line in text.replace("\r", "\n").split("\n") if line.strip()), "")
    if "\0" in header:
        raise SourceInvalid(f"{mask(url)} is in UTF-16 without a byte order mark, or no text at all. {SAVE_AS_UTF8}")
    return header, encoding


def _split(header: str, separator: str) -> list[str]:
    return next(csv.reader([header], delimiter=separator), [])


def _find_line_not_utf8(path: Path) -> int | None:
    """The number of the first line that is not in UTF-8, from 1; None where all are, or a mark says that none is."""
    with _open_bytes(path) as file:
        try:
            for number, line in enumerate(file, 1):
                if number == 1 and any(line.startswith(mark) for mark in MARKS if mark != codecs.BOM_UTF8):
                    return None
                try:
                    line.decode()
                except UnicodeDecodeError:
                    return number
        except (OSError, EOFError, zlib.error):
            pass  # damaged in another way
    return None
