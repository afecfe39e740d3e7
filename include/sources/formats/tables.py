"""Files of tables: which form a file has, its columns, its rows in batches, and in our words what is wrong with it."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from include.errors import MltrainError, SourceInvalid
from include.problem.reading import Reading
from include.sources.contents import BATCH_ROWS, Opened, find_positions, name_columns
from include.sources.formats.batches import cut, name_type
from include.sources.formats.delimited import open_csv
from include.sources.formats.packing import ZIP_MAGIC
from include.sources.formats.records import open_lines
from include.sources.formats.workbooks import OLE_MAGIC, open_workbook
from include.sources.location import BINARY_SUFFIXES, PACKED_SUFFIXES, TEXT_SUFFIXES, explain, list_names, mask

PARQUET_MAGIC = b"PAR1"
ARROW_MAGIC = b"ARROW1"
FEATHER_1_MAGIC = b"FEA1"
# Files are read in pieces, not mapped: a process ends where what it maps is cut short.
READ_BYTES = 2**20
TEXT = re.compile(rb"[\t\r\n -~]")
# What Arrow says of a line that has not one value for each name.
UNEVEN = re.compile(r"Expected (\d+) columns, got (\d+): ?(.*)")
MOST_LINE = 80


@contextmanager
def translate_errors(url: str) -> Iterator[None]:
    """Turns what libraries raise about a file's contents into an error that names the file and the remedy."""
    try:
        yield
    except MltrainError:
        raise
    except Exception as error:  # damaged files make libraries raise all kinds of errors
        raise SourceInvalid(f"{mask(url)}{_describe(explain(error, url))}") from error


def _describe(error: str) -> str:
    if not (uneven := UNEVEN.search(error)):
        return f" is damaged or cut short ({error}): publish or download the file again"
    names, values, line = uneven.groups()
    # The last line of a file that is cut short has fewer.
    again = ", or download the file again if it is cut short" if int(values) < int(names) else ""
    return (
        f": the number of columns is {values} in the line '{line[:MOST_LINE]}', but {names} in the first line, which "
        f"must hold the names. Correct either line, or set DELIMITER{again}"
    )


def guard(read: Callable[[], Iterator[pa.RecordBatch]], url: str) -> Iterator[pa.RecordBatch]:
    """The batches of `read`, with its errors turned into ours."""
    with translate_errors(url):
        yield from read()


def open_table(path: Path, url: str, wanted: Collection[str], reading: Reading) -> Opened:
    """Opens a file that is not compressed, by the form that its first bytes show, else by its name.

    Args:
        wanted: Columns that should be there.

    Raises:
        SourceInvalid: It cannot be read; the message tells what to change.
    """
    with path.open("rb") as file:
        head = file.read(8)
    opener = next((opener for magic, opener in BY_MAGIC.items() if _begins_with(head, magic)), None)
    if opener is None:
        suffix = find_suffix(url)
        if suffix in TEXT_SUFFIXES and suffix not in BY_SUFFIX:
            opener = partial(open_csv, wanted=wanted, reading=reading)
        else:
            opener = BY_SUFFIX[suffix]
    return opener(path, url)


def _begins_with(head: bytes, magic: bytes) -> bool:
    """Whether these first bytes show a form: a text whose header begins with a column called PAR1 goes on as text."""
    return head.startswith(magic) and not TEXT.match(head, len(magic))


def find_suffix(url: str) -> str:
    """The end of the name that shows the form, such as `.csv`; of a packed file that of what is in it."""
    for name in map(str.lower, list_names(url)):
        for packed in PACKED_SUFFIXES:
            name = name.removesuffix(packed)
        if suffix := next((suffix for suffix in (*TEXT_SUFFIXES, *BINARY_SUFFIXES) if name.endswith(suffix)), ""):
            return suffix
    return ""


def open_parquet(path: Path, url: str) -> Opened:
    """Opens a Parquet file; raises SourceInvalid where two of its columns have one name."""
    metadata = pq.read_metadata(path)
    schema = metadata.schema.to_arrow_schema()
    # Few values in many rows, as a rule; and most texts are only compared.
    texts = [field.name for field in schema if str(field.type) in ("string", "large_string")]
    given = name_columns(schema.names, url)
    # The times of Spark, Hive and Impala: in Arrow's nanoseconds, those beyond 1677 to 2262 would become other times.
    leaves = map(metadata.schema.column, range(len(metadata.schema)))
    int96 = {leaf.path for leaf in leaves if leaf.physical_type == "INT96"}
    types = _name_types(schema, given) | {name: "timestamp[us]" for name, column in given.items() if column in int96}
    file = pq.ParquetFile(
        path, buffer_size=READ_BYTES, metadata=metadata, read_dictionary=texts, coerce_int96_timestamp_unit="us"
    )

    def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        # One thread: months are read side by side, and each ahead of what stores it.
        wanted = [given[name] for name in names]
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=wanted, use_threads=False):
            yield from cut(_select(batch, wanted, names))

    return Opened(types, read)


def _name_types(schema: pa.Schema, given: Mapping[str, str]) -> dict[str, str]:
    positions = find_positions(schema.names)
    return {name: name_type(schema.field(positions[column]).type) for name, column in given.items()}


def _select(batch: pa.RecordBatch, wanted: Sequence[str], names: Sequence[str]) -> pa.RecordBatch:
    """The columns called as in `wanted`, called as in `names`."""
    positions = find_positions(batch.schema.names)
    return batch.select([positions[name] for name in wanted]).rename_columns(list(names))


def open_arrow(path: Path, url: str) -> Opened:
    """Opens a file of Arrow's own format, which is also that of Feather 2, or of its stream."""
    with path.open("rb") as file:
        open_reader = pa.ipc.open_file if file.read(len(ARROW_MAGIC)) == ARROW_MAGIC else pa.ipc.open_stream

    def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        wanted = [given[name] for name in names]
        options = pa.ipc.IpcReadOptions(included_fields=sorted(positions[name] for name in wanted))
        with pa.OSFile(str(path)) as source, open_reader(source, options=options) as reader:
            count = getattr(reader, "num_record_batches", None)
            batches = reader if count is None else map(reader.get_batch, range(count))
            for batch in batches:
                batch.validate(full=True)  # other formats are checked while they are decoded
                yield from cut(_select(batch, wanted, names))

    with pa.OSFile(str(path)) as source, open_reader(source) as reader:
        schema = reader.schema
    given = name_columns(schema.names, url)
    positions = find_positions(schema.names)
    return Opened(_name_types(schema, given), read)


def _refuse_feather(_path: Path, url: str) -> Opened:
    raise SourceInvalid(f"{mask(url)} is in version 1 of Feather, which is no longer read: write it again as Feather 2")


BY_MAGIC: dict[bytes, Callable[[Path, str], Opened]] = {
    PARQUET_MAGIC: open_parquet,
    ARROW_MAGIC: open_arrow,
    FEATHER_1_MAGIC: _refuse_feather,
    ZIP_MAGIC: open_workbook,
    OLE_MAGIC: open_workbook,
}
BY_SUFFIX: dict[str, Callable[[Path, str], Opened]] = {
    ".jsonl": open_lines,
    ".ndjson": open_lines,
    ".parquet": open_parquet,
    ".arrow": open_arrow,
    ".feather": open_arrow,
    ".xlsx": open_workbook,
}
