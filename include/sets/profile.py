"""What a column of a training set looks like, in a few figures: for pages, and as the reference for drift."""

from typing import Any

import numpy as np

from include.problem.data import Split

_QUANTILES = np.linspace(0, 1, 11)
_MOST_FREQUENT = 50
_QUANTITIES = ("trip_distance", "target")


def columns_of(split: Split) -> dict[str, np.ndarray]:
    """What is profiled, each (n,): the columns, and hour (0 to 23) and weekday (0 is Monday) of pickups."""
    trips = split.rows
    hours = trips["pickup_at"].astype("datetime64[h]").astype(np.int64)
    return {
        "trip_distance": trips["trip_distance"],
        "target": split.target,
        "pickup_zone": trips["pickup_zone"],
        "dropoff_zone": trips["dropoff_zone"],
        "hour": hours % 24,
        # Day 0 of the epoch was a Thursday.
        "weekday": (hours // 24 + 3) % 7,
    }


def profile_split(split: Split) -> dict[str, Any]:
    """Column -> figures: deciles, mean and standard deviation of quantities, the most frequent values of the others.

    An empty split has an empty profile.
    """
    if not len(split):
        return {}
    return {
        name: _quantity(values) if name in _QUANTITIES else _frequencies(values)
        for name, values in columns_of(split).items()
    }


def _quantity(values: np.ndarray) -> dict[str, Any]:
    return {
        "count": len(values),
        "mean": float(values.mean()),
        "deviation": float(values.std()),
        "deciles": [float(value) for value in np.quantile(values, _QUANTILES)],
    }


def _frequencies(values: np.ndarray) -> dict[str, Any]:
    found, counts = np.unique(values, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_MOST_FREQUENT]
    return {
        "count": len(values),
        "distinct": len(found),
        "frequent": {str(found[at]): int(counts[at]) for at in order},
    }
