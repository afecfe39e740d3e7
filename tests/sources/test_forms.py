"""A file of any usual form gives the same table."""

import gzip
import io
import json
import os
import zipfile
from datetime import datetime, time
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from include.errors import SourceInvalid, SourceUnavailable
from include.raw.coercion import COERCIONS
from include.raw.duplicates import hash_rows
from include.raw.times import coerce_timestamp
from include.settings import read_settings
from include.sources import BATCH_ROWS, Contents, limits, list_months, open_batches, probe
from include.sources.formats import batches, records, workbooks
from include.sources.formats.records import make_array
from tests.servers import WebServer
from tests.sources.workbook_files import MAIN, write_workbook

MONTH = "2024-01"
ROWS = [
    {"age": 19, "sex": "female", "bmi": 27.9, "charges": 16884.924},
    {"age": 18, "sex": "male", "bmi": None, "charges": 1725.5523},
    {"age": 28, "sex": "male", "bmi": 33.0, "charges": 4449.462},
]
TABLE = pa.Table.from_pylist(ROWS)
CSV = b"age,sex,bmi,charges\n19,female,27.9,16884.924\n18,male,,1725.5523\n28,male,33.0,4449.462\n"
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def settings_for(path: Path | str):
    return read_settings(source=str(path), months=(MONTH,))


def read(path: Path | str, **options) -> tuple[list[dict], Contents]:
    with open_batches(settings_for(path), MONTH, **options) as contents:
        return [row for batch in contents.read(list(contents.columns)) for row in batch.to_pylist()], contents


def as_numbers(rows: list[dict]) -> list[dict]:
    """With numbers where a form without types gives texts."""
    numbers = ("age", "bmi", "charges")
    return [{n: v if v is None or n not in numbers else float(v) for n, v in row.items()} for row in rows]


