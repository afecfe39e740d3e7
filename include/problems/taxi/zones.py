"""Zones: id, name, borough and position, from wherever ZONES_SOURCE says."""

import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from include.errors import SettingsError, SourceInvalid
from include.problems.taxi import sample
from include.settings import Settings
from include.sources.files import fetch
from include.sources.formats.encoding import SAVE_AS_UTF8
from include.sources.formats.packing import GZIP_MAGIC
from include.sources.limits import Limits
from include.sources.location import mask

if TYPE_CHECKING:
    import pandas as pd
    import shapefile

SCHEMA = pa.schema(
    [
        ("zone_id", pa.int32()),
        ("name", pa.string()),
        ("borough", pa.string()),
        ("longitude", pa.float64()),
        ("latitude", pa.float64()),
    ]
)
# The lookup (names) and the shapes (positions) that the TLC publishes.
PUBLISHED = {
    "tlc": "https://d37ci6vzurychx.cloudfront.net/misc/taxi_zone_lookup.csv"
    "+https://d37ci6vzurychx.cloudfront.net/misc/taxi_zones.zip",
}
# `auto`: the zones that belong to a source of trips.
OF_SOURCE = {"sample": "sample", "tlc": "tlc"}
OTHER_NAMES = {"locationid": "zone_id", "zone": "name"}
PAIR_SEPARATOR = re.compile(r"\+(?=[a-z][a-z0-9]*://|/)")
DEFAULT_CRS = "EPSG:2263"  # New York's State Plane in feet, where a shapefile does not say
DEGREES = "EPSG:4326"
PRECISION = 5  # decimals of a degree: a metre


def read_zones(settings: Settings) -> "pd.DataFrame | None":
    """Reads the zones that ZONES_SOURCE names.

    Returns:
        A row a zone: zone_id, name, borough, longitude and latitude in degrees (NaN for zones without a position);
        None where there are no zones.

    Raises:
        SettingsError: The setting names nothing that can be read.
        SourceUnavailable: A file cannot be read now.
        SourceInvalid: A file is missing, damaged, or lacks a column.
    """
    source = _choose_source(settings)
    if source == "none":
        return None
    if source == "sample":
        return _finish(_make_sample(settings.sample_seed), "sample")
    parts = split_source(settings)
    frame = _read_table(parts[0], Limits.of(settings))
    if len(parts) == 2:
        positions = _read_positions(parts[1], Limits.of(settings))
        frame = frame.drop(columns=["longitude", "latitude"], errors="ignore")
        frame = frame.merge(positions, on="zone_id", how="left", validate="many_to_one")
    return _finish(frame, mask(parts[0]))


def split_source(settings: Settings) -> list[str]:
    """The addresses of the files that ZONES_SOURCE names: none, a lookup, or a lookup and shapes.

    Raises:
        SettingsError: The setting names nothing that can be read.
    """
    source = _choose_source(settings)
    if source in ("none", "sample"):
        return []
    parts = PAIR_SEPARATOR.split(PUBLISHED.get(source, source))
    if len(parts) > 2 or not re.search(r"[/.]", parts[0]):
        raise SettingsError(
            f"ZONES_SOURCE {mask(source)}: give `auto`, `none`, `sample`, `tlc`, the URL of a CSV file, "
            "or the URLs of a lookup CSV and of zipped shapes with + between them"
        )
    return parts


def _choose_source(settings: Settings) -> str:
    source = settings.problem.references["zones"].source
    return OF_SOURCE.get(settings.problem.source, "none") if source == "auto" else source


def _make_sample(seed: int) -> "pd.DataFrame":
    import pandas as pd

    boroughs, miles = sample.place_zones(seed)
    degrees = miles / sample.MILES_PER_DEGREE + sample.CENTRE
    return pd.DataFrame(
        {
            "zone_id": range(1, len(boroughs) + 1),
            "name": [f"Synthetic {number}" for number in range(1, len(boroughs) + 1)],
            "borough": boroughs,
            "longitude": degrees[:, 0],
            "latitude": degrees[:, 1],
        }
    )


