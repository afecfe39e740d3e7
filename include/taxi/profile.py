"""What a column of a training set looks like, in a few figures: for pages, and as the reference for drift."""

from typing import Any

import numpy as np

from include.taxi.fitting import Split

_QUANTILES = np.linspace(0, 1, 11)
_MOST_FREQUENT = 50


def profile_split(split: Split) -> dict[str, Any]:
    """Column -> figures: deciles, mean and standard deviation of quantities, the most frequent values of zones.

    Hours (0 to 23) and weekdays (0 is Monday) of pickups are counted under `hour` and `weekday`. An empty split has
    an empty profile.
    """
    if not len(split):
        return {}
    trips = split.trips
    hours = trips["pickup_at"].astype("datetime64[h]").astype(np.int64)
    return {
        "trip_distance": _quantity(trips["trip_distance"]),
        "target": _quantity(split.target),
        "pickup_zone": _frequencies(trips["pickup_zone"]),
        "dropoff_zone": _frequencies(trips["dropoff_zone"]),
        "hour": _frequencies(hours % 24),
        # Day 0 of the epoch was a Thursday.
        "weekday": _frequencies((hours // 24 + 3) % 7),
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
