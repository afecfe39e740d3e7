"""Excel workbooks: the table of the first sheet that shows one."""

import datetime as dt
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import islice
from pathlib import Path
from string import digits
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

import pyarrow as pa

from include.errors import SourceInvalid
from include.sources.contents import BATCH_ROWS, Opened, find_positions, name_columns
from include.sources.formats.packing import read_pieces
from include.sources.formats.records import make_array
from include.sources.location import mask

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

# What old and encrypted workbooks begin with.
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# The reader holds a sheet in memory, which takes about three times as much.
MOST_BYTES = 2**27
# It also makes room, of some 30 bytes, for each empty cell between two values.
MOST_CELLS = 2**24


def open_workbook(path: Path, url: str) -> Opened:
    """Opens an Excel workbook (.xlsx), whose first row with a value has the names.

    Raises:
        SourceInvalid: It is too large, or has no table, or values far away from it.
    """
    with path.open("rb") as file:
        if file.read(len(OLE_MAGIC)) == OLE_MAGIC:
            raise SourceInvalid(
                f"{mask(url)} is a workbook of an old form, or is protected by a password: save it as .xlsx without one"
            )
    _require_small(path, url)
    from python_calamine import CalamineWorkbook, SheetVisibleEnum

    workbook = CalamineWorkbook.from_path(str(path))
    shown = [sheet.name for sheet in workbook.sheets_metadata if sheet.visible == SheetVisibleEnum.Visible]
    sheets = [sheet for sheet in map(workbook.get_sheet_by_name, shown) if sheet.height]
    if not sheets:
        raise SourceInvalid(f"{mask(url)} has no sheet with a value in it: check SOURCE")
    sheet = sheets[0]
    header = next(_read_rows(sheet))
    given = [str(_clean(value) if value != "" else "") for value in header]
    positions = find_positions(given)
    names = {name: positions[cell] for name, cell in name_columns(given, url).items()}
    warnings = [
        f"{mask(url)} has the sheets {', '.join(repr(sheet.name) for sheet in sheets)}: the first one was read"
    ] * (len(sheets) > 1)

    def read(wanted: Sequence[str]) -> Iterator[pa.RecordBatch]:
        rows = islice(_read_rows(sheet), 1, None)
        while some := list(islice(rows, BATCH_ROWS)):
            columns = list(zip(*some, strict=True))
            arrays = [make_array([_clean(value) for value in columns[names[name]]]) for name in wanted]
            yield pa.record_batch(arrays, wanted)

    first = next(read(list(names)), None)
    types = [str(kind) for kind in first.schema.types] if first else ["null"] * len(names)
    return Opened(dict(zip(names, types, strict=True)), read, tuple(warnings))


def _require_small(path: Path, url: str) -> None:
    """Unpacks everything once, as what the file says of its own size need not be true."""
    left, cells = MOST_BYTES, 0
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                try:
                    contents = b"".join(read_pieces(file, left, url))
                except SourceInvalid as error:
                    raise SourceInvalid(
                        f"{mask(url)} is too large for a workbook (more than {MOST_BYTES:,} bytes when it is "
                        "unpacked): save the sheet as CSV or Parquet"
                    ) from error
            left -= len(contents)
            if b"sheetData" in contents:  # whatever it is called
                cells += _count_cells(contents)
    if cells > MOST_CELLS:
        raise SourceInvalid(
            f"{mask(url)} has values so far apart that its sheets span {cells:,} cells, more than {MOST_CELLS:,}: "
            "delete those far from the table, or save the sheet as CSV or Parquet"
        )


def _count_cells(sheet: bytes) -> int:
    """The cells of the least rectangle around all values of a sheet, which the reader makes room for."""
    row, column = 0, 0
    rows: set[int | str] = set()
    columns: set[int | str] = set()
    reference: str | None = None

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal row, column, reference
        name = name.rpartition(":")[2]
        if name == "c":
            before, reference = reference, attributes.get("r")
            if not reference:
                column = (_number_column(before.rstrip(digits)) if before else column) + 1
        elif name in ("v", "is"):
            # Kept as text: there are millions.
            letters = (reference or "").rstrip(digits)
            rows.add(reference[len(letters) :] if reference else row)
            columns.add(letters if reference else column)
        elif name == "row":
            row, column, reference = int(attributes.get("r", row + 1)), 0, None

    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    parser.Parse(sheet, True)
    return _span(map(int, rows)) * _span(map(_number_column, columns))


def _span(positions: Iterable[int]) -> int:
    found = sorted(positions)
    return found[-1] - found[0] + 1 if found else 0


def _number_column(column: int | str) -> int:
    """The column's number: 1 of A, 26 of Z, 27 of AA."""
    if isinstance(column, int):
        return column
    return reduce(lambda number, letter: number * 26 + ord(letter) - ord("A") + 1, column.upper(), 0)


def _read_rows(sheet: "CalamineSheet") -> Iterator[list[Any]]:
    return (row for row in sheet.iter_rows() if any(value != "" for value in row))


def _clean(value: Any) -> Any:
    if value == "":
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    # Whether a cell shows its time is a matter of its format.
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.datetime.combine(value, dt.time())
    return value