def pack_zip(contents: bytes, *more: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("table.csv", contents)
        for name in more:
            archive.writestr(name, "a note")
    return sink.getvalue()


def write_arrow(stream: bool) -> bytes:
    sink = pa.BufferOutputStream()
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return sink.getvalue().to_pybytes()


def write_parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(TABLE, sink)
    return sink.getvalue().to_pybytes()


def write_feather() -> bytes:
    sink = pa.BufferOutputStream()
    pyarrow.feather.write_feather(TABLE, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def pack_zstd(contents: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as file:
        file.write(contents)
    return sink.getvalue().to_pybytes()


FORMS = {
    "table.csv": CSV,
    "table.tsv": CSV.replace(b",", b"\t"),
    "table.txt": CSV.replace(b",", b"|"),
    "TABLE.CSV": CSV,
    "table.csv.gz": gzip.compress(CSV),
    "table.tsv.zst": pack_zstd(CSV.replace(b",", b"\t")),
    "table.csv.zip": pack_zip(CSV, "__MACOSX/table.csv", ".DS_Store"),
    "table.jsonl": LINES,
    "table.ndjson": b"\xef\xbb\xbf" + LINES.replace(b"\n", b"\r\n\r\n"),
    "table.jsonl.gz": gzip.compress(LINES),
    "table.ndjson.zst": pack_zstd(LINES),
    "table.parquet": write_parquet(),
    "table.arrow": write_arrow(stream=False),
    "stream.arrow": write_arrow(stream=True),
    "table.feather": write_feather(),
    # Called by another name than what they are.
    "packed.csv": gzip.compress(CSV),
    "packed_by_zstd.csv.gz": pack_zstd(CSV),
    "not_packed.csv.gz": CSV,
    "parquet.csv": write_parquet(),
}


@pytest.mark.parametrize("name", FORMS)
def test_file_of_any_usual_form_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(FORMS[name])
    rows, contents = read(tmp_path / name)
    assert as_numbers(rows) == ROWS
    assert (list(contents.columns), contents.warnings) == (list(ROWS[0]), ())
    found = probe(settings_for(tmp_path / name), MONTH)
    assert (found.sha256, found.validator) == (contents.sha256, contents.validator)


@pytest.mark.parametrize("form", ["table.parquet", "table.arrow", "table.jsonl"])
def test_names_lose_the_blanks_around_them_and_may_be_spelt_in_any_way(tmp_path: Path, form: str) -> None:
    names = ["select", "Temperature(°C)", 'région; "x"', "a/b", "'", "é" * 200, "$"]
    table = pa.table({f" {name}\t": [1] for name in names})
    if form == "table.jsonl":
        (tmp_path / form).write_text(json.dumps(table.to_pylist()[0]))
    else:
        write = pq.write_table if form == "table.parquet" else pyarrow.feather.write_feather
        write(table, tmp_path / form)
    rows, contents = read(tmp_path / form)
    assert list(contents.columns) == names
    assert rows == [dict.fromkeys(names, 1)]


@pytest.mark.parametrize("form", ["csv", "xlsx", "parquet", "arrow", "jsonl"])
def test_of_columns_without_a_name_the_first_is_read(tmp_path: Path, form: str) -> None:
    names, path = ["a", "", "b", " ", ""], tmp_path / f"table.{form}"
    table = pa.Table.from_arrays([pa.array([value]) for value in (1, 2, 3, 4, 5)], names)
    if form == "csv":
        path.write_text("a,,b, ,\n1,2,3,4,5\n")
    elif form == "xlsx":
        write_workbook(path, {"A": [["a", None, "b", " ", None], [1, 2, 3, 4, 5]]})
    elif form == "jsonl":
        path.write_text('{"a": 1, "": 2, "b": 3, " ": 4}\n')
    elif form == "parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    rows, contents = read(path)
    assert list(contents.columns) == ["a", "", "b"]
    assert [{name: int(value) for name, value in row.items()} for row in rows] == [{"a": 1, "": 2, "b": 3}]
    with open_batches(settings_for(path), MONTH) as contents:
        assert [batch.schema.names for batch in contents.read(["b", "a"])] == [["b", "a"]]


@pytest.mark.parametrize("form", ["PAR1", "FEA1", "ARROW1"])
def test_text_whose_first_column_is_called_as_a_form_begins_is_text(tmp_path: Path, form: str) -> None:
    (tmp_path / "a.csv").write_text(f"{form},b\n1,2\n")
    assert read(tmp_path / "a.csv")[0] == [{form: "1", "b": "2"}]


def test_int96_times_of_a_parquet_file_are_those_that_were_written(tmp_path: Path) -> None:
    times = [
        datetime(9999, 12, 31),
        datetime(2024, 1, 31, 18, 30, 0, 123456),
        None,
        datetime(1, 1, 1),
        datetime(1600, 1, 1),
    ]
    table = pa.table({"at": pa.array(times, pa.timestamp("us")), "name": ["a", "b", "c", "d", "e"]})
    pq.write_table(table, tmp_path / "table.parquet", use_deprecated_int96_timestamps=True)
    with open_batches(settings_for(tmp_path / "table.parquet"), MONTH) as contents:
        assert contents.columns == {"at": "timestamp[us]", "name": "string"}
        (batch,) = contents.read(["at"])
    assert batch.column("at").to_pylist() == times
    stored = coerce_timestamp(batch.column("at"), "UTC")
    assert stored.array.to_pylist() == [None, times[1], None, None, times[4]]
    assert stored.beyond.to_pylist() == [True, False, False, True, False]


def write_table(path: Path, table: pa.Table) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_value_of_an_extension_type_is_read_as_what_it_is_stored_as(tmp_path: Path, form: str) -> None:
    identifiers = pa.array([bytes(range(16)), None], pa.binary(16))
    columns = {
        "id": pa.ExtensionArray.from_storage(pa.uuid(), identifiers),
        "note": pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{}", None])),
        "paid": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0], pa.int8())),
    }
    if form == "arrow":  # Parquet has no such columns
        columns["run"] = pa.RunEndEncodedArray.from_arrays([1, 2], pa.array([7, None]))
        columns["span"] = pa.array([pa.MonthDayNano([1, 2, 3]), None])
    write_table(tmp_path / f"table.{form}", pa.table(columns))
    with open_batches(settings_for(tmp_path / f"table.{form}"), MONTH) as contents:
        types = {"id": "string", "note": "string", "paid": "bool", "run": "int64", "span": "month_day_nano_interval"}
        assert contents.columns == {name: types[name] for name in columns}
        (batch,) = contents.read(list(columns))
    assert batch.slice(0, 1).select(["id", "note", "paid"]).to_pylist() == [
        {"id": "00010203-0405-0607-0809-0a0b0c0d0e0f", "note": "{}", "paid": True}
    ]
    assert len(set(hash_rows(batch).tolist())) == 2


