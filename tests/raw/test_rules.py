from datetime import datetime
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.errors import DataQualityError
from include.raw import ingest_month, validate_months
from include.raw.rules import hash_rules
from include.settings import Settings, read_settings
from tests.trip_tables import make_trips

MONTH = "2024-01"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A source of Parquet files in the test's directory, of whose rows any number may be refused."""
    return read_settings(source=f"{tmp_path}/{{month}}.parquet", rejected_max_share=1.0, months=("2024-01", "2024-02"))


def load(url: str, settings: Settings, table: pa.Table, month: str = MONTH) -> None:
    pq.write_table(table, settings.problem.source.replace("{month}", month))
    ingest_month(url, settings, month)


def read_rejected(url: str) -> list[tuple]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT row_number, rule, detail FROM raw.rejected ORDER BY month, row_number, rule"
        ).fetchall()


def times(*values: str | None) -> pa.Array:
    return pa.array([datetime.fromisoformat(value) if value else None for value in values], pa.timestamp("us"))


def test_good_rows_break_no_rule(warehouse_url: str, settings: Settings) -> None:
    load(warehouse_url, settings, make_trips(500))
    (validation,) = validate_months(warehouse_url, settings, [MONTH])
    assert (validation.month, validation.rows, validation.rejected) == (MONTH, 500, {})


