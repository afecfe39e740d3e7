import contextlib
import gzip
import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import psycopg
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from include.errors import SettingsError, SourceInvalid, SourceUnavailable
from include.settings import Settings, read_settings
from include.sources import BATCH_ROWS, NothingThere, api, open_batches, probe
from include.sources.location import explain, has_secret, locate, mask
from tests.servers import WebServer
from tests.trip_tables import COLUMNS, make_trips

MONTH = "2024-01"
CLOSED_PORT = "http://127.0.0.1:9/{month}.parquet"


def settings_for(source: str, **overrides: object) -> Settings:
    return read_settings(source=source, months=(MONTH,), **overrides)


def read_all(settings: Settings, month: str = MONTH) -> tuple[list[dict], str]:
    with open_batches(settings, month) as contents:
        rows = [row for batch in contents.read(COLUMNS) for row in batch.to_pylist()]
        return rows, contents.sha256


def to_parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def to_csv(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pa.csv.write_csv(table, sink)
    return sink.getvalue().to_pybytes()


def write_month(directory: Path, table: pa.Table, month: str = MONTH) -> str:
    """Writes the month as Parquet and returns the source setting that finds it."""
    pq.write_table(table, directory / f"trips_{month}.parquet")
    return f"file://{directory}/trips_{{month}}.parquet"


# What can be read


def test_file_source_gives_the_source_columns_and_the_hash_of_the_bytes(tmp_path: Path) -> None:
    source = write_month(tmp_path, make_trips())
    rows, sha256 = read_all(settings_for(source))
    assert rows == make_trips().to_pylist()
    assert sha256 == probe(settings_for(source), MONTH).sha256


def test_file_source_can_be_a_plain_path(tmp_path: Path) -> None:
    source = write_month(tmp_path, make_trips()).removeprefix("file://")
    assert len(read_all(settings_for(source))[0]) == 4


def test_file_source_is_read_in_batches_of_bounded_size(tmp_path: Path) -> None:
    source = write_month(tmp_path, make_trips(BATCH_ROWS * 2 + 1))
    with open_batches(settings_for(source), MONTH) as contents:
        sizes = [batch.num_rows for batch in contents.read(["trip_distance"])]
    assert sizes == [BATCH_ROWS, BATCH_ROWS, 1]


@pytest.mark.parametrize(("name", "pack"), [("trips.csv", bytes), ("trips.csv.gz", gzip.compress)])
def test_csv_source_gives_every_value_as_text_and_blanks_as_missing(tmp_path: Path, name: str, pack) -> None:
    (tmp_path / name).write_bytes(pack(b"a,b\n1,x\n,y\n"))
    with open_batches(settings_for(str(tmp_path / name)), MONTH) as contents:
        assert contents.columns == {"a": "text", "b": "text"}
        assert [row for batch in contents.read(["b", "a"]) for row in batch.to_pylist()] == [
            {"b": "x", "a": "1"},
            {"b": "y", "a": None},
        ]


def test_http_source_is_downloaded_once_and_its_etag_is_the_validator(web_server: WebServer) -> None:
    web_server.pages[f"/{MONTH}.parquet"] = to_parquet(make_trips())
    web_server.headers["ETag"] = '"one"'
    settings = settings_for(web_server.url + "/{month}.parquet")
    assert probe(settings, MONTH).validator == '"one"'
    assert read_all(settings)[0] == make_trips().to_pylist()
    assert [method for method, _ in web_server.requests] == ["HEAD", "GET"]


def test_certificates_are_read_once_however_often_a_server_is_asked(
    web_server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    web_server.pages[f"/{MONTH}.csv"] = to_csv(make_trips())
    settings = settings_for(web_server.url + "/{month}.csv")
    probe(settings, MONTH)
    monkeypatch.delattr(ssl, "create_default_context")
    assert probe(settings, MONTH).size
    assert len(read_all(settings)[0]) == 4


def test_http_source_that_refuses_head_requests_has_no_validator(web_server: WebServer) -> None:
    web_server.pages[f"/{MONTH}.parquet"] = lambda query: (405, b"")
    found = probe(settings_for(web_server.url + "/{month}.parquet"), MONTH)
    assert (found.size, found.validator) == (None, None)


def test_object_store_source_is_read_and_its_validator_changes_with_the_object(object_store: str) -> None:
    settings = settings_for("s3://trips/green/{month}.parquet")
    filesystem = fsspec.filesystem("s3")
    filesystem.pipe(f"trips/green/{MONTH}.parquet", to_parquet(make_trips()))
    before = probe(settings, MONTH)
    assert read_all(settings)[0] == make_trips().to_pylist()
    filesystem.pipe(f"trips/green/{MONTH}.parquet", to_parquet(make_trips(5)))
    after = probe(settings, MONTH)
    assert before.validator and after.validator and before.validator != after.validator


def test_any_fsspec_protocol_is_a_source() -> None:
    fsspec.filesystem("memory").pipe(f"/green/{MONTH}.csv", to_csv(make_trips()))
    assert len(read_all(settings_for("memory://green/{month}.csv"))[0]) == 4


@pytest.fixture
def trips_table(warehouse_url: str) -> str:
    """A table of three trips: one in the month, one at its very end, one after it."""
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("CREATE SCHEMA city")
        connection.execute(
            "CREATE TABLE city.rows (lpep_pickup_datetime timestamp, lpep_dropoff_datetime timestamp, "
            '"PULocationID" smallint, "DOLocationID" smallint, trip_distance numeric, fare_amount real)'
        )
        connection.execute(
            "INSERT INTO city.rows VALUES ('2024-01-31 23:59:59', '2024-02-01 00:10', 3, 4, 2.25, 1), "
            "('2024-01-01 00:00', '2024-01-01 00:10', 1, 2, 1.5, 1), ('2024-02-01', '2024-02-01 01:00', 5, 6, 9, 1)"
        )
    return f"{warehouse_url}/city.rows"


def test_table_source_gives_the_rows_whose_pickup_is_in_the_month(trips_table: str) -> None:
    rows, _ = read_all(settings_for(trips_table))
    assert [(row["PULocationID"], row["trip_distance"]) for row in rows] == [(1, "1.5"), (3, "2.25")]


def test_table_source_hash_does_not_depend_on_the_order_of_rows_but_on_their_values(
    trips_table: str, warehouse_url: str
) -> None:
    settings = settings_for(trips_table)
    first = read_all(settings)[1]
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("CREATE TABLE city.turned AS SELECT * FROM city.rows ORDER BY lpep_pickup_datetime DESC")
    assert read_all(settings_for(trips_table.replace("city.rows", "city.turned")))[1] == first
    with psycopg.connect(warehouse_url) as connection:
        connection.execute('UPDATE city.rows SET trip_distance = 7 WHERE "PULocationID" = 1')
    assert read_all(settings)[1] != first


def test_table_source_cuts_times_with_a_zone_by_the_local_month(trips_table: str, warehouse_url: str) -> None:
    with psycopg.connect(warehouse_url) as connection:
        connection.execute(
            "ALTER TABLE city.rows ALTER lpep_pickup_datetime TYPE timestamptz "
            "USING lpep_pickup_datetime AT TIME ZONE 'America/New_York'"
        )
    rows, _ = read_all(settings_for(trips_table, timezone="America/New_York"))
    assert [row["PULocationID"] for row in rows] == [1, 3]


def serve_records(web_server: WebServer, records: list[dict], key: str = "", beyond: int = 200) -> None:
    """Serves two records a page at most, and `beyond` as the status of pages behind the last one."""

    def answer(query: dict[str, str]) -> tuple[int, bytes]:
        size = min(2, int(query.get("limit", 2)))
        start = int(query["offset"]) if "offset" in query else (int(query["page"]) - 1) * size
        page = records[start : start + size]
        return 200 if page else beyond, json.dumps({key: page} if key else page).encode()

    web_server.pages["/api"] = answer


def make_records(rows: int) -> list[dict]:
    return json.loads(make_trips(rows).to_pandas().to_json(orient="records", date_format="iso"))


LIMITED = ["offset={offset}&limit={limit}", "page={page}&limit={limit}"]


@pytest.mark.parametrize("query", ["page={page}", "offset={offset}", *LIMITED])
@pytest.mark.parametrize("count", [4, 5])
def test_api_source_reads_every_page_also_of_a_server_that_gives_fewer_than_the_limit(
    web_server: WebServer, query: str, count: int
) -> None:
    serve_records(web_server, make_records(count))
    rows, _ = read_all(settings_for(f"{web_server.url}/api?{query}"))
    assert [row["PULocationID"] for row in rows] == list(range(1, count + 1))
    assert len(web_server.requests) == (count + 1) // 2 + 1, "only an empty page is the end"


@pytest.mark.parametrize("query", LIMITED)
def test_api_source_ends_where_there_is_no_page_behind_a_short_one(web_server: WebServer, query: str) -> None:
    serve_records(web_server, make_records(5), beyond=404)
    rows, _ = read_all(settings_for(f"{web_server.url}/api?{query}"))
    assert [row["PULocationID"] for row in rows] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(("query", "status"), [(LIMITED[0], 403), (LIMITED[1], 400), ("page={page}", 404)])
def test_page_of_an_api_that_is_refused_is_no_end(web_server: WebServer, query: str, status: int) -> None:
    serve_records(web_server, make_records(5), beyond=status)
    with pytest.raises(SourceInvalid, match=f"answered {status}"):
        read_all(settings_for(f"{web_server.url}/api?{query}"))


@pytest.mark.parametrize("status", [404, 503])
def test_api_whose_first_page_is_missing_or_whose_server_is_in_trouble_has_no_end(
    web_server: WebServer, status: int
) -> None:
    serve_records(web_server, make_records(0 if status == 404 else 2), beyond=status)
    with pytest.raises((SourceInvalid, SourceUnavailable), match=f"answered {status}"):
        read_all(settings_for(f"{web_server.url}/api?{LIMITED[0]}"))


def test_api_source_finds_the_records_under_the_key_that_the_settings_name(web_server: WebServer) -> None:
    serve_records(web_server, make_records(3), key="items")
    settings = settings_for(f"{web_server.url}/api?page={{page}}", source_records="items")
    assert len(read_all(settings)[0]) == 3


def test_api_source_asks_for_the_month_by_its_bounds(web_server: WebServer) -> None:
    serve_records(web_server, make_records(1))
    read_all(settings_for(f"{web_server.url}/api?from={{month_start}}&to={{month_end}}&page={{page}}"))
    assert web_server.requests[0] == ("GET", "/api?from=2024-01-01&to=2024-02-01&page=1")


def test_api_source_gives_mixed_types_as_text(web_server: WebServer) -> None:
    serve_records(web_server, [{"a": 1}, {"a": "many"}, {}])
    with open_batches(settings_for(f"{web_server.url}/api?page={{page}}"), MONTH) as contents:
        assert contents.columns == {"a": "number|string"}
        assert [row["a"] for batch in contents.read(["a"]) for row in batch.to_pylist()] == ["1", "many", None]


# What cannot


@pytest.mark.parametrize("source", ["trips", "https://host/{month}.json", "ftp://host/{month}", "file:///trips.docx"])
def test_unknown_kind_of_source_is_refused_with_the_kinds_that_there_are(source: str) -> None:
    with pytest.raises(SettingsError, match="ends in .parquet, .arrow, .feather, .xlsx, .csv, .tsv"):
        probe(settings_for(source), MONTH)


@pytest.mark.parametrize("source", ["file:///trips.parquet", "https://host/api?page={page}"])
def test_source_without_a_month_is_refused_when_several_months_are_asked(source: str) -> None:
    with pytest.raises(SettingsError, match="put {month}"):
        probe(read_settings(source=source, months=("2024-01", "2024-02")), MONTH)


def test_table_address_without_a_table_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"/database/schema\.table"):
        probe(settings_for("postgresql://127.0.0.1:9/trips"), MONTH)


def test_address_that_no_reader_takes_apart_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="SOURCE is not a usable address"):
        probe(settings_for("https://[host/{month}.csv"), MONTH)


