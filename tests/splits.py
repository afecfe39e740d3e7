"""Small splits of plausible trips for tests, in the columns that features are computed of."""

import numpy as np

from include.problem.data import Columns, Split
from include.problem.problem_file import read_problem
from include.problems.taxi.features import Positions

PROBLEM = read_problem("taxi")
ZONES = 6
# A row of zones along a parallel, 0.02 degrees (about a mile) apart; zone 6 has no position.
POSITIONS = Positions.from_zones(
    range(1, ZONES + 1), [-74.00, -73.98, -73.96, -73.94, -73.92, np.nan], [40.7, 40.7, 40.7, 40.7, 40.7, np.nan]
)

REFERENCES = {"zones": POSITIONS}


def make_trips(pickup_at: list[str], zones: list[tuple[int, int]], distance: list[float]) -> Columns:
    """Trips by literal values; `zones` are pairs of pickup and dropoff."""
    return {
        "pickup_at": np.array(pickup_at, dtype="datetime64[us]"),
        "pickup_zone": np.array([pair[0] for pair in zones], dtype=np.int64),
        "dropoff_zone": np.array([pair[1] for pair in zones], dtype=np.int64),
        "trip_distance": np.array(distance, dtype=np.float64),
    }


def make_split(rows: int, seed: int = 0) -> Split:
    """Seeded trips whose duration follows from distance and hour, with noise."""
    draw = np.random.default_rng(seed)
    minutes = draw.integers(0, 31 * 24 * 60, rows)
    distance = draw.uniform(0.5, 9.0, rows)
    trips = {
        "pickup_at": np.datetime64("2024-01-01", "us") + minutes.astype("timedelta64[m]"),
        "pickup_zone": draw.integers(1, ZONES + 1, rows),
        "dropoff_zone": draw.integers(1, ZONES + 1, rows),
        "trip_distance": distance,
    }
    rush_hour = 0.3 * np.abs(minutes // 60 % 24 - 12)
    return Split(trips, 3 + 4 * distance - rush_hour + draw.normal(0, 1, rows).clip(-2, 2) + 2)


def take(trips: Columns, rows: slice) -> Columns:
    """Some of the trips."""
    return {name: values[rows] for name, values in trips.items()}
