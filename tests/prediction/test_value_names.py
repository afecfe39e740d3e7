from pathlib import Path

import psycopg

from include.prediction.value_names import name_value, read_names, write_names
from include.settings import Settings
from tests.rentals import RENTALS

PROBLEM = Settings().problem


def fill_zones(url: str, *zones: tuple[int, str]) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM raw.zones")
        connection.cursor().executemany("INSERT INTO raw.zones (zone_id, name) VALUES (%s, %s)", zones)


def test_names_are_read_by_column_as_they_were_written_ordered_by_id(warehouse_url: str, tmp_path: Path) -> None:
    fill_zones(warehouse_url, (74, "East Harlem North"), (8, "Astoria Park"))
    write_names(warehouse_url, PROBLEM, tmp_path / "home")
    names = read_names(PROBLEM, tmp_path / "home")
    assert set(names) == {"pickup_zone", "dropoff_zone"}
    assert list(names["dropoff_zone"].items()) == [("8", "Astoria Park"), ("74", "East Harlem North")]


def test_file_is_left_alone_where_nothing_changed_and_replaced_where_it_did(warehouse_url: str, tmp_path: Path) -> None:
    fill_zones(warehouse_url, (8, "Astoria Park"))
    write_names(warehouse_url, PROBLEM, tmp_path)
    written = (tmp_path / "zones.json").stat().st_ino
    write_names(warehouse_url, PROBLEM, tmp_path)
    assert (tmp_path / "zones.json").stat().st_ino == written
    fill_zones(warehouse_url, (8, "Astoria"))
    write_names(warehouse_url, PROBLEM, tmp_path)
    assert read_names(PROBLEM, tmp_path)["pickup_zone"] == {"8": "Astoria"}


def test_there_are_no_names_before_a_reference_was_loaded_or_without_one(warehouse_url: str, tmp_path: Path) -> None:
    assert read_names(PROBLEM, tmp_path) == {}
    write_names(warehouse_url, RENTALS, tmp_path / "other")
    assert read_names(RENTALS, tmp_path / "other") == {}


def test_value_without_a_name_is_shown_as_it_is() -> None:
    names = {"station": {"7": "Harbour"}}
    assert [name_value(names, "station", value) for value in (7, "7", 8)] == ["Harbour", "Harbour", "8"]
    assert name_value(names, "weather", "sunny") == "sunny"