REPEATED = pa.array([0, 0, None, 0, 0, 0, 0, 1] * 5, pa.int32())
LONG = pa.array(["x" * 400, "y" * 4_000])


@pytest.mark.parametrize(
    ("form", "texts"),
    [
        ("parquet", LONG.take(REPEATED)),
        ("arrow", pa.DictionaryArray.from_arrays(REPEATED, LONG)),
        ("arrow", LONG.take(REPEATED).cast(pa.string_view())),
        ("arrow", pa.RunEndEncodedArray.from_arrays(np.arange(1, 41, dtype=np.int32), LONG.take(REPEATED))),
    ],
    ids=["parquet", "dictionary", "views", "runs"],
)
def test_batch_of_long_texts_is_cut_however_few_bytes_they_take_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, texts: pa.Array
) -> None:
    monkeypatch.setattr(batches, "MOST_TEXT", 1_000)
    write_table(tmp_path / f"table.{form}", pa.table({"text": texts, "number": range(40)}))
    with open_batches(settings_for(tmp_path / f"table.{form}"), MONTH) as contents:
        found = list(contents.read(["number", "text"]))
    assert max(len("".join(filter(None, batch["text"].to_pylist()))) for batch in found) <= 5_000
    # Views share the texts, whatever is cut.
    assert pa.types.is_string_view(texts.type) or max(batch.nbytes for batch in found) <= 6_000
    rows = [row for batch in found for row in batch.to_pylist()]
    assert rows == [{"number": number, "text": text} for number, text in enumerate(LONG.take(REPEATED).to_pylist())]


@pytest.mark.parametrize(
    "value", [True, False, 0.5, 0.00001, 1e16, 1e300, 5.0, 7, datetime(2024, 1, 31, 18), time(18, 30), "a"], ids=repr
)
@pytest.mark.parametrize("company", ["text", 2.5, True, datetime(2024, 1, 1)], ids=repr)
def test_value_has_the_same_text_whatever_else_its_batch_holds(value: object, company: object) -> None:
    alone, mixed = (COERCIONS[pa.string()](make_array(values)).array for values in ([value], [value, company]))
    assert mixed[0] == alone[0]


def test_true_and_false_have_one_spelling_in_all_batches_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "BATCH_ROWS", 2)
    values = [True, False, True, "unknown", False]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"a": value}) + "\n" for value in values))
    with open_batches(settings_for(tmp_path / "a.jsonl"), MONTH) as contents:
        texts = [
            text for batch in contents.read(["a"]) for text in COERCIONS[pa.string()](batch["a"]).array.to_pylist()
        ]
    assert texts == ["true", "false", "true", "unknown", "false"]


def test_wide_batches_of_an_arrow_file_are_cut(tmp_path: Path) -> None:
    pyarrow.feather.write_feather(pa.table({"a": range(BATCH_ROWS + 1)}), tmp_path / "a.arrow", compression="lz4")
    with open_batches(settings_for(tmp_path / "a.arrow"), MONTH) as contents:
        assert [batch.num_rows for batch in contents.read(["a"])] == [BATCH_ROWS, 1]


@pytest.mark.parametrize("form", ["parquet", "feather", "arrow", "csv", "csv.gz"])
def test_file_that_is_written_to_while_it_is_read_is_tried_again(tmp_path: Path, form: str) -> None:
    table, path = pa.table({"a": np.random.default_rng(0).random(40 * BATCH_ROWS)}), tmp_path / f"a.{form}"
    if form == "parquet":
        pq.write_table(table, path, row_group_size=BATCH_ROWS)
    elif form.startswith("csv"):
        table.to_pandas().to_csv(path, index=False)
    elif form == "feather":
        pyarrow.feather.write_feather(table, path, chunksize=BATCH_ROWS, compression="uncompressed")
    else:
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=BATCH_ROWS)
    with open_batches(settings_for(path), MONTH) as contents:
        batches = contents.read(["a"])
        next(batches)
        os.truncate(path, 1000)
        with pytest.raises(SourceUnavailable, match="was written to while it was read. Try again"):
            list(batches)


