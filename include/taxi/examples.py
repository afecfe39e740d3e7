"""Reads training sets: which are published, their examples by split, and the zone positions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from include.taxi.errors import NoTrainingSet
from include.taxi.feature_sets import NO_POSITIONS, Positions, trips_of_frame
from include.taxi.fitting import Split
from include.taxi.warehouse import connect, connect_bulk

_COLUMNS = "version, fingerprint, months, validation_from::text, test_from::text, feature_set, counts, published_at"


@dataclass(frozen=True)
class TrainingSet:
    """A published version: what it holds, not the examples themselves."""

    version: int
    fingerprint: str
    months: tuple[str, ...]
    validation_from: str
    test_from: str | None
    feature_set: str
    counts: dict[str, int]
    published_at: datetime

    @property
    def has_test_split(self) -> bool:
        """Whether there is a third split."""
        return self.test_from is not None


def _fetch(connection: psycopg.Connection, condition: str, values: list[Any]) -> TrainingSet | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM training.sets WHERE state = 'published' AND {condition}"
        " ORDER BY published_at DESC, version DESC LIMIT 1",
        values,
    ).fetchone()
    return TrainingSet(row[0], row[1], tuple(row[2]), *row[3:]) if row else None


def get_training_set(url: str, version: int) -> TrainingSet:
    """The published version of that number.

    Raises:
        NoTrainingSet: It is not published, or was superseded since.
    """
    with connect(url) as connection:
        found = _fetch(connection, "version = %s", [version])
    if found is None:
        raise NoTrainingSet(f"Training set version {version} is not published any more; start data_preparation.")
    return found


def find_newest(url: str, outdated_after: float) -> TrainingSet | None:
    """The newest published version, None if there is none or it is older than `outdated_after` hours."""
    with connect(url) as connection:
        return _fetch(connection, "published_at > now() - make_interval(secs => %s)", [outdated_after * 3600])


def load_split(url: str, version: int, split: str) -> Split:
    """The examples of one split, in the source's order."""
    with connect_bulk(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pickup_at, pickup_zone, dropoff_zone, trip_distance, target FROM training.examples"
            " WHERE version = $1 AND split = $2 ORDER BY month, row_number",
            (version, split),
        )
        frame = cursor.fetch_arrow_table().to_pandas()
    return Split(trips_of_frame(frame), frame["target"].to_numpy(dtype="float64"))


def load_positions(url: str) -> Positions:
    """Zone positions from `raw.zones`; `NO_POSITIONS` where the table is empty."""
    with connect(url) as connection:
        rows = connection.execute("SELECT zone_id, longitude, latitude FROM raw.zones WHERE zone_id >= 0").fetchall()
    if not rows:
        return NO_POSITIONS
    return Positions.from_zones(*zip(*rows, strict=True))
