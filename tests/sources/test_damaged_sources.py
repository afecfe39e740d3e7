"""Whatever a source holds, reading it ends in rows or in an error of ours that names the file and the remedy."""

import bz2
import codecs
import datetime as dt
import decimal
import gzip
import io
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from include.errors import MltrainError, SourceInvalid
from include.raw.columns import check_columns
from include.raw.load import Load
from include.settings import Settings, read_settings
from include.sources import open_batches
from tests.servers import WebServer
from tests.sources.workbook_files import write_workbook
from tests.trip_tables import make_trips

MONTH = "2024-01"
NAMES = make_trips(1).column_names
HEADER = ",".join(NAMES)
ROW = "2024-01-01 00:00:00,2024-01-01 00:10:00,1,2,1.5,10"
GOOD = f"{HEADER}\n{ROW}\n{ROW.replace('1.5', '2.5')}\n"


def settings_for(source: str | Path, **overrides: object) -> Settings:
    return read_settings(source=str(source), months=(MONTH,), **overrides)


def load(settings: Settings) -> list[dict]:
    """What an ingestion reads of the month, up to what it would send to the warehouse."""
    with open_batches(settings, MONTH) as contents:
        check_columns(contents, settings, MONTH)
        return [row for batch in Load(settings, MONTH, contents).read_batches() for row in batch.to_pylist()]


def load_file(directory: Path, name: str, contents: bytes) -> list[dict]:
    (directory / name).write_bytes(contents)
    return load(settings_for(directory / name))


def to_parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def with_columns(*names: str) -> pa.Table:
    table = make_trips()
    for name in names:
        table = table.append_column(name, pa.array([1] * 4))
    return table


# Odd, but told without doubt: read


@pytest.mark.parametrize(
    "contents",
    [
        codecs.BOM_UTF8 + GOOD.encode(),
        GOOD.encode("utf-16"),
        codecs.BOM_UTF16_BE + GOOD.encode("utf-16-be"),
        GOOD.encode("utf-32"),
        gzip.compress(GOOD.encode("utf-16")),
        GOOD.replace(",", ";").encode(),
        GOOD.replace(",", "\t").encode(),
        GOOD.replace(",", "|").encode(),
        GOOD.replace(",", ";").encode("utf-16"),
        GOOD.replace(HEADER, ",".join(f'"{name}"' for name in NAMES)).encode(),
        GOOD.replace(HEADER, HEADER.replace("fare_amount", '"a;b;c"')).encode(),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.encode().rstrip(b"\n"),
        b"\n" + GOOD.encode(),
    ],
    ids=["utf-8 mark", "utf-16", "utf-16 big", "utf-32", "gzip utf-16", "semicolon", "tab", "bar", "utf-16 semicolon",
         "quoted", "semicolons in a name", "crlf", "no last line end", "blank first line"],
)  # fmt: skip
def test_csv_of_any_usual_separator_and_marked_encoding_is_read(tmp_path: Path, contents: bytes) -> None:
    rows = load_file(tmp_path, "trips.csv", contents)
    assert [(row["pickup_zone"], row["dropoff_zone"], row["trip_distance"]) for row in rows] == [
        (1, 2, 1.5),
        (1, 2, 2.5),
    ]


# Damaged or without a meaning: refused


