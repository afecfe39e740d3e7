import io
import zipfile
from pathlib import Path

import psycopg
import pyproj
import pytest
import shapefile

from include.errors import SettingsError, SourceInvalid, SourceUnavailable
from include.problems.taxi import zones
from include.problems.taxi.zone_table import ZONES
from include.problems.taxi.zones import read_zones
from include.settings import read_settings
from tests.servers import WebServer

LOOKUP = (
    b'"LocationID","Borough","Zone","service_zone"\n1,"EWR","Newark Airport","EWR"\n2,"N/A","Bay",""\n3,"Queens",,\n'
)
STATE_PLANE = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:2263", always_xy=True)


def make_square(longitude: float, latitude: float, size: float = 1_000.0) -> list[tuple[float, float]]:
    """A square around a position, in feet of New York's State Plane, clockwise as shapefiles want it."""
    x, y = STATE_PLANE.transform(longitude, latitude)
    half = size / 2
    return [
        (x - half, y - half),
        (x - half, y + half),
        (x + half, y + half),
        (x + half, y - half),
        (x - half, y - half),
    ]


def zip_shapes(squares: list[tuple[int, list[tuple[float, float]]]], projection: str | None = None) -> bytes:
    parts = {kind: io.BytesIO() for kind in ("shp", "shx", "dbf")}
    with shapefile.Writer(**parts, shapeType=shapefile.POLYGON) as writer:
        writer.field("LocationID", "N")
        for zone, ring in squares:
            writer.poly([ring])
            writer.record(zone)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for kind, part in parts.items():
            archive.writestr(f"taxi_zones/taxi_zones.{kind}", part.getvalue())
        if projection:
            archive.writestr("taxi_zones/taxi_zones.prj", projection)
    return packed.getvalue()


def count_zones(url: str) -> int:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT count(*) FROM raw.zones").fetchone()[0]


@pytest.mark.parametrize(
    ("source", "zones_source", "count"),
    [("sample", "auto", 265), ("sample", "none", None), ("/trips/{month}.csv", "auto", None), ("tlc", "sample", 265)],
)
def test_zones_come_with_the_sample_and_where_they_are_asked_for(
    source: str, zones_source: str, count: int | None
) -> None:
    frame = read_zones(read_settings(source=source, zones_source=zones_source))
    assert (None if frame is None else len(frame)) == count


def test_sample_zones_are_named_synthetic_and_have_positions() -> None:
    frame = read_zones(read_settings(source="sample"))
    assert list(frame.columns) == ["zone_id", "name", "borough", "longitude", "latitude"]
    assert frame["name"].str.startswith("Synthetic").all()
    assert frame["latitude"].notna().sum() == 263


def test_lookup_and_shapes_together_give_names_and_centroids(web_server: WebServer, monkeypatch) -> None:
    web_server.pages["/lookup.csv"] = LOOKUP
    web_server.pages["/shapes.zip"] = zip_shapes(
        [(1, make_square(-74.174, 40.692)), (2, make_square(-73.90, 40.60)), (2, make_square(-73.80, 40.60))]
    )
    monkeypatch.setitem(zones.PUBLISHED, "tlc", f"{web_server.url}/lookup.csv+{web_server.url}/shapes.zip")
    frame = read_zones(read_settings(source="tlc", zones_source="auto"))
    assert frame["zone_id"].tolist() == [1, 2, 3]
    assert frame["name"].tolist() == ["Newark Airport", "Bay", "Zone 3"]
    assert frame["borough"].tolist() == ["EWR", "N/A", "Queens"]
    # Zone 2 has two shapes of one size: its position is halfway between them.
    assert frame["longitude"].tolist()[:2] == pytest.approx([-74.174, -73.85], abs=1e-4)
    assert frame["latitude"].tolist()[:2] == pytest.approx([40.692, 40.60], abs=1e-4)
    assert frame[["longitude", "latitude"]].isna().all(axis=1).tolist() == [False, False, True]