def test_unknown_protocol_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="nosuch"):
        probe(settings_for("nosuch://bucket/{month}.parquet"), MONTH)


@pytest.mark.parametrize("read", [probe, read_all])
@pytest.mark.parametrize(
    "source", ["file:///no/such/{month}.parquet", "memory://no/such/{month}.parquet", "s3://trips/no/{month}.parquet"]
)
def test_missing_file_is_invalid_and_named(object_store: str, read, source: str) -> None:
    with pytest.raises(SourceInvalid, match=r"2024-01\.parquet does not exist"):
        read(settings_for(source), MONTH)


@pytest.mark.parametrize("read", [probe, read_all])
@pytest.mark.parametrize("status", [404, 410])
def test_missing_page_is_invalid(web_server: WebServer, read, status: int) -> None:
    web_server.pages[f"/{MONTH}.parquet"] = lambda query: (status, b"")
    with pytest.raises(SourceInvalid, match=f"answered {status}.*not published"):
        read(settings_for(web_server.url + "/{month}.parquet"), MONTH)


@pytest.mark.parametrize("read", [probe, read_all])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_server_in_trouble_is_unavailable(web_server: WebServer, read, status: int) -> None:
    web_server.pages[f"/{MONTH}.parquet"] = lambda query: (status, b"")
    with pytest.raises(SourceUnavailable, match=f"answered {status}"):
        read(settings_for(web_server.url + "/{month}.parquet"), MONTH)


