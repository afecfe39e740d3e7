"""Small months of raw trips for tests, put into the warehouse as an ingestion would have left them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from include.warehouse import connect, create_partition


@dataclass(frozen=True)
class RawTrip:
    """One row as its source gave it; `minutes` say when it ends."""

    pickup_at: str
    minutes: float = 10
    pickup_zone: int | None = 1
    dropoff_zone: int | None = 2
    trip_distance: float | None = 1.5
    target: float | None = None


def store_month(
    url: str,
    month: str,
    trips: Sequence[RawTrip],
    *,
    rejected: Sequence[int] = (),
    sha256: str = "",
    validated: bool = True,
) -> None:
    """Replaces a month; `rejected` are row numbers, and `sha256` stands for the source's contents."""
    rows = [
        (month, number, pickup_at, pickup_at + timedelta(minutes=trip.minutes), trip.pickup_zone, trip.dropoff_zone,
         trip.trip_distance, trip.minutes if trip.target is None else trip.target)
        for number, trip in enumerate(trips)
        for pickup_at in [datetime.fromisoformat(trip.pickup_at)]
    ]  # fmt: skip
    with connect(url) as connection:
        create_partition(connection, "raw", "rows", month.replace("-", "_"), "month", month)
        for table in ("rows", "rejected", "sources"):
            connection.execute(f"DELETE FROM raw.{table} WHERE month = %s".encode(), [month])
        cursor = connection.cursor()
        cursor.executemany(
            "INSERT INTO raw.rows (month, row_number, pickup_at, dropoff_at, pickup_zone, dropoff_zone, trip_distance,"
            " target) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            rows,
        )
        cursor.executemany(
            "INSERT INTO raw.rejected VALUES (%s, %s, 'pickup_zone: below 1', '0')",
            [(month, number) for number in rejected],
        )
        connection.execute(
            "INSERT INTO raw.sources (month, location, sha256, columns, reading, rows, rules)"
            " VALUES (%s, 'file:///trips', %s, '{}', '', %s, %s)",
            [month, sha256 or f"contents of {month}", len(rows), "rules" if validated else None],
        )


def store_zones(url: str, zones: Sequence[tuple[int, str, float | None, float | None]]) -> None:
    """Adds zones: id, name, longitude, latitude."""
    with connect(url) as connection:
        connection.cursor().executemany(
            "INSERT INTO raw.zones (zone_id, name, longitude, latitude) VALUES (%s, %s, %s, %s)", zones
        )


def query(url: str, statement: str) -> list[tuple]:
    """The rows of a statement."""
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()