# Workbooks


def test_workbook_gives_the_rows_of_its_first_shown_sheet_with_whole_numbers_times_and_gaps(tmp_path: Path) -> None:
    when = datetime(2024, 2, 29, 18, 30)
    table = [[None], ["age", " when ", 2024, "smoker", "code"], [19, when, 1.5, True, 7], [], [28, None, 2, False, "x"]]
    write_workbook(tmp_path / "a.xlsx", {"Old": [["a"], [1]], "Empty": [], "Data": table}, hidden=["Old"])
    rows, contents = read(tmp_path / "a.xlsx")
    assert rows == [
        {"age": 19, "when": when, "2024": 1.5, "smoker": True, "code": "7"},
        {"age": 28, "when": None, "2024": 2.0, "smoker": False, "code": "x"},
    ]
    assert list(contents.columns.items())[:2] == [("age", "int64"), ("when", "timestamp[us]")]
    assert contents.warnings == ()


def test_workbook_of_several_sheets_is_read_with_a_warning_that_names_them(tmp_path: Path) -> None:
    write_workbook(tmp_path / "a.xlsx", {"One": [["a"], [1]], "Two": [["b"], [2]]})
    rows, contents = read(tmp_path / "a.xlsx")
    assert rows == [{"a": 1}]
    assert contents.warnings == (f"{tmp_path}/a.xlsx has the sheets 'One', 'Two': the first one was read",)


@pytest.mark.parametrize(
    ("sheets", "complaint"),
    [({"A": []}, "has no sheet with a value"), ({"A": [["a", "b", "a"]]}, r"'a' is there twice \(positions 1 and 3\)")],
)
def test_workbook_without_a_table_is_refused(tmp_path: Path, sheets: dict, complaint: str) -> None:
    write_workbook(tmp_path / "a.xlsx", sheets)
    with pytest.raises(SourceInvalid, match=complaint):
        read(tmp_path / "a.xlsx")


def test_workbook_that_needs_too_much_memory_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_workbook(tmp_path / "a.xlsx", {"A": [["a"], *([1] for _ in range(200_000))]})
    monkeypatch.setattr(workbooks, "MOST_BYTES", 100_000)
    with pytest.raises(SourceInvalid, match="too large for a workbook.*save the sheet as CSV or Parquet"):
        read(tmp_path / "a.xlsx")


@pytest.mark.parametrize(
    ("far", "cells"),
    [
        ('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>', 2**34),
        ("<row r='1048576'><c r='XFC1'/><c><is><t>x</t></is></c></row>", 2**34),
        ('<x:row r="1048576"><x:c><x:v>1</x:v></x:c></x:row>', None),
        ('<row r="1048576"><c r="XFD1048576" s="1"/></row>', None),
        ("", None),
    ],
)
def test_workbook_is_refused_where_values_are_so_far_apart_that_no_memory_holds_all_between(
    tmp_path: Path, far: str, cells: int | None
) -> None:
    path, packed = tmp_path / "a.xlsx", tmp_path / "packed.xlsx"
    write_workbook(packed, {"A": [["a", "b"], [1, 2]]})
    with zipfile.ZipFile(packed) as given, zipfile.ZipFile(path, "w") as archive:
        for name in given.namelist():
            contents = given.read(name).decode()
            if "sheetData" in contents:
                contents = contents.replace("<worksheet ", f'<worksheet xmlns:x="{MAIN}" ')
                contents = contents.replace("</sheetData>", f"{far}</sheetData>")
            archive.writestr(name, contents)
    if cells:
        with pytest.raises(SourceInvalid, match=f"span {cells:,} cells, more than .* or save the sheet as CSV"):
            read(path)
    else:
        assert read(path)[0][0] == {"a": 1, "b": 2}


# What cannot be read