def test_shapes_are_read_in_the_projection_that_they_come_with(tmp_path: Path) -> None:
    ring = [(2.0, 48.0), (2.0, 49.0), (3.0, 49.0), (3.0, 48.0), (2.0, 48.0)]
    (tmp_path / "shapes.zip").write_bytes(zip_shapes([(1, ring)], pyproj.CRS("EPSG:4326").to_wkt("WKT1_ESRI")))
    (tmp_path / "lookup.csv").write_bytes(LOOKUP)
    frame = read_zones(read_settings(zones_source=f"{tmp_path}/lookup.csv+{tmp_path}/shapes.zip"))
    assert frame.loc[0, ["longitude", "latitude"]].tolist() == [2.5, 48.5]


def test_one_csv_gives_zones_with_positions_and_its_other_columns_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "zones.csv"
    path.write_text(
        "zone_id,borough,name,service_zone,longitude,latitude\n2,Queens,Bay,x,-73.8313,40.61675\n1,EWR,Air,,,\n"
    )
    frame = read_zones(read_settings(zones_source=f"file://{path}"))
    assert frame["zone_id"].tolist() == [1, 2]
    assert frame.loc[1].tolist() == [2, "Bay", "Queens", -73.8313, 40.61675]


def test_real_zones_are_read(trip_data: Path) -> None:
    frame = read_zones(read_settings(zones_source=f"{trip_data}/zones.csv"))
    assert len(frame) == 265
    assert frame["latitude"].notna().sum() == 263


@pytest.mark.parametrize(
    ("contents", "complaint"),
    [
        ("a,b\n1,2\n", "zone_id, name not among a, b"),
        ("zone_id,name\n", "is empty"),
        ("zone_id,name\n1,A\n1,B\n", "has a zone_id twice"),
        ("zone_id,name\n1,A\n,B\n", "has a zone without an id"),
        ("zone_id,name\none,A\n", "is not a number"),
        ("zone_id,name,latitude\n1,A,north\n", "is not a number"),
        ('zone_id,name\n1,"A', "is not a CSV file of zones"),
    ],
)
def test_zones_that_cannot_be_used_are_invalid(tmp_path: Path, contents: str, complaint: str) -> None:
    (tmp_path / "zones.csv").write_text(contents)
    with pytest.raises(SourceInvalid, match=complaint):
        read_zones(read_settings(zones_source=f"{tmp_path}/zones.csv"))


@pytest.mark.parametrize("contents", [b"no zip", zip_shapes([])[:200]])
def test_damaged_shapes_are_invalid(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "lookup.csv").write_bytes(LOOKUP)
    (tmp_path / "shapes.zip").write_bytes(contents)
    with pytest.raises(SourceInvalid, match=r"shapes\.zip is not a zip of one shapefile"):
        read_zones(read_settings(zones_source=f"{tmp_path}/lookup.csv+{tmp_path}/shapes.zip"))


def test_unreachable_zones_are_unavailable() -> None:
    with pytest.raises(SourceUnavailable, match="could not be read"):
        read_zones(read_settings(zones_source="http://127.0.0.1:9/zones.csv"))


@pytest.mark.parametrize("zones_source", ["manhattan", "a.csv+/b.zip+/c.zip"])
def test_unknown_zones_source_is_a_settings_error(zones_source: str) -> None:
    with pytest.raises(SettingsError, match="ZONES_SOURCE"):
        read_zones(read_settings(zones_source=zones_source))


def test_stored_zones_are_replaced_when_they_differ_and_emptied_for_none(warehouse_url: str, tmp_path: Path) -> None:
    path = tmp_path / "zones.csv"
    settings = read_settings(zones_source=str(path))
    path.write_text("zone_id,name\n1,A\n2,B\n")
    first = ZONES.load(warehouse_url, settings)
    assert (first["rows"], count_zones(warehouse_url)) == (2, 2)
    assert ZONES.load(warehouse_url, settings) == first
    path.write_text("zone_id,name\n1,A\n")
    assert ZONES.load(warehouse_url, settings)["sha256"] != first["sha256"]
    assert count_zones(warehouse_url) == 1
    assert ZONES.load(warehouse_url, read_settings(zones_source="none"))["rows"] == 0
    assert count_zones(warehouse_url) == 0


def test_zones_stay_as_they_were_when_the_new_ones_cannot_be_read(warehouse_url: str, tmp_path: Path) -> None:
    ZONES.load(warehouse_url, read_settings(zones_source="sample"))
    with pytest.raises(SourceInvalid):
        ZONES.load(warehouse_url, read_settings(zones_source=f"{tmp_path}/none.csv"))
    assert count_zones(warehouse_url) == 265