def test_refused_credentials_are_invalid(web_server: WebServer) -> None:
    web_server.pages[f"/{MONTH}.parquet"] = lambda query: (403, b"")
    with pytest.raises(SourceInvalid, match="credentials"):
        read_all(settings_for(web_server.url + "/{month}.parquet"))


@pytest.mark.parametrize("read", [probe, read_all])
@pytest.mark.parametrize("source", [CLOSED_PORT, "postgresql://user:secret@127.0.0.1:9/trips/city.rows"])
def test_unreachable_source_is_unavailable(read, source: str) -> None:
    with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1:9.* could not be read"):
        read(settings_for(source), MONTH)


def test_unreachable_api_is_unavailable() -> None:
    with pytest.raises(SourceUnavailable, match="could not be read"):
        read_all(settings_for("http://127.0.0.1:9/api?page={page}"))


def test_download_that_breaks_off_is_unavailable(web_server: WebServer) -> None:
    web_server.pages[f"/{MONTH}.parquet"] = to_parquet(make_trips())
    web_server.headers["Content-Length"] = "1000000"
    with pytest.raises(SourceUnavailable, match="could not be read"):
        read_all(settings_for(web_server.url + "/{month}.parquet"))


def test_empty_file_is_invalid(tmp_path: Path) -> None:
    (tmp_path / "trips.parquet").touch()
    with pytest.raises(SourceInvalid, match=r"is empty .*publish it again, or remove it"):
        read_all(settings_for(str(tmp_path / "trips.parquet")))


