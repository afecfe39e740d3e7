"""Excel workbooks: the table of the first sheet that shows one."""

import datetime as dt
import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from include.errors import SourceInvalid
from include.sources.contents import BATCH_ROWS, Opened, name_columns
from include.sources.formats.packing import read_pieces
from include.sources.formats.records import make_array
from include.sources.location import mask

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

# What old and encrypted workbooks begin with.
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# The reader holds a sheet in memory, which takes about three times as much.
MOST_BYTES = 2**27


def open_workbook(path: Path, url: str) -> Opened:
    """Opens an Excel workbook (.xlsx), whose first row with a value has the names.

    Raises:
        SourceInvalid: It is too large, or has no table.
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
    names = name_columns([str(_clean(value) if value != "" else "") for value in header], url)
    warnings = [
        f"{mask(url)} has the sheets {', '.join(repr(sheet.name) for sheet in sheets)}: the first one was read"
    ] * (len(sheets) > 1)

    def read(wanted: Sequence[str]) -> Iterator[pa.RecordBatch]:
        rows = islice(_read_rows(sheet), 1, None)
        while some := list(islice(rows, BATCH_ROWS)):
            columns = dict(zip(names, zip(*some, strict=True), strict=True))
            yield pa.record_batch([make_array([_clean(value) for value in columns[name]]) for name in wanted], wanted)

    first = next(read(names), None)
    types = [str(kind) for kind in first.schema.types] if first else ["null"] * len(names)
    return Opened(dict(zip(names, types, strict=True)), read, tuple(warnings))


def _require_small(path: Path, url: str) -> None:
    """Unpacks everything once, as what the file says of its own size need not be true."""
    left = MOST_BYTES
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                try:
                    left -= sum(map(len, read_pieces(file, left, url)))
                except SourceInvalid as error:
                    raise SourceInvalid(
                        f"{mask(url)} is too large for a workbook (more than {MOST_BYTES:,} bytes when it is "
                        "unpacked): save the sheet as CSV or Parquet"
                    ) from error


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