@pytest.mark.parametrize(
    ("name", "contents", "complaint"),
    [
        ("a.csv.zip", pack_zip(CSV, "b.csv"), r"holds 2 files \(table.csv, b.csv\): a zip file must hold exactly one"),
        ("a.csv.gz", gzip.compress(b""), "empty .* when it is unpacked"),
        ("a.csv.gz", gzip.compress(CSV * 900)[:-20], "damaged or cut short"),
        ("a.csv.zst", pack_zstd(CSV * 900)[:-20], "damaged or cut short"),
        ("a.csv.zip", pack_zip(CSV * 900)[:-20], "damaged or cut short"),
        ("a.csv", b"7z\xbc\xaf\x27\x1c", "compressed by 7-Zip"),
        ("a.jsonl", b'{"a": 1}\n[1]\n', "line 2, is no record: write one per line"),
        ("a.jsonl", b'{"a": 1}\n\n{"a": 1\n', "line 3, is no JSON"),
        ("a.jsonl", b'{"a": 1, "a": 2}\n', "line 1, is no JSON .a record has the key 'a' twice"),
        ("a.jsonl", '{"a": "é"}\n'.encode("latin-1"), "line 1, is no JSON .* in UTF-8"),
        ("a.jsonl", b"[" * 200_000, "line 1, is no JSON"),
        ("a.arrow", write_arrow(stream=False)[:-90], "damaged or cut short"),
        ("a.arrow", CSV, "damaged or cut short"),
        ("a.feather", b"FEA1" + bytes(90), "version 1 of Feather"),
        ("a.xlsx", CSV, "damaged or cut short"),
        ("a.xlsx", workbooks.OLE_MAGIC + bytes(900), "an old form, or is protected by a password: save it as .xlsx"),
        ("a.xlsx", pack_zip(CSV, "[Content_Types].xml"), "damaged or cut short"),
    ],
)  # fmt: skip
def test_file_that_cannot_be_used_is_named_with_the_remedy(
    tmp_path: Path, name: str, contents: bytes, complaint: str
) -> None:
    (tmp_path / name).write_bytes(contents)
    with pytest.raises(SourceInvalid, match=f"(?s){name}.*{complaint}"):
        read(tmp_path / name)


@pytest.mark.parametrize("pack", [gzip.compress, pack_zstd])
def test_file_that_unpacks_to_far_more_than_a_table_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack
) -> None:
    monkeypatch.setattr(limits, "ALWAYS_ALLOWED", 2**20)
    (tmp_path / "a.csv.gz").write_bytes(pack(bytes(2**24)))
    with pytest.raises(SourceInvalid, match="becomes more than 3?[0-9,]+ bytes when it is unpacked"):
        read(tmp_path / "a.csv.gz")


