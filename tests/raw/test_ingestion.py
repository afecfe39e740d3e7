import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from include.errors import SourceInvalid, WarehouseUnavailable
from include.raw import ingest_month, validate_months
from include.raw.ingestion import hash_reading
from include.raw.tables import ensure_columns
from include.settings import Settings, read_settings
from include.sources import BATCH_ROWS
from tests.redeclared import retype
from tests.servers import WebServer
from tests.trip_tables import make_trips
from tests.warehouse_rows import query

MONTH = "2024-01"
YELLOW = {"lpep_pickup_datetime": "tpep_pickup_datetime", "lpep_dropoff_datetime": "tpep_dropoff_datetime"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A source of Parquet files, one a month, in the test's directory."""
    return read_settings(source=f"{tmp_path}/{{month}}.parquet", months=("2024-01", "2024-02"))


def write(settings: Settings, table: pa.Table, month: str = MONTH) -> None:
    pq.write_table(table, settings.problem.source.replace("{month}", month))


def count_rows(url: str) -> dict[str, int]:
    return dict(query(url, "SELECT month, count(*) FROM raw.rows GROUP BY month"))


def test_month_is_stored_under_neutral_names_with_its_row_numbers(warehouse_url: str, settings: Settings) -> None:
    write(settings, make_trips(2))
    done = ingest_month(warehouse_url, settings, MONTH)
    assert (done.rows, done.rejected, done.changed, done.warnings) == (2, 0, True, ())
    stored = query(
        warehouse_url,
        "SELECT month, row_number, pickup_at::text, dropoff_at::text, pickup_zone, dropoff_zone, trip_distance, target "
        "FROM raw.rows ORDER BY row_number",
    )
    assert stored == [
        (MONTH, 0, "2024-01-01 00:00:00", "2024-01-01 00:10:00", 1, 6, 1.5, 10.0),
        (MONTH, 1, "2024-01-01 01:00:00", "2024-01-01 01:10:00", 2, 7, 2.5, 10.0),
    ]


def test_month_larger_than_a_batch_is_stored_whole(warehouse_url: str, settings: Settings) -> None:
    write(settings, make_trips(50_000))
    assert ingest_month(warehouse_url, settings, MONTH).rows == 50_000
    assert query(warehouse_url, "SELECT count(DISTINCT row_number), max(row_number) FROM raw.rows") == [
        (50_000, 49_999)
    ]


def test_yellow_columns_work_by_settings_alone(warehouse_url: str, settings: Settings) -> None:
    write(settings, make_trips().rename_columns({**YELLOW}))
    yellow = settings.change(column_pickup_at="tpep_pickup_datetime", column_dropoff_at="tpep_dropoff_datetime")
    assert ingest_month(warehouse_url, yellow, MONTH).rows == 4


def test_target_column_is_stored_when_the_settings_name_one(warehouse_url: str, settings: Settings) -> None:
    write(settings, make_trips(2, minutes=pa.array([5, 7])))
    ingest_month(warehouse_url, settings.change(target="minutes"), MONTH)
    assert query(warehouse_url, "SELECT target FROM raw.rows ORDER BY row_number") == [(5.0,), (7.0,)]


def test_csv_gives_the_same_rows_as_parquet(warehouse_url: str, settings: Settings, tmp_path: Path) -> None:
    trips = make_trips(200)
    write(settings, trips)
    ingest_month(warehouse_url, settings, MONTH)
    before = query(warehouse_url, "SELECT * FROM raw.rows ORDER BY row_number")
    pyarrow.csv.write_csv(trips, tmp_path / f"{MONTH}.csv")
    csv = settings.change(source=f"{tmp_path}/{{month}}.csv")
    assert ingest_month(warehouse_url, csv, MONTH).rejected == 0
    assert query(warehouse_url, "SELECT * FROM raw.rows ORDER BY row_number") == before


def test_unit_of_the_first_numbers_is_that_of_the_column(warehouse_url: str, settings: Settings) -> None:
    size = BATCH_ROWS + 2
    distances = [f"{number} miles" for number in range(1, size)]
    write(settings, make_trips(size, trip_distance=pa.array([*distances, "3 km"])))
    done = ingest_month(warehouse_url, settings, MONTH)
    assert (done.rows, done.rejected) == (size, 1)
    assert query(warehouse_url, "SELECT rule, detail FROM raw.rejected") == [("trip_distance: wrong type", "3 km")]
    assert query(warehouse_url, "SELECT max(trip_distance) FROM raw.rows") == [(size - 1.0,)]


def test_what_was_decided_in_reading_a_file_is_a_warning(warehouse_url: str, tmp_path: Path) -> None:
    pyarrow.csv.write_csv(make_trips(), tmp_path / "trips.csv")
    with (tmp_path / "trips.csv").open("ab") as file:
        file.write(b"2024-01-02 12:00:00,2024-01-02 12:10:00,1,2,1.5,\xe9\n")
    csv = read_settings(source=f"{tmp_path}/trips.csv", months=(MONTH,))
    assert ingest_month(warehouse_url, csv, MONTH).warnings == (
        f"{tmp_path}/trips.csv: byte 0xE9 in line 6 is not UTF-8; read as cp1252. Set ENCODING to say otherwise",
    )


DECLARED = {"delimiter": "~", "decimal": ",", "encoding": "cp437", "missing": "-200", "time_format": "%d/%m/%Y %H:%M"}


def test_file_is_read_as_the_problem_declares(warehouse_url: str, tmp_path: Path) -> None:
    (tmp_path / "trips.txt").write_text(
        "lpep_pickup_datetime~lpep_dropoff_datetime~PULocationID~DOLocationID~trip_distance~fare_é\n"
        "05/01/2024 10:00~05/01/2024 10:10~1~2~1,5~1\n13/01/2024 10:00~13/01/2024 10:10~1~2~-200~1\n",
        "cp437",
    )
    settings = read_settings(source=f"{tmp_path}/trips.txt", months=(MONTH,), **DECLARED)
    done = ingest_month(warehouse_url, settings, MONTH)
    assert (done.rows, done.rejected, done.warnings) == (2, 0, ())
    assert query(warehouse_url, "SELECT pickup_at::text, trip_distance FROM raw.rows ORDER BY row_number") == [
        ("2024-01-05 10:00:00", 1.5),
        ("2024-01-13 10:00:00", None),
    ]
    assert not ingest_month(warehouse_url, settings, MONTH).changed
    for key in ("missing", "time_format"):
        changed = read_settings(source=f"{tmp_path}/trips.txt", months=(MONTH,), **{**DECLARED, key: ""})
        assert hash_reading(changed) != hash_reading(settings)


# What is not loaded again


def test_unchanged_month_is_not_loaded_again_unless_forced(warehouse_url: str, settings: Settings) -> None:
    write(settings, make_trips())
    first = ingest_month(warehouse_url, settings, MONTH)
    loaded_at = query(warehouse_url, "SELECT loaded_at FROM raw.sources")
    second = ingest_month(warehouse_url, settings, MONTH)
    assert (second.changed, second.rows, second.sha256) == (False, first.rows, first.sha256)
    assert query(warehouse_url, "SELECT loaded_at FROM raw.sources") == loaded_at
    assert ingest_month(warehouse_url, settings, MONTH, force=True).changed
    assert count_rows(warehouse_url) == {MONTH: 4}


def test_same_bytes_written_anew_are_unchanged_and_their_validator_is_refreshed(
    warehouse_url: str, settings: Settings
) -> None:
    write(settings, make_trips())
    ingest_month(warehouse_url, settings, MONTH)
    before = query(warehouse_url, "SELECT validator FROM raw.sources")
    write(settings, make_trips())
    assert not ingest_month(warehouse_url, settings, MONTH).changed
    assert query(warehouse_url, "SELECT validator FROM raw.sources") != before


def test_file_that_is_replaced_by_one_of_its_size_and_time_is_loaded_again(
    warehouse_url: str, settings: Settings, tmp_path: Path
) -> None:
    settings = settings.change(source=f"{tmp_path}/{{month}}.csv", target="minutes")
    path = tmp_path / f"{MONTH}.csv"
    for target in (5, 7):
        pyarrow.csv.write_csv(make_trips(1, minutes=pa.array([target])), path)
        os.utime(path, ns=(0, 0))
        assert ingest_month(warehouse_url, settings, MONTH).changed
        assert query(warehouse_url, "SELECT target FROM raw.rows") == [(target,)]
    assert not ingest_month(warehouse_url, settings, MONTH).changed


def test_month_is_loaded_again_when_the_settings_that_read_it_change(warehouse_url: str, settings: Settings) -> None:
    write(settings, make_trips())
    ingest_month(warehouse_url, settings, MONTH)
    other = settings.change(column_trip_distance="fare_amount")
    assert ingest_month(warehouse_url, other, MONTH).changed
    assert query(warehouse_url, "SELECT DISTINCT trip_distance FROM raw.rows") == [(10.0,)]


def test_unchanged_month_is_loaded_again_when_the_kind_of_a_column_was_changed_and_changed_back(
    warehouse_url: str, settings: Settings
) -> None:
    write(settings, make_trips())
    ingest_month(warehouse_url, settings, MONTH)
    for problem in (retype(settings.problem), settings.problem):
        ensure_columns(warehouse_url, problem)
    assert query(warehouse_url, "SELECT count(trip_distance) FROM raw.rows") == [(0,)]
    assert ingest_month(warehouse_url, settings, MONTH).changed
    [(rows, known)] = query(warehouse_url, "SELECT count(*), count(trip_distance) FROM raw.rows")
    assert rows == known > 0


def test_changed_month_replaces_its_rows_and_leaves_other_months(warehouse_url: str, settings: Settings) -> None:
    for month in settings.months:
        write(settings, make_trips(4, month), month)
        ingest_month(warehouse_url, settings, month)
    write(settings, make_trips(6))
    assert ingest_month(warehouse_url, settings, MONTH).changed
    assert count_rows(warehouse_url) == {"2024-01": 6, "2024-02": 4}


def test_remote_file_with_the_same_etag_is_not_downloaded_again(warehouse_url: str, web_server: WebServer) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(make_trips(), sink)
    web_server.pages[f"/{MONTH}.parquet"] = sink.getvalue().to_pybytes()
    web_server.headers["ETag"] = '"one"'
    settings = read_settings(source=web_server.url + "/{month}.parquet")
    ingest_month(warehouse_url, settings, MONTH)
    assert not ingest_month(warehouse_url, settings, MONTH).changed
    assert [method for method, _ in web_server.requests] == ["GET", "HEAD"]


# Columns that change


def test_missing_column_is_named_with_the_line_of_the_problems_file(warehouse_url: str, settings: Settings) -> None:
    write(settings, make_trips().rename_columns(YELLOW))
    with pytest.raises(SourceInvalid) as caught:
        ingest_month(warehouse_url, settings, MONTH)
    message = str(caught.value)
    assert "no column 'lpep_pickup_datetime'" in message
    place = "columns.pickup_at.source of include/problems/taxi/problem.toml"
    assert f"if 'tpep_pickup_datetime' is the same, name it in {place}" in message
    assert "COLUMN_" not in message
    assert "Columns found: tpep_pickup_datetime, tpep_dropoff_datetime, PULocationID" in message


def test_missing_column_that_a_setting_names_is_named_with_that_setting(warehouse_url: str, settings: Settings) -> None:
    write(settings, make_trips().rename_columns(YELLOW))
    misspelt = settings.change(column_pickup_at="tpep_pickup_date", column_pickup_zone="zzz")
    with pytest.raises(SourceInvalid) as caught:
        ingest_month(warehouse_url, misspelt, MONTH)
    message = str(caught.value)
    assert "no column 'tpep_pickup_date': if 'tpep_pickup_datetime' is the same, set COLUMN_PICKUP_AT=tpep" in message
    assert "no column 'zzz': change COLUMN_PICKUP_ZONE." in message


def test_proposed_name_of_a_column_survives_a_shell(warehouse_url: str, settings: Settings) -> None:
    write(settings, make_trips().rename_columns({"lpep_pickup_datetime": "lpep pickup datetime"}))
    settings = settings.change(column_pickup_at="lpep pickup")
    with pytest.raises(SourceInvalid, match="set COLUMN_PICKUP_AT='lpep pickup datetime'"):
        ingest_month(warehouse_url, settings, MONTH)


def test_new_vanished_and_retyped_columns_are_warnings(warehouse_url: str, settings: Settings) -> None:
    write(settings, make_trips(extra=pa.array([0.5] * 4)))
    ingest_month(warehouse_url, settings, MONTH)
    retyped = {"tip": pa.array([1] * 4), "trip_distance": pa.array(["1.5"] * 4)}
    write(settings, make_trips(4, "2024-02", **retyped), "2024-02")
    assert ingest_month(warehouse_url, settings, "2024-02").warnings == (
        "new column 'tip' (int64)",
        "column 'extra' is gone",
        "column 'trip_distance' was double and is string",
    )


def test_wider_numbers_and_longer_text_are_no_news(warehouse_url: str, settings: Settings) -> None:
    write(settings, make_trips())
    ingest_month(warehouse_url, settings, MONTH)
    write(settings, make_trips(4, "2024-02", PULocationID=pa.array([1.0, 2.0, None, 4.0])), "2024-02")
    assert ingest_month(warehouse_url, settings, "2024-02").warnings == ()


def test_value_of_the_wrong_type_becomes_null_and_the_row_is_rejected(warehouse_url: str, settings: Settings) -> None:
    write(settings, make_trips(trip_distance=pa.array(["1.5", "far\0", None, "4"])))
    assert ingest_month(warehouse_url, settings, MONTH).rejected == 1
    assert query(warehouse_url, "SELECT * FROM raw.rejected") == [
        (MONTH, 1, "trip_distance: wrong type", "far\\0", "load")
    ]
    assert query(warehouse_url, "SELECT trip_distance FROM raw.rows ORDER BY row_number") == [
        (1.5,), (None,), (None,), (4.0,),
    ]  # fmt: skip


@pytest.mark.parametrize("column", ["pickup", "dropoff"])
def test_row_with_a_time_that_cannot_be_stored_is_rejected_and_the_month_loaded(
    warehouse_url: str, settings: Settings, column: str
) -> None:
    name = f"lpep_{column}_datetime"
    times = [time.timestamp() for time in make_trips()[name].cast(pa.timestamp("us", "UTC")).to_pylist()]
    beyond = pa.array([*map(int, times[:3]), 9_999_999_999_999], pa.timestamp("s"))
    write(settings, make_trips(**{name: beyond}))
    assert (done := ingest_month(warehouse_url, settings, MONTH)).rejected == 1
    assert (done.rows, count_rows(warehouse_url)) == (4, {MONTH: 4})
    for _ in range(2):
        validate_months(warehouse_url, settings.model_copy(update={"rejected_max_share": 1.0}), [MONTH])
        [(number, rule, detail)] = query(warehouse_url, "SELECT row_number, rule, detail FROM raw.rejected")
        assert (number, rule) == (3, f"{column}_at: outside of the years 1 to 9999")
        assert "9999999999999" in detail


@pytest.mark.parametrize(
    ("column", "values", "complaint"),
    [
        (
            "trip_distance",
            ["near", "far", None, "4"],
            "2 of its 3 values cannot be read as a number, .*'near'.* in columns.trip_distance.source",
        ),
        (
            "trip_distance",
            ["2,5", "3,5", "4,5", "5,5"],
            "'2,5'.* decimal commas in a text file set DECIMAL=,",
        ),
        (
            "lpep_pickup_datetime",
            ["05-02-2010"] * 4,
            "a time, which pickup_at needs.*format set TIME_FORMAT",
        ),
        ("PULocationID", [[1]] * 4, "cannot be read as a whole number, which pickup_zone needs"),
    ],
)
def test_column_that_mostly_cannot_be_read_is_invalid_with_an_example_and_the_remedy(
    warehouse_url: str, settings: Settings, column: str, values: list, complaint: str
) -> None:
    write(settings, make_trips(4, **{column: pa.array(values)}))
    with pytest.raises(SourceInvalid, match=complaint):
        ingest_month(warehouse_url, settings, MONTH)
    assert count_rows(warehouse_url) == {}


def test_row_that_repeats_another_in_every_column_is_rejected(warehouse_url: str, settings: Settings) -> None:
    trips = make_trips(3)
    write(settings, pa.concat_tables([trips, trips.slice(1, 1)]))
    assert ingest_month(warehouse_url, settings, MONTH).rejected == 1
    assert query(warehouse_url, "SELECT * FROM raw.rejected") == [
        (MONTH, 3, "duplicate of an earlier row", "row 1", "load")
    ]


def test_charge_and_refund_of_a_trip_are_no_duplicates(warehouse_url: str, settings: Settings) -> None:
    trip = make_trips(1)
    refund = make_trips(1, fare_amount=pa.array([-10.0]))
    write(settings, pa.concat_tables([trip, refund]))
    assert ingest_month(warehouse_url, settings, MONTH).rejected == 0


# What goes wrong leaves the month as it was


@pytest.mark.parametrize("rows", [0, 4])
def test_month_without_rows_is_invalid_and_keeps_what_was_loaded(
    warehouse_url: str, settings: Settings, rows: int
) -> None:
    if rows:
        write(settings, make_trips(rows))
        ingest_month(warehouse_url, settings, MONTH)
    write(settings, make_trips(0))
    with pytest.raises(SourceInvalid, match="no rows for 2024-01: publish them there, or remove the month there"):
        ingest_month(warehouse_url, settings, MONTH)
    assert count_rows(warehouse_url) == ({MONTH: rows} if rows else {})


def test_api_without_records_is_a_month_without_rows(warehouse_url: str, web_server: WebServer) -> None:
    web_server.pages["/api"] = b"[]"
    settings = read_settings(source=f"{web_server.url}/api?month={{month}}&page={{page}}")
    with pytest.raises(SourceInvalid, match="no rows for 2024-01"):
        ingest_month(warehouse_url, settings, MONTH)


def test_fault_in_the_middle_of_a_load_keeps_the_month_as_it_was(warehouse_url: str, settings: Settings) -> None:
    write(settings, make_trips(4))
    first = ingest_month(warehouse_url, settings, MONTH)
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("ALTER TABLE raw.rows ADD CONSTRAINT full_disk CHECK (row_number < 30000)")
    write(settings, make_trips(40_000, trip_distance=pa.array(["far"] + ["1"] * 39_999)))
    with pytest.raises(psycopg.errors.CheckViolation, match="full_disk"):
        ingest_month(warehouse_url, settings, MONTH)
    assert count_rows(warehouse_url) == {MONTH: 4}
    assert query(warehouse_url, "SELECT sha256, rows FROM raw.sources") == [(first.sha256, 4)]
    assert query(warehouse_url, "SELECT count(*) FROM raw.rejected") == [(0,)]


def test_warehouse_that_breaks_off_is_unavailable_and_keeps_the_month(warehouse_url: str, settings: Settings) -> None:
    write(settings, make_trips(4))
    ingest_month(warehouse_url, settings, MONTH)
    with psycopg.connect(warehouse_url) as connection:
        # The server ends the session in the middle of the load, as a restart would.
        connection.execute(
            "CREATE FUNCTION end_session() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$"
        )
        connection.execute(
            "CREATE TRIGGER restart BEFORE INSERT ON raw.rows FOR EACH ROW "
            "WHEN (NEW.row_number = 30000) EXECUTE FUNCTION end_session()"
        )
    write(settings, make_trips(40_000))
    with pytest.raises(WarehouseUnavailable):
        ingest_month(warehouse_url, settings, MONTH)
    assert count_rows(warehouse_url) == {MONTH: 4}


def test_warehouse_that_cannot_be_reached_is_unavailable(settings: Settings) -> None:
    write(settings, make_trips(4))
    with pytest.raises(WarehouseUnavailable):
        ingest_month("postgresql://user:secret@127.0.0.1:9/warehouse", settings, MONTH)


def test_damaged_page_in_the_middle_is_invalid_and_keeps_the_month(warehouse_url: str, settings: Settings) -> None:
    write(settings, make_trips(4))
    ingest_month(warehouse_url, settings, MONTH)
    path = Path(settings.problem.source.replace("{month}", MONTH))
    write(settings, make_trips(100_000))
    contents = bytearray(path.read_bytes())
    middle = len(contents) // 2
    contents[middle : middle + 20_000] = bytes(20_000)
    path.write_bytes(contents)
    with pytest.raises(SourceInvalid, match="damaged or cut short"):
        ingest_month(warehouse_url, settings, MONTH)
    assert count_rows(warehouse_url) == {MONTH: 4}


def test_two_loads_of_a_month_at_once_end_with_one_copy(warehouse_url: str, settings: Settings) -> None:
    write(settings, make_trips(20_000))
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: ingest_month(warehouse_url, settings, MONTH), range(2)))
    assert sorted(each.changed for each in done) == [False, True]
    assert count_rows(warehouse_url) == {MONTH: 20_000}


def test_two_forced_loads_and_two_months_at_once_do_not_mix(warehouse_url: str, settings: Settings) -> None:
    for month in settings.months:
        write(settings, make_trips(20_000, month), month)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda month: ingest_month(warehouse_url, settings, month, force=True), settings.months * 2))
    assert count_rows(warehouse_url) == {"2024-01": 20_000, "2024-02": 20_000}
