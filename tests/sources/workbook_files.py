"""Excel workbooks as small as they can be: what a spreadsheet would save, without its styles but for one of dates."""

import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
STYLES = (
    f'<styleSheet xmlns="{MAIN}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22" applyNumberFormat="1"/>'
    "</cellXfs></styleSheet>"
)


def write_workbook(path: Path, sheets: Mapping[str, Sequence[Sequence[object]]], hidden: Sequence[str] = ()) -> None:
    """Writes the rows of each sheet: numbers, texts, times and True or False; None is an empty cell."""
    entries, links = [], [f'<Relationship Id="s" Type="{OFFICE}/styles" Target="styles.xml"/>']
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (name, rows) in enumerate(sheets.items(), 1):
            state = ' state="hidden"' if name in hidden else ""
            entries.append(f'<sheet name={quoteattr(name)} sheetId="{number}" r:id="r{number}"{state}/>')
            links.append(f'<Relationship Id="r{number}" Type="{OFFICE}/worksheet" Target="sheet{number}.xml"/>')
            lines = "".join(f"<row>{''.join(map(_write_cell, row))}</row>" for row in rows)
            archive.writestr(
                f"xl/sheet{number}.xml", f'<worksheet xmlns="{MAIN}"><sheetData>{lines}</sheetData></worksheet>'
            )
        archive.writestr("xl/styles.xml", STYLES)
        book = f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{"".join(entries)}</sheets></workbook>'
        archive.writestr("xl/workbook.xml", book)
        archive.writestr("xl/_rels/workbook.xml.rels", _relate(links))
        root = f'<Relationship Id="b" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
        archive.writestr("_rels/.rels", _relate([root]))
        archive.writestr("[Content_Types].xml", f'<Types xmlns="{PACKAGE}/content-types"/>')


def _relate(links: Sequence[str]) -> str:
    return f'<Relationships xmlns="{PACKAGE}/relationships">{"".join(links)}</Relationships>'


def _write_cell(value: object) -> str:
    match value:
        case None:
            return "<c/>"
        case bool():
            return f'<c t="b"><v>{int(value)}</v></c>'
        case int() | float():
            return f"<c><v>{value}</v></c>"
        case datetime():
            days = (value - datetime(1899, 12, 30)).total_seconds() / 86_400
            return f'<c s="1"><v>{days!r}</v></c>'
    return f'<c t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'