def test_months_of_which_nothing_is_there_are_told_apart_from_those_that_are_damaged(
    object_store: str, tmp_path: Path
) -> None:
    (tmp_path / f"{MONTH}-1.csv").touch()
    with fsspec.open(f"s3://trips/empty/{MONTH}.csv", "wb"):
        pass
    for source in (f"{tmp_path}/{{month}}-1.csv", "s3://trips/empty/{month}.csv", f"{tmp_path}/{{month}}-*.csv",
                   f"{tmp_path}/no/{{month}}-*.csv"):  # fmt: skip
        with pytest.raises(NothingThere):
            probe(settings_for(source), MONTH)
    (tmp_path / f"{MONTH}-2.csv").write_text("a")
    with pytest.raises(SourceInvalid, match="is empty") as caught:
        probe(settings_for(f"{tmp_path}/{{month}}-*.csv"), MONTH)
    assert not isinstance(caught.value, NothingThere)


@pytest.mark.parametrize("size", [3, 100, 1_500])
def test_truncated_parquet_is_invalid(tmp_path: Path, size: int) -> None:
    (tmp_path / "trips.parquet").write_bytes(to_parquet(make_trips(100))[:size])
    with pytest.raises(SourceInvalid, match="damaged or cut short"):
        read_all(settings_for(str(tmp_path / "trips.parquet")))