def test_answer_that_unpacks_to_far_more_than_a_table_is_given_up(
    web_server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ALWAYS_ALLOWED", 2**20)
    web_server.headers["Content-Encoding"] = "gzip"
    web_server.pages["/a.csv"] = gzip.compress(CSV)
    assert as_numbers(read(f"{web_server.url}/a.csv")[0]) == ROWS
    web_server.pages["/a.csv"] = gzip.compress(bytes(2**24))
    with pytest.raises(SourceInvalid, match="becomes more than [0-9,]+ bytes when it is unpacked"):
        read(f"{web_server.url}/a.csv")
    web_server.headers["Content-Encoding"] = "gzip, gzip"
    with pytest.raises(SourceInvalid, match="is packed twice on its way: have the server pack it once"):
        read(f"{web_server.url}/a.csv")


# Several files


def test_files_of_a_pattern_are_one_table_by_name_whatever_the_order_of_their_columns(tmp_path: Path) -> None:
    (tmp_path / "part-0.csv").write_bytes(CSV)
    (tmp_path / "part-1.csv").write_bytes(gzip.compress(b"charges,sex,age,bmi\n1.5,female,50,20\n"))
    (tmp_path / ".half-part-2.csv").write_bytes(b"half of it\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/part-3.csv").write_bytes(CSV)
    rows, contents = read(f"file://{tmp_path}/**part-*.csv")
    assert as_numbers(rows) == [*ROWS, {"age": 50, "sex": "female", "bmi": 20, "charges": 1.5}]
    found = probe(settings_for(f"file://{tmp_path}/**part-*.csv"), MONTH)
    assert (found.sha256, found.validator, found.size) == (contents.sha256, contents.validator, contents.size)


def test_files_of_a_pattern_are_read_by_the_form_of_their_own_names_whatever_links_lead_to(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    for name, contents in {"sha256-1": LINES, "2.csv": LINES}.items():
        (tmp_path / "blobs" / name).write_bytes(contents)
        (tmp_path / f"{name}.jsonl").symlink_to(tmp_path / "blobs" / name)
    rows, _ = read(tmp_path / "*.jsonl")
    assert rows == ROWS * 2
    (tmp_path / "blobs/sha256-1").write_bytes(b"{")
    with pytest.raises(SourceInvalid, match=r"/sha256-1\.jsonl"):
        read(tmp_path / "*.jsonl")


@pytest.mark.parametrize("source", ["{}/*.jsonl", "file://{}/*.jsonl", "memory://odd{}/*.jsonl", "{}/part#2?.jsonl"])
def test_number_sign_and_question_mark_are_parts_of_a_file_s_name(tmp_path: Path, source: str) -> None:
    for name in ("part#1.jsonl", "part#2?.jsonl", "why?.csv.jsonl"):
        (tmp_path / name).write_bytes(LINES)
        fsspec.filesystem("memory").pipe(f"/odd{tmp_path}/{name}", LINES)
    assert read(source.format(tmp_path))[0] == ROWS * (3 if "*" in source else 1)


def test_question_mark_ends_the_name_of_a_file_on_the_web(web_server: WebServer) -> None:
    web_server.pages["/table.jsonl"] = LINES
    assert read(f"{web_server.url}/table.jsonl?as=a.csv#b.csv")[0] == ROWS


def test_files_of_a_pattern_are_found_in_a_store(tmp_path: Path) -> None:
    store = fsspec.filesystem("memory")
    for name in ("part-0.csv", "part-1.csv"):
        store.pipe(f"/pattern/2024-01/{name}", CSV)
    rows, contents = read("memory://pattern/{month}/part-*.csv")
    assert as_numbers(rows) == ROWS * 2
    assert probe(settings_for("memory://pattern/{month}/part-*.csv"), MONTH).validator == contents.validator


def test_months_of_files_by_a_pattern_are_listed_once_each(tmp_path: Path) -> None:
    for name in (
        "2024-02/part-0.csv",
        "2024-01/part-0.csv",
        "2024-01/part-1.csv",
        "2024-13/part-0.csv",
        "2024-03/a.csv",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(CSV)
    assert list_months(settings_for(f"{tmp_path}/{{month}}/part-*.csv")) == ["2024-01", "2024-02"]


def test_change_of_one_file_of_a_pattern_changes_the_sign_of_all(tmp_path: Path) -> None:
    for name in ("part-0.csv", "part-1.csv"):
        (tmp_path / name).write_bytes(CSV)
    before = probe(settings_for(tmp_path / "part-*.csv"), MONTH)
    (tmp_path / "part-1.csv").write_bytes(CSV + b"1,male,1,1\n")
    after = probe(settings_for(tmp_path / "part-*.csv"), MONTH)
    assert before.sha256 != after.sha256
    assert before.validator != after.validator


@pytest.mark.parametrize(
    ("second", "complaint"),
    [
        (b"age,sex,charges\n1,male,1\n", r"part-1.csv has no column 'bmi', which .*part-0.csv has"),
        (b"age,sex,bmi,charges,region\n1,male,1,1,x\n", r"part-0.csv has no column 'region', which .*part-1.csv has"),
    ],
)
def test_file_of_a_pattern_with_other_columns_is_refused_by_name(tmp_path: Path, second: bytes, complaint: str) -> None:
    (tmp_path / "part-0.csv").write_bytes(CSV)
    (tmp_path / "part-1.csv").write_bytes(second)
    with pytest.raises(SourceInvalid, match=complaint):
        read(tmp_path / "part-*.csv")


@pytest.mark.parametrize("source", ["{}/part-*.csv", "memory://nowhere/part-*.csv"])
def test_pattern_that_no_file_matches_is_refused(tmp_path: Path, source: str) -> None:
    with pytest.raises(SourceInvalid, match=r"part-\*.csv: no file matches: check SOURCE"):
        read(source.format(tmp_path))
