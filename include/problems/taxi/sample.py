"""Synthetic trips and zones for a first look: made up, in the TLC green-taxi schema, the same for the same seed.

No row describes a real trip and no zone a real place. What a model can learn is what it can learn from real trips:
zones have positions, streets are longer than the straight line, and speed follows hour, weekday and distance to the
centre. As in real data, some values are missing, some trips are absurd, and some rows are plainly wrong.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
import pyarrow as pa

GENERATOR_VERSION = 1
BLOCK_ROWS = 65_536
ZONE_COUNT = 265
UNPLACED_ZONES = 2  # as in the TLC's list, the last ones mean "unknown"
CENTRE = (-40.0, 40.0)  # longitude, latitude: open sea, lest anyone take it for a city
MILES_PER_DEGREE = (52.9, 69.0)  # of longitude and of latitude, at the centre
# Synthetic boroughs: offset of the middle from the centre in miles (east, north), spread in miles, number of zones.
BOROUGHS = {
    "Synthetic Centre": (0.0, 0.0, 1.6, 69),
    "Synthetic North": (1.5, 7.0, 2.0, 43),
    "Synthetic East": (7.0, 1.0, 3.0, 69),
    "Synthetic South": (1.0, -6.5, 2.6, 61),
    "Synthetic West": (-7.0, -3.0, 2.2, 21),
}
# Relative demand and speed in miles an hour, by hour of a working day.
HOURLY_DEMAND = (3, 2, 1.5, 1, 1, 1.5, 3, 5, 6.5, 6, 5.5, 5.5, 5.5, 6, 6.5, 7.5, 8, 8.5, 8.5, 7.5, 6, 5.5, 5, 4)
HOURLY_SPEED = (
    20,
    21,
    22,
    23,
    23,
    21,
    17,
    13,
    11.5,
    12,
    12.5,
    12.5,
    12,
    12,
    11.5,
    11,
    10.5,
    10.5,
    11,
    13,
    15,
    16,
    17,
    19,
)
WEEKEND_SPEEDUP = 1.18
DAILY_DEMAND = (1.0, 1.0, 1.05, 1.1, 1.15, 1.0, 0.85)  # Monday first
SCHEMA = pa.schema(
    [
        ("VendorID", pa.int32()),
        ("lpep_pickup_datetime", pa.timestamp("us")),
        ("lpep_dropoff_datetime", pa.timestamp("us")),
        ("store_and_fwd_flag", pa.string()),
        ("RatecodeID", pa.int64()),
        ("PULocationID", pa.int32()),
        ("DOLocationID", pa.int32()),
        ("passenger_count", pa.int64()),
        ("trip_distance", pa.float64()),
        *((name, pa.float64()) for name in ("fare_amount", "extra", "mta_tax", "tip_amount", "tolls_amount")),
        *((name, pa.float64()) for name in ("ehail_fee", "improvement_surcharge", "total_amount")),
        ("payment_type", pa.int64()),
        ("trip_type", pa.int64()),
        ("congestion_surcharge", pa.float64()),
    ]
)
# Share of the rows that is made odd, by what is odd about them.
ODD_SHARES = {
    "huge distance": 0.0005,
    "meter left running": 0.004,
    "negative distance": 0.002,
    "dropoff before pickup": 0.002,
    "no dropoff zone": 0.001,
}
MISSING_SHARE = 0.04  # passenger count, flag, rate code and trip type are missing together, as in real data


def list_columns() -> dict[str, str]:
    """The sample's column names and their types."""
    return {field.name: str(field.type) for field in SCHEMA}


@lru_cache(maxsize=4)
def place_zones(seed: int) -> tuple[tuple[str, ...], np.ndarray]:
    """The zones of `seed`.

    Returns:
        The borough of each zone, and positions in miles east and north of the centre, shape (zones, 2), with NaN for
        zones that have none; zone ids count from 1 in this order.
    """
    generator = np.random.default_rng([seed, 0])
    boroughs = [name for name, (*_, zones) in BOROUGHS.items() for _ in range(zones)]
    middles = np.array([BOROUGHS[name][:2] for name in boroughs])
    spreads = np.array([BOROUGHS[name][2] for name in boroughs])
    positions = middles + generator.normal(size=middles.shape) * spreads[:, None]
    unplaced = np.full((UNPLACED_ZONES, 2), np.nan)
    return (*boroughs, *["Unknown"] * UNPLACED_ZONES), np.vstack([positions, unplaced])


def generate(seed: int, rows: int, month: str) -> Iterator[pa.RecordBatch]:
    """Generates the trips of `month` (YYYY-MM), by blocks so that any number of rows fits in memory.

    Args:
        seed: Same seed, same rows.
        rows: Rows of the whole month.

    Yields:
        Batches in the TLC green-taxi schema; distances in miles, amounts in dollars, times of a local clock.
    """
    for number, start in enumerate(range(0, rows, BLOCK_ROWS)):
        year, month_number = map(int, month.split("-"))
        generator = np.random.default_rng([seed, year, month_number, number])
        yield _generate_block(generator, seed, min(BLOCK_ROWS, rows - start), month)