@pytest.mark.parametrize("contents", [gzip.compress(to_csv(make_trips(2_000)))[:-200], b"a,b\n1,2\n3\n"])
def test_damaged_csv_is_invalid(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "trips.csv").write_bytes(contents)
    with (
        pytest.raises(SourceInvalid, match="cut short"),
        open_batches(settings_for(str(tmp_path / "trips.csv")), MONTH) as opened,
    ):
        list(opened.read(list(opened.columns)))


def test_missing_table_is_invalid(warehouse_url: str) -> None:
    with pytest.raises(SourceInvalid, match="the table does not exist"):
        probe(settings_for(f"{warehouse_url}/city.none"), MONTH)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [(b"<html>", "did not answer with JSON"), (b'{"rows": []}', "SOURCE_RECORDS"), (b"[1, 2]", "SOURCE_RECORDS")],
)
def test_api_answer_that_holds_no_records_is_invalid(web_server: WebServer, body: bytes, complaint: str) -> None:
    web_server.pages["/api"] = body
    with pytest.raises(SourceInvalid, match=complaint):
        read_all(settings_for(f"{web_server.url}/api?page={{page}}"))


# What takes too long


@pytest.fixture
def drip_server() -> Iterator[Callable[[bytes], str]]:
    """Starts servers that send what they are given at once, then a byte each tenth of a second without end."""
    servers = []

    def serve(beginning: bytes) -> str:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.recv(65_536)
                with contextlib.suppress(OSError):
                    self.request.sendall(beginning)
                    while not self.server.ended.wait(0.1):  # type: ignore[attr-defined]
                        self.request.sendall(b"x")

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.ended = threading.Event()  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield serve
    for server in servers:
        server.ended.set()  # type: ignore[attr-defined]
        server.shutdown()
        server.server_close()


HEADERS = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n"
DRIPS = pytest.mark.parametrize(
    "beginning", [b"", HEADERS + b"X-Slow: ", HEADERS + b"\r\n", HEADERS + b"\r\n" + bytes(100_000)],
    ids=["no status", "headers", "body", "body after a quick beginning"],
)  # fmt: skip


@DRIPS
@pytest.mark.parametrize("path", ["{month}.parquet", "api?page={page}"])
def test_server_that_sends_a_byte_now_and_then_is_given_up(
    drip_server: Callable[[bytes], str], beginning: bytes, path: str
) -> None:
    settings = settings_for(f"{drip_server(beginning)}/{path}", source_timeout=0.5)
    with pytest.raises(SourceUnavailable, match=r"(?s)127\.0\.0\.1.*(SOURCE_TIMEOUT|could not be read)"):
        read_all(settings)


def test_look_at_a_server_that_sends_a_byte_now_and_then_is_given_up(drip_server: Callable[[bytes], str]) -> None:
    settings = settings_for(f"{drip_server(HEADERS + b'X-Slow: ')}/{{month}}.parquet", source_timeout=0.5)
    with pytest.raises(SourceUnavailable, match=r"given up.*SOURCE_TIMEOUT"):
        probe(settings, MONTH)


def test_read_that_is_quick_enough_but_never_ends_is_given_up_after_the_time_limit(web_server: WebServer) -> None:
    numbers = iter(range(10**9))
    web_server.pages["/api"] = lambda query: (200, json.dumps([{"a": next(numbers)}]).encode())
    with pytest.raises(SourceUnavailable, match="raise SOURCE_TIME_LIMIT"):
        read_all(settings_for(f"{web_server.url}/api?page={{page}}", source_time_limit=1))