@pytest.mark.parametrize(
    ("columns", "rejected"),
    [
        ({"PULocationID": pa.array([None, 5], pa.int32())}, (0, "pickup_zone: missing", None)),
        ({"trip_distance": pa.array([1.0, None])}, (1, "trip_distance: missing", None)),
        ({"lpep_pickup_datetime": times(None, "2024-01-01T01:00")}, (0, "pickup_at: missing", None)),
        ({"DOLocationID": pa.array([5, 0], pa.int32())}, (1, "dropoff_zone: below 1", "0")),
        ({"trip_distance": pa.array([1.0, -2.5])}, (1, "trip_distance: outside the allowed range", "-2.5")),
        ({"trip_distance": pa.array([float("inf"), 1.0])}, (0, "trip_distance: wrong type", "inf")),
        (
            {"lpep_dropoff_datetime": times("2024-01-01T00:00", "2024-01-01T02:00")},
            (0, "dropoff_at: not after pickup_at", "0 days 00:00:00"),
        ),
        (
            {
                "lpep_pickup_datetime": times("2024-01-01T00:00", "2009-01-01T00:00"),
                "lpep_dropoff_datetime": times("2024-01-01T00:10", "2009-01-01T00:10"),
            },
            (1, "pickup_at: outside its month", "2009-01-01 00:00:00"),
        ),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_row_that_breaks_a_rule_is_kept_with_its_number_the_rule_and_the_value(
    warehouse_url: str, settings: Settings, columns: dict[str, pa.Array], rejected: tuple
) -> None:
    load(warehouse_url, settings, make_trips(2, **columns))
    (validation,) = validate_months(warehouse_url, settings, [MONTH])
    assert read_rejected(warehouse_url) == [rejected]
    assert validation.rejected == {rejected[1]: 1}


def test_pickups_within_the_tolerance_of_the_month_are_good(warehouse_url: str, settings: Settings) -> None:
    pickups = times("2023-12-31T23:59", "2023-12-30T23:59", "2024-02-01T23:59", "2024-02-02T00:00")
    dropoffs = times(*["2024-02-03T00:00"] * 4)
    load(warehouse_url, settings, make_trips(4, lpep_pickup_datetime=pickups, lpep_dropoff_datetime=dropoffs))
    validate_months(warehouse_url, settings.model_copy(update={"month_tolerance_days": 1}), [MONTH])
    assert [number for number, *_ in read_rejected(warehouse_url)] == [1, 3]


def test_value_of_the_wrong_type_is_not_reported_as_missing_too(warehouse_url: str, settings: Settings) -> None:
    load(warehouse_url, settings, make_trips(3, trip_distance=pa.array(["far", None, "1"])))
    expected = [(0, "trip_distance: wrong type", "far"), (1, "trip_distance: missing", None)]
    for _ in range(2):
        validate_months(warehouse_url, settings, [MONTH])
        assert read_rejected(warehouse_url) == expected


def test_duplicates_found_by_the_load_stay_refused(warehouse_url: str, settings: Settings) -> None:
    trips = make_trips(2)
    load(warehouse_url, settings, pa.concat_tables([trips, trips]))
    (validation,) = validate_months(warehouse_url, settings, [MONTH])
    assert validation.rejected == {"duplicate of an earlier row": 2}


def test_month_is_judged_again_only_when_its_rows_or_the_rules_change(warehouse_url: str, settings: Settings) -> None:
    load(warehouse_url, settings, make_trips(2))
    validate_months(warehouse_url, settings, [MONTH])

    def read_time() -> tuple:
        with psycopg.connect(warehouse_url) as connection:
            return connection.execute("SELECT validated_at FROM raw.sources").fetchone()

    first = read_time()
    validate_months(warehouse_url, settings, [MONTH])
    assert read_time() == first
    stricter = settings.change(trip_distance_max=2.0)
    assert hash_rules(stricter) != hash_rules(settings)
    other_time = settings.problem.model_copy(update={"time": "dropoff_at"})
    assert hash_rules(settings.model_copy(update={"problem": other_time})) != hash_rules(settings)
    assert validate_months(warehouse_url, stricter, [MONTH])[0].rejected == {
        "trip_distance: outside the allowed range": 1
    }
    second = read_time()
    load(warehouse_url, settings, make_trips(3))
    validate_months(warehouse_url, stricter, [MONTH])
    assert read_time() > second > first


def test_too_many_refused_rows_fail_with_rules_and_counts_after_they_are_stored(
    warehouse_url: str, settings: Settings
) -> None:
    load(warehouse_url, settings, make_trips(4, trip_distance=pa.array([-1.0, 1.0, 1.0, 1.0])))
    load(warehouse_url, settings, make_trips(4, "2024-02"), "2024-02")
    strict = settings.model_copy(update={"rejected_max_share": 0.05})
    for _ in range(2):  # the second time the verdict is read from the table
        with pytest.raises(DataQualityError) as caught:
            validate_months(warehouse_url, strict, ["2024-01", "2024-02"])
        assert "2024-01: 1 of 4 rows (25.0%): trip_distance: outside the allowed range (1)" in str(caught.value)
        assert "2024-02" not in str(caught.value)
    assert len(read_rejected(warehouse_url)) == 1


def test_rows_that_repeat_an_earlier_one_fail_no_month(warehouse_url: str, settings: Settings) -> None:
    trips = make_trips(2)
    load(warehouse_url, settings, pa.concat_tables([trips, trips, trips]))
    strict = settings.model_copy(update={"rejected_max_share": 0.0})
    [validation] = validate_months(warehouse_url, strict, [MONTH])
    assert validation.rejected == {"duplicate of an earlier row": 4}


def test_share_counts_rows_not_broken_rules(warehouse_url: str, settings: Settings) -> None:
    broken = {"trip_distance": pa.array([-1.0, 1.0]), "PULocationID": pa.array([0, 1], pa.int32())}
    load(warehouse_url, settings, make_trips(2, **broken))
    (validation,) = validate_months(warehouse_url, settings.model_copy(update={"rejected_max_share": 0.5}), [MONTH])
    assert sum(validation.rejected.values()) == 2


def test_month_that_is_not_loaded_cannot_be_validated(warehouse_url: str, settings: Settings) -> None:
    with pytest.raises(DataQualityError, match="2024-01 is not in raw.rows"):
        validate_months(warehouse_url, settings, [MONTH])


def test_no_usable_real_trip_is_refused(module_warehouse_url: str, trip_data: Path) -> None:
    months = ["2024-01", "2024-02"]
    settings = read_settings(source=f"{trip_data}/green_tripdata_{{month}}.parquet", months=months)
    assert sum(ingest_month(module_warehouse_url, settings, month).rows for month in months) == 110_128
    validations = validate_months(module_warehouse_url, settings, months)
    assert [validation.rejected for validation in validations] == [
        {"dropoff_at: not after pickup_at": 76},
        {"dropoff_at: not after pickup_at": 48},
    ]
    with psycopg.connect(module_warehouse_url) as connection:
        kept = connection.execute(
            "SELECT count(*) FROM raw.rows LEFT JOIN raw.rejected r USING (month, row_number) "
            "WHERE r.rule IS NULL AND dropoff_at - pickup_at BETWEEN '1 minute' AND '60 minutes'"
        ).fetchone()
    assert kept == (105_870,)