def _generate_block(generator: np.random.Generator, seed: int, rows: int, month: str) -> pa.RecordBatch:
    pickups, hours, weekdays = _draw_pickups(generator, rows, month)
    pickup_zones, dropoff_zones, straight = _draw_zones(generator, seed, rows)
    distances = straight * generator.lognormal(np.log(1.32), 0.1, rows) + generator.gamma(2.0, 0.15, rows)
    positions = _positions_or_centre(seed)
    middles = (positions[pickup_zones] + positions[dropoff_zones]) / 2
    speeds = np.array(HOURLY_SPEED)[hours] * np.where(weekdays >= 5, WEEKEND_SPEEDUP, 1.0)
    speeds = speeds * (0.75 + 0.035 * np.minimum(np.hypot(*middles.T), 10)) * (0.8 + 0.09 * np.sqrt(distances) * 1.4)
    minutes = 1.2 + distances / speeds * 60 * generator.lognormal(0.0, 0.16, rows)

    odd = {what: generator.random(rows) < share for what, share in ODD_SHARES.items()}
    distances = np.where(odd["huge distance"], distances * generator.uniform(1e3, 3e4, rows), distances)
    distances = np.where(odd["negative distance"], -distances, distances).round(2)
    minutes = np.where(odd["meter left running"], generator.uniform(1_380, 1_439, rows), minutes)
    minutes = np.where(odd["dropoff before pickup"], -minutes, minutes)
    dropoffs = pickups + (minutes * 60).astype("timedelta64[s]")

    missing = generator.random(rows) < MISSING_SHARE
    fares = (3.0 + 0.7 * np.clip(minutes, 0, 120) + 1.75 * np.clip(distances, 0, 60)).round(1)
    tips = np.where(generator.random(rows) < 0.55, fares * 0.18, 0).round(2)
    surcharges = np.where(generator.random(rows) < 0.3, 2.75, 0.0)
    columns = {
        "VendorID": (generator.integers(1, 3, rows), None),
        "lpep_pickup_datetime": (pickups.astype("datetime64[us]"), None),
        "lpep_dropoff_datetime": (dropoffs.astype("datetime64[us]"), None),
        "store_and_fwd_flag": (np.where(generator.random(rows) < 0.005, "Y", "N"), missing),
        "RatecodeID": (np.where(generator.random(rows) < 0.06, 5, 1), missing),
        "PULocationID": (pickup_zones + 1, None),
        "DOLocationID": (dropoff_zones + 1, odd["no dropoff zone"]),
        "passenger_count": (1 + generator.poisson(0.3, rows), missing),
        "trip_distance": (distances, None),
        "fare_amount": (fares, None),
        "extra": (np.where((hours >= 16) & (hours < 20), 2.5, 0.0), None),
        "mta_tax": (np.full(rows, 0.5), None),
        "tip_amount": (tips, None),
        "tolls_amount": (np.where(generator.random(rows) < 0.03, 6.94, 0.0), None),
        "ehail_fee": (np.zeros(rows), np.ones(rows, bool)),
        "improvement_surcharge": (np.ones(rows), None),
        "total_amount": ((fares + tips + surcharges + 1.5).round(2), None),
        "payment_type": (np.where(tips > 0, 1, 2), missing),
        "trip_type": (np.where(generator.random(rows) < 0.05, 2, 1), missing),
        "congestion_surcharge": (surcharges, missing),
    }
    arrays = [pa.array(columns[field.name][0], field.type, mask=columns[field.name][1]) for field in SCHEMA]
    return pa.record_batch(arrays, schema=SCHEMA)


def _draw_pickups(generator: np.random.Generator, rows: int, month: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pickup times to the second, sorted, with their hours and weekdays (Monday 0)."""
    start = datetime.strptime(month, "%Y-%m")
    days = ((start + timedelta(days=32)).replace(day=1) - start).days
    weekdays = (start.weekday() + np.arange(days)) % 7
    demand = np.outer(np.array(DAILY_DEMAND)[weekdays], HOURLY_DEMAND).ravel()
    slots = generator.choice(demand.size, rows, p=demand / demand.sum())
    seconds = np.sort(slots * 3600 + generator.integers(0, 3600, rows))
    hours = seconds // 3600
    return np.datetime64(start, "s") + seconds.astype("timedelta64[s]"), hours % 24, weekdays[hours // 24]


def _draw_zones(generator: np.random.Generator, seed: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pickup and dropoff zones (from 0), and the straight line between them in miles."""
    pickup_shares, dropoff_shares = _weigh_zones(seed)
    pickups = generator.choice(ZONE_COUNT, rows, p=pickup_shares)
    # One search in the rows' running sums laid end to end: row n spans n to n + 1.
    running = (np.cumsum(dropoff_shares, axis=1) + np.arange(ZONE_COUNT)[:, None]).ravel()
    found = np.searchsorted(running, pickups + generator.random(rows) * (1 - 1e-9))
    dropoffs = np.clip(found - pickups * ZONE_COUNT, 0, ZONE_COUNT - 1)
    positions = _positions_or_centre(seed)
    within = np.where(pickups == dropoffs, generator.uniform(0.1, 0.8, rows), 0.0)
    return pickups, dropoffs, np.hypot(*(positions[pickups] - positions[dropoffs]).T) + within


def _positions_or_centre(seed: int) -> np.ndarray:
    return np.nan_to_num(place_zones(seed)[1])


@lru_cache(maxsize=4)
def _weigh_zones(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Share of pickups by zone, and share of dropoffs by pickup zone and zone: near and popular zones first."""
    generator = np.random.default_rng([seed, 1])
    popularity = generator.gamma(0.8, 1.0, ZONE_COUNT) + 0.01
    popularity[-UNPLACED_ZONES:] = 0.02
    positions = _positions_or_centre(seed)
    apart = np.hypot(*(positions[:, None] - positions[None]).transpose(2, 0, 1))
    pull = popularity * np.exp(-apart / 3.5)
    return popularity / popularity.sum(), pull / pull.sum(axis=1, keepdims=True)
