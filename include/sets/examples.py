"""Reads training sets: which are published, their examples by split, and the zone positions."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from include.errors import NoTrainingSet
from include.problem.data import Split
from include.problems.taxi.features import NO_POSITIONS, Positions, rows_of_frame
from include.warehouse import connect, connect_bulk

_COLUMNS = "version, fingerprint, months, validation_from::text, test_from::text, counts, published_at"


@dataclass(frozen=True)
class TrainingSet:
    """A published version: what it holds, not the examples themselves."""

    version: int
    fingerprint: str
    months: tuple[str, ...]
    validation_from: str
    test_from: str | None
    counts: dict[str, int]
    published_at: datetime

    @property
    def has_test_split(self) -> bool:
        """Whether there is a third split."""
        return self.test_from is not None


def _fetch(connection: psycopg.Connection, condition: str, values: list[Any]) -> TrainingSet | None:
    row = connection.execute(f"SELECT {_COLUMNS} FROM training.{condition}", values).fetchone()
    return TrainingSet(row[0], row[1], tuple(row[2]), *row[3:]) if row else None


def get_training_set(url: str, version: int) -> TrainingSet:
    """The version of that number, if it was published; one that was superseded can be read until it is pruned.

    Raises:
        NoTrainingSet: It was never published, or its examples are gone.
    """
    with connect(url) as connection:
        found = _fetch(
            connection,
            "sets WHERE version = %s AND (state = 'published'"
            " OR (state = 'superseded' AND to_regclass('training.examples_' || version) IS NOT NULL))",
            [version],
        )
    if found is None:
        raise NoTrainingSet(f"Training set version {version} no longer exists; start data_preparation.")
    return found


def find_newest(url: str, outdated_after: float) -> TrainingSet | None:
    """The newest published version, None if there is none or it is older than `outdated_after` hours."""
    with connect(url) as connection:
        return _fetch(
            connection, "newest WHERE published_at > now() - make_interval(secs => %s)", [outdated_after * 3600]
        )


def choose_training_set(
    url: str, outdated_after: float, *, requested: int | None = None, announced: Collection[int] = ()
) -> TrainingSet | None:
    """The set to train on: the requested one, else the newest announced one, else the newest that is fresh.

    An announced set that was superseded meanwhile gives way to its successor.

    Raises:
        NoTrainingSet: The requested one is not published.
    """
    if requested is not None:
        return get_training_set(url, requested)
    with connect(url) as connection:
        found = _fetch(
            connection,
            "published WHERE version = ANY(%s) ORDER BY published_at DESC, version DESC LIMIT 1",
            [list(announced)],
        )
    return found or find_newest(url, outdated_after)


def load_split(url: str, version: int, split: str) -> Split:
    """The examples of one split, in the source's order."""
    with connect_bulk(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pickup_at, pickup_zone, dropoff_zone, trip_distance, target FROM training.examples"
            " WHERE version = $1 AND split = $2 ORDER BY month, row_number",
            (version, split),
        )
        frame = cursor.fetch_arrow_table().to_pandas()
    return Split(rows_of_frame(frame), frame["target"].to_numpy(dtype="float64"))


def load_positions(url: str, version: int) -> Positions:
    """The zone positions that a set was made with; empty where there was no zones table."""
    with connect(url) as connection:
        row = connection.execute("SELECT positions FROM training.sets WHERE version = %s", [version]).fetchone()
    return Positions.from_dict(row[0]) if row else NO_POSITIONS
