from pathlib import Path

import psycopg

from include.problems.taxi.zone_names import read_zone_names, write_zone_names


def fill_zones(url: str, *zones: tuple[int, str]) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM raw.zones")
        connection.cursor().executemany("INSERT INTO raw.zones (zone_id, name) VALUES (%s, %s)", zones)


def test_names_are_read_as_they_were_written_ordered_by_id(warehouse_url: str, tmp_path: Path) -> None:
    fill_zones(warehouse_url, (74, "East Harlem North"), (8, "Astoria Park"))
    write_zone_names(warehouse_url, tmp_path / "home" / "zones.json")
    names = read_zone_names(tmp_path / "home" / "zones.json")
    assert list(names.items()) == [(8, "Astoria Park"), (74, "East Harlem North")]


def test_file_is_left_alone_where_nothing_changed_and_replaced_where_it_did(warehouse_url: str, tmp_path: Path) -> None:
    path = tmp_path / "zones.json"
    fill_zones(warehouse_url, (8, "Astoria Park"))
    write_zone_names(warehouse_url, path)
    written = path.stat().st_ino
    write_zone_names(warehouse_url, path)
    assert path.stat().st_ino == written
    fill_zones(warehouse_url, (8, "Astoria"))
    write_zone_names(warehouse_url, path)
    assert read_zone_names(path) == {8: "Astoria"}


def test_there_are_no_names_before_zones_were_loaded(tmp_path: Path) -> None:
    assert read_zone_names(tmp_path / "zones.json") == {}