def test_object_store_that_does_not_answer_is_given_up_after_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    fsspec.filesystem("memory").pipe(f"/slow/{MONTH}.csv", b"a\n1\n")
    monkeypatch.setattr(MemoryFileSystem, "get_file", lambda *_, **__: released.wait(60))
    try:
        with pytest.raises(SourceUnavailable, match=r"memory://slow/2024-01.csv was given up.*SOURCE_TIME_LIMIT"):
            read_all(settings_for("memory://slow/{month}.csv", source_time_limit=0.5))
    finally:
        released.set()


@pytest.mark.parametrize("read", [probe, read_all])
def test_table_that_another_has_locked_is_given_up_after_the_time_limit(
    trips_table: str, warehouse_url: str, read: Callable
) -> None:
    settings = settings_for(trips_table, source_time_limit=0.5, source_timeout=0.5)
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("LOCK TABLE city.rows IN ACCESS EXCLUSIVE MODE")
        if read is probe:
            assert read(settings, MONTH).month == MONTH, "the catalog can be read"
        else:
            with pytest.raises(SourceUnavailable, match=r"city\.rows was given up.*SOURCE_TIME_LIMIT"):
                read(settings)


@pytest.mark.parametrize("length", [1, 2, 7])
def test_api_whose_pages_come_round_again_is_invalid_however_many_they_are(web_server: WebServer, length: int) -> None:
    web_server.pages["/api"] = lambda query: (200, json.dumps([{"a": int(query["page"]) % length}]).encode())
    with pytest.raises(SourceInvalid, match=rf"gives page 1 again as page {length + 1}: .* ignores the paging.*SOURCE"):
        read_all(settings_for(f"{web_server.url}/api?page={{page}}"))


@pytest.mark.parametrize("query", LIMITED)
def test_api_that_gives_the_same_page_for_any_position_is_invalid_whatever_its_limit(
    web_server: WebServer, query: str
) -> None:
    web_server.pages["/api"] = json.dumps(make_records(3)).encode()
    with pytest.raises(SourceInvalid, match="gives page 1 again as page 2: .* ignores the paging"):
        read_all(settings_for(f"{web_server.url}/api?{query}"))


@pytest.mark.parametrize(
    ("bound", "complaint"),
    [
        ("MOST_PAGES", r"more than 5 pages.*\{limit\}"),
        ("MOST_ROWS", r"more than 5 records.*month_start"),
        ("MOST_BYTES", r"5 bytes for one month.*as a file"),
        ("MOST_PAGE_BYTES", r"more than 5 bytes: ask for fewer records"),
    ],
)
def test_api_without_end_is_invalid_with_what_to_change(
    web_server: WebServer, monkeypatch: pytest.MonkeyPatch, bound: str, complaint: str
) -> None:
    monkeypatch.setattr(api, bound, 5)
    web_server.pages["/api"] = lambda query: (200, json.dumps([{"a": int(query["page"])}]).encode())
    with pytest.raises(SourceInvalid, match=f"/api\\?page=.*{complaint}"):
        read_all(settings_for(f"{web_server.url}/api?page={{page}}"))


# What is never shown


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("postgresql://ann:s3cret@host:5432/db/a.b", "postgresql://***@host:5432/db/a.b"),
        (
            "https://host/x.parquet?month=1&sig=s3cret&api_key=s3cret",
            "https://host/x.parquet?month=1&sig=***&api_key=***",
        ),
        ("postgresql://host/db/a.b?password=s3cret", "postgresql://host/db/a.b?password=***"),
        ("postgresql://ann:s3/cr?e#t@host:5432/db/a.b", "postgresql://***@host:5432/db/a.b"),
        ("postgresql://ann:12/s3cret@host:5432/db/a.b", "postgresql://***@host:5432/db/a.b"),
        ("postgresql://ann@server:s3/cret@host/db/a.b", "postgresql://***@host/db/a.b"),
        ("https://ann:s@3/cret@host/x.csv", "https://***@host/x.csv"),
        ("https://ann:s3[cr/et@host/x.csv", "https://***@host/x.csv"),
        ("https://s3cret@host/x.csv", "https://***@host/x.csv"),
        (
            "https://host/x.csv?pwd=s3cret&auth=s3cret&month=1&code=s3cret",
            "https://host/x.csv?pwd=***&auth=***&month=1&code=***",
        ),
        ("https://host/a@b.csv", "https://host/a@b.csv"),
        ("https://host/x.csv?by=a@b.c&at=9:30", "https://host/x.csv?by=a@b.c&at=9:30"),
        ("https://host:8080/x.csv?author=ann&postcode=2000", "https://host:8080/x.csv?author=ann&postcode=2000"),
        ("file:///data/9:30/a@b.csv", "file:///data/9:30/a@b.csv"),
        ("/data/{month}.csv", "/data/{month}.csv"),
    ],
)
def test_mask_hides_every_secret_and_nothing_else(url: str, masked: str) -> None:
    assert mask(url) == masked
    assert has_secret(url) == ("***" in masked)