def _read_table(url: str, limits: Limits) -> "pd.DataFrame":
    import pandas as pd

    with fetch(url, limits) as (path, _):
        try:
            # "N/A" is a borough in the TLC's list, not a missing one.
            frame = pd.read_csv(path, keep_default_na=False, na_values=[""], compression=_find_compression(path))
        except UnicodeDecodeError as error:
            raise SourceInvalid(f"{mask(url)} is not in UTF-8 ({error}). {SAVE_AS_UTF8}") from error
        except Exception as error:  # damaged files make libraries raise all kinds of errors
            raise SourceInvalid(f"{mask(url)} is not a CSV file of zones ({error}): check ZONES_SOURCE") from error
    return frame.rename(columns=lambda name: OTHER_NAMES.get(name.strip().lower(), name.strip().lower()))


def _find_compression(path: Path) -> Literal["gzip"] | None:
    with path.open("rb") as file:
        return "gzip" if file.read(len(GZIP_MAGIC)) == GZIP_MAGIC else None


def _read_positions(url: str, limits: Limits) -> "pd.DataFrame":
    """Centroids of the shapes by LocationID; a zone of several shapes has one, of all of them together."""
    import pandas as pd
    import pyproj
    import shapely

    with fetch(url, limits) as (path, _):
        try:
            crs = pyproj.CRS.from_user_input(_read_projection(path) or DEFAULT_CRS)
            with _open_shapes(path) as reader:
                fields = {name.lower(): name for name, *_ in reader.fields}
                shapes: dict[int, list] = {}
                for item in reader.iterShapeRecords():
                    zone = int(item.record[fields["locationid"]])
                    shapes.setdefault(zone, []).append(shapely.geometry.shape(item.shape.__geo_interface__))
        except Exception as error:  # damaged files make libraries raise all kinds of errors
            raise SourceInvalid(
                f"{mask(url)} is not a zip of one shapefile with a LocationID ({error!r}): check ZONES_SOURCE"
            ) from error
    centres = [shapely.union_all(parts).centroid for parts in shapes.values()]
    to_degrees = pyproj.Transformer.from_crs(crs, DEGREES, always_xy=True)
    longitudes, latitudes = to_degrees.transform([centre.x for centre in centres], [centre.y for centre in centres])
    return pd.DataFrame({"zone_id": list(shapes), "longitude": longitudes, "latitude": latitudes})


@contextmanager
def _open_shapes(path: Path) -> "Iterator[shapefile.Reader]":
    """Opens the one shapefile of a zip, whatever the zip and the folders in it are called."""
    import shapefile

    with zipfile.ZipFile(path) as archive:
        names = {Path(name).suffix.lower(): name for name in archive.namelist()}
        parts = {kind: io.BytesIO(archive.read(names[f".{kind}"])) for kind in ("shp", "dbf")}
    with shapefile.Reader(**parts) as reader:
        yield reader


def _read_projection(path: Path) -> str | None:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.lower().endswith(".prj")]
        return archive.read(names[0]).decode() if names else None


def _finish(frame: "pd.DataFrame", location: str) -> "pd.DataFrame":
    """The columns of zones in their types, ordered by id."""
    lacking = [name for name in ("zone_id", "name") if name not in frame]
    if lacking:
        raise SourceInvalid(
            f"{location}: zones need the columns {', '.join(SCHEMA.names)}; {', '.join(lacking)} not among "
            f"{', '.join(map(str, frame.columns))}. Check ZONES_SOURCE"
        )
    import pandas as pd

    frame = frame.reindex(columns=SCHEMA.names).sort_values("zone_id", ignore_index=True)
    problem = (
        "is empty"
        if frame.empty
        else "has a zone_id twice"
        if frame["zone_id"].duplicated().any()
        else "has a zone without an id"
        if frame["zone_id"].isna().any()
        else ""
    )
    if problem:
        raise SourceInvalid(f"{location} {problem}: correct it, or change ZONES_SOURCE")
    try:
        for name in ("longitude", "latitude"):
            frame[name] = pd.to_numeric(frame[name]).astype("float64").round(PRECISION)
        frame = frame.astype({"zone_id": "int64"})
    except (ValueError, TypeError) as error:
        raise SourceInvalid(f"{location}: a zone_id or position is not a number ({error}): correct it") from error
    unnamed = "Zone " + frame["zone_id"].astype(str)
    return frame.assign(name=frame["name"].astype("str").fillna(unnamed), borough=frame["borough"].astype("str"))
