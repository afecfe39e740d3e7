"""A problem that has nothing of the first one: every kind of column, missing values in most, and no code of its own."""

import numpy as np
import pandas as pd

from include.problem.data import Split, columns_of_frame
from include.problem.declaration import Problem

ADDRESS = "https://token@example.com/bikes.csv"
BIKES = Problem(
    name="bikes",
    title="Rented bikes",
    row=("hour", "hours"),
    model="bikes",
    source=ADDRESS,
    target="rented",
    unit="bikes",
    time="rented_at",
    known_later=("returned",),
    columns={
        "rented_at": {"kind": "time", "required": True},
        "inspected_at": {"kind": "time"},
        "weather": {"kind": "category"},
        "station": {"kind": "code"},
        "holiday": {"kind": "flag"},
        "temperature": {"kind": "number"},
        "returned": {"kind": "number"},
        "note": {"kind": "text"},
        "operator": {"kind": "id"},
        "footnote": {"kind": "ignored"},
    },
    slices=(
        {"column": "hour", "bands": {"by day": (6, 22), "by night": (22, 24)}},
        {"column": "temperature", "bands": {"cold": (float("-inf"), 10), "warm": (10, float("inf"))}},
        {"column": "weather", "most_frequent": 2},
        {"column": "holiday", "most_frequent": 2},
    ),
)
WEATHERS = ("fog", "rain", "sun", "Regen, stürmisch")
MISSING_SHARE = 0.1


def make_hours(rows: int, seed: int = 0) -> pd.DataFrame:
    """Seeded hours as a source would have them, and the bikes that were rented, which follow from most columns."""
    draw = np.random.default_rng(seed)
    hours = draw.integers(0, 400 * 24, rows)
    weather, temperature, holiday = draw.choice(WEATHERS, rows), draw.normal(12, 8, rows), draw.random(rows) < 0.1
    station = draw.integers(1, 6, rows)
    rented = (
        80
        + 4 * temperature
        - 40 * holiday
        + 30 * (weather == "sun")
        - 2 * np.abs(hours % 24 - 15)
        + 10 * (station == 3)
    )
    frame = pd.DataFrame(
        {
            "rented_at": np.datetime64("2024-01-01", "us") + hours.astype("timedelta64[h]"),
            "inspected_at": np.datetime64("2023-12-24", "us") + (hours // 3).astype("timedelta64[h]"),
            "weather": weather,
            "station": station.astype("float64"),
            "holiday": holiday.astype("object"),
            "temperature": temperature,
            "note": "as usual",
            "rented": (rented + draw.normal(0, 5, rows)).clip(1),
        }
    )
    for name in ("inspected_at", "weather", "station", "holiday", "temperature", "note"):
        frame.loc[draw.random(rows) < MISSING_SHARE, name] = None
    return frame


def make_split(rows: int, seed: int = 0) -> Split:
    """The same as a split of a training set."""
    frame = make_hours(rows, seed)
    return Split(columns_of_frame(BIKES, frame), frame["rented"].to_numpy())