def test_user_of_a_database_without_a_password_is_no_secret() -> None:
    assert not has_secret("postgresql://ann@host:5432/db/a.b")
    assert has_secret("HTTPS://ann@host/x.csv")


@pytest.mark.parametrize("character", ["/", "?", "#"])
@pytest.mark.parametrize(
    "source",
    [
        "postgresql://ml:s3{}cret@127.0.0.1:9/sales/public.orders",
        "postgresql://ml@azure:s3{}cret@127.0.0.1:9/sales/public.orders",
        "http://ml:s3{}cret@127.0.0.1:9/data.csv",
        "http://ml:s3{}cret@127.0.0.1:9/api?page={{page}}",
    ],
)
@pytest.mark.parametrize("read", [probe, read_all])
def test_password_that_ends_an_address_too_early_is_refused_without_it_and_with_the_way_to_write_it(
    read: Callable, source: str, character: str
) -> None:
    with pytest.raises(SettingsError, match=r"^SOURCE \w+://\*\*\*@127\.0\.0\.1:9/.*%2F.*%3F.*%23.*%25") as caught:
        read(settings_for(source.format(character)), MONTH)
    assert "s3" not in str(caught.value)
    assert "cret" not in str(caught.value)


def test_password_whose_beginning_could_be_a_port_is_never_shown() -> None:
    with pytest.raises(SettingsError, match=r"postgresql://\*\*\*@db:5432/sales/public\.orders") as caught:
        probe(settings_for("postgresql://ml:12/s3cret@db:5432/sales/public.orders"), MONTH)
    assert "12/" not in str(caught.value)


def test_address_with_a_port_and_an_at_sign_in_its_path_is_read(web_server: WebServer) -> None:
    web_server.pages["/a@b.csv"] = to_csv(make_trips())
    assert len(read_all(settings_for(f"{web_server.url}/a@b.csv"))[0]) == 4


def test_error_of_an_address_that_cannot_be_taken_apart_shows_no_password() -> None:
    with pytest.raises(SettingsError, match="SOURCE is not a usable address") as caught:
        probe(settings_for("https://ann:s3\u2105cret@host/x.csv"), MONTH)
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize("login", ["s3cret", "s3cret:", ":s3cret", "ann:s3cret"])
def test_explain_hides_a_login_of_the_web_that_a_library_repeats(login: str) -> None:
    assert explain(ValueError("error code=404 for 's3cret'"), f"https://{login}@host/x.csv") == (
        "error code=404 for '***'"
    )


def test_explain_hides_the_password_wherever_a_library_repeats_it() -> None:
    url = "postgresql://ann:s3cret@host/db/a.b"
    assert explain(ValueError(f"{url} failed: no password 's3cret'\nat line 1"), url) == (
        "postgresql://***@host/db/a.b failed: no password '***'"
    )


def test_locate_fills_in_the_bounds_of_a_december() -> None:
    settings = settings_for("https://host/{month}/{month_start}/{month_end}?page={page}")
    assert locate(settings, "2023-12") == "https://host/2023-12/2023-12-01/2024-01-01?page={page}"