@pytest.mark.parametrize(
    ("name", "contents", "complaint"),
    [
        ("a.csv", GOOD.encode() + b"\xe9\x81\n", "byte 0x81 in line 4 is neither UTF-8 nor cp1252. Set ENCODING"),
        ("a.csv", codecs.BOM_UTF8 + GOOD.encode() + b"\xe9\n", "0xE9 in line 4 is not utf-8.*byte order mark"),
        ("a.csv", GOOD.encode("utf-16") + b"\x00\xd8", "line 4 is not utf-16, which its byte order mark says"),
        ("a.csv", b"\n<!DOCTYPE html><html><body>Sign in, please</body>", "a web page, not a table: .* needs a login"),
        ("a.csv", GOOD.encode("utf-16-le"), "UTF-16 without a byte order mark.*Save it as UTF-8"),
        ("a.csv", GOOD.replace("fare_amount", "trip_distance").encode(), "'trip_distance' is there twice"),
        ("a.csv", GOOD.replace("fare_amount", "PULocationID").replace(",", ";").encode(), "'PULocationID'.*rename one"),
        ("a.csv", GOOD.encode() + b"1,2\n", "is 2 in the line '1,2', but 6 in the first line.*download .* cut short"),
        ("a.csv", GOOD.encode() + f"{ROW},7\n".encode(), f"is 7 in the line '{ROW},7', but 6.* set DELIMITER$"),
        ("a.csv", GOOD.replace("\n2", "\n0,2").encode(), "is 7 in the line '0,2.*, but 6 in the first line"),
        ("a.csv", b"# Trips\n" + GOOD.encode(), "is 6 in the line '.*, but 1 in the first line, which must .* names"),
        ("a.csv", b"\n\n\n", "damaged or cut short"),
        ("a.csv", bz2.compress(GOOD.encode()), "is compressed by bzip2, which is not read here: .* gzip, zstd or zip"),
        ("a.csv", gzip.compress(GOOD.encode() * 900, mtime=0)[:-40], "damaged or cut short"),
        ("a.csv", gzip.compress(GOOD.encode(), mtime=0)[:12], "damaged or cut short"),
        ("a.csv", bytes(range(256)) * 9, "a.csv"),
        ("a.csv", f"{HEADER}\n\"{ROW}\n".encode(), "a.csv"),
        ("a.csv", f"{HEADER.replace('fare_amount', 'f' * 2_000_000)}\n{ROW}\n".encode(), "damaged or cut short"),
        ("a.csv", HEADER.encode() + b"\n", "no rows"),
        ("a.parquet", to_parquet(with_columns("PULocationID")), "'PULocationID'.*rename one"),
        ("a.parquet", to_parquet(with_columns("x", "x")), "'x'.*rename one"),
        ("a.parquet", GOOD.encode(), "damaged or cut short.*publish or download"),
        ("a.parquet", b"PAR1" + bytes(90) + b"PAR1", "damaged or cut short"),
    ],
)  # fmt: skip
def test_file_that_cannot_be_used_is_named_with_the_remedy(
    tmp_path: Path, name: str, contents: bytes, complaint: str
) -> None:
    with pytest.raises(SourceInvalid, match=f"(?s){name}.*{complaint}" if name not in complaint else complaint):
        load_file(tmp_path, name, contents)


DEEP = b"[" * 200_000
TRIP = dict(zip(NAMES, ROW.split(","), strict=True))


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (DEEP, "JSON that can be used.*check SOURCE"),
        (b'[{"a":' * 50_000, "JSON that can be used.*check SOURCE"),
        (b'[{"a":' + b"[" * 900 + b"]" * 900 + b"}]", "api"),
        (b"{not json", "JSON that can be used.*check SOURCE"),
        (b"", "JSON that can be used.*check SOURCE"),
        (b'[{"a": "\xe9"}]', "JSON that can be used.*check SOURCE"),
        (b'[{"a": 1, "b": 2, "a": 3}]', "the key 'a' twice.*check SOURCE"),
        (b'[{"a": ' + b"9" * 5_000 + b"}]", "JSON that can be used.*check SOURCE"),
        (json.dumps([{"a\0": 1}]).encode(), "name holds a letter that is no text.*Rename"),
        (json.dumps([{"\ud800": 1}]).encode(), "name holds a letter that is no text.*Rename"),
        (b"null", "SOURCE_RECORDS"),
    ],
)
def test_answer_that_cannot_be_used_is_named_with_the_remedy(
    web_server: WebServer, answer: bytes, complaint: str
) -> None:
    web_server.pages["/api"] = lambda query: (200, answer if query["page"] == "1" else b"[]")
    with pytest.raises(SourceInvalid, match=f"(?s)/api.*{complaint}" if complaint != "api" else "/api"):
        load(settings_for(f"{web_server.url}/api?page={{page}}&m={{month}}"))


