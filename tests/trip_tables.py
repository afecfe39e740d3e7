"""Small months of trips for tests, in the TLC's columns."""

from datetime import datetime, timedelta

import pyarrow as pa

COLUMNS = (
    "lpep_pickup_datetime",
    "lpep_dropoff_datetime",
    "PULocationID",
    "DOLocationID",
    "trip_distance",
    "fare_amount",
)


def make_trips(rows: int = 4, month: str = "2024-01", **columns: pa.Array) -> pa.Table:
    """A month of good trips, each different, one an hour; `columns` replace or add to them."""
    start = datetime.strptime(month, "%Y-%m")
    pickups = [start + timedelta(hours=number) for number in range(rows)]
    arrays = {
        "lpep_pickup_datetime": pa.array(pickups, pa.timestamp("us")),
        "lpep_dropoff_datetime": pa.array([time + timedelta(minutes=10) for time in pickups], pa.timestamp("us")),
        "PULocationID": pa.array([number % 260 + 1 for number in range(rows)], pa.int32()),
        "DOLocationID": pa.array([(number + 5) % 260 + 1 for number in range(rows)], pa.int32()),
        "trip_distance": pa.array([1.5 + number for number in range(rows)], pa.float64()),
        "fare_amount": pa.array([10.0] * rows, pa.float64()),
    }
    return pa.table({**arrays, **columns})