@pytest.mark.parametrize("value", [2**63, 10**400, "\ud800", [[1], "a"], {"a": {}}, True, None, float("nan")])
def test_value_of_an_answer_that_is_no_number_refuses_its_row_alone(web_server: WebServer, value: object) -> None:
    records = [TRIP, {**TRIP, "trip_distance": value}, {**TRIP, "fare_amount": value}]
    web_server.pages["/api"] = lambda query: (200, json.dumps(records if query["page"] == "1" else []).encode())
    rows = load(settings_for(f"{web_server.url}/api?page={{page}}"))
    distances = [row["trip_distance"] for row in rows]
    assert (distances[0], distances[2]) == (1.5, 1.5)
    assert distances[1] is None or distances[1] >= 2**63


ODD_COLUMNS = [
    pa.array([decimal.Decimal(10) ** 60] * 4, pa.decimal256(76, 2)),
    pa.array([dt.timedelta(1)] * 4),
    pa.array([dt.time(1)] * 4),
    pa.array([[1, 2]] * 4),
    pa.array([{"a": 1}] * 4),
    pa.array([[("a", 1)]] * 4, pa.map_(pa.string(), pa.int64())),
    pa.array([b"\xff"] * 4),
    pa.array([b"\xff" * 4] * 4, pa.binary(4)),
    pa.array([True, False, None, True]),
    pa.array([2**64 - 1] * 4, pa.uint64()),
    pa.array([1.5] * 4, pa.float16()),
    pa.array([None] * 4),
    pa.array([1, 2, 3, 4]).dictionary_encode(),
    pa.array([dt.datetime(2024, 1, 1)] * 4).dictionary_encode(),
    pa.array([10**12] * 4, pa.int64()).cast(pa.timestamp("s")),
    pa.array([2**63 - 1] * 4, pa.int64()).cast(pa.date64(), safe=False),
    pa.array(["a\0b"] * 4),
    pa.array(["x" * 100_000] * 4, pa.large_string()),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("column", ODD_COLUMNS, ids=lambda column: str(column.type))
def test_parquet_column_of_any_type_gives_rows_or_an_error_of_ours(tmp_path: Path, name: str, column: pa.Array) -> None:
    try:
        rows = load_file(tmp_path, "a.parquet", to_parquet(make_trips(4, **{name: column})))
    except SourceInvalid as error:
        assert "a.parquet" in str(error)
    else:
        assert len(rows) == 4


def write_form(directory: Path, form: str) -> bytes:
    table = make_trips(300)
    rows = [{name: str(value) for name, value in row.items()} for row in table.to_pylist()]
    sink = io.BytesIO()
    match form:
        case "a.csv" | "a.csv.gz":
            pa.csv.write_csv(table, sink)
        case "a.jsonl":
            sink.write("\n".join(map(json.dumps, rows)).encode())
        case "a.arrow":
            pyarrow.feather.write_feather(table, sink, compression="lz4")
        case "a.xlsx":
            write_workbook(directory / form, {"A": [NAMES, *(list(row.values()) for row in rows)]})
            return (directory / form).read_bytes()
        case "a.parquet":
            return to_parquet(table)
    return gzip.compress(sink.getvalue()) if form == "a.csv.gz" else sink.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["a.csv", "a.csv.gz", "a.parquet", "a.jsonl", "a.arrow", "a.xlsx"])
def test_file_with_any_bytes_changed_gives_rows_or_an_error_of_ours_that_names_it(tmp_path: Path, form: str) -> None:
    whole = write_form(tmp_path, form)
    draw = random.Random(7)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole[: draw.choice([len(whole), draw.randrange(1, len(whole))])])
        for _ in range(draw.choice([1, 3, 30])):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        try:
            load_file(tmp_path, form, bytes(damaged))
        except MltrainError as error:
            refused += 1
            assert form in str(error)
    assert refused
