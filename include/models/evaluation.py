"""How good predictions are: errors in minutes, over a whole split and by slice of it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from include.problem.data import Columns, Values

HOUR_BANDS = {"night 0-6": (0, 6), "morning 6-10": (6, 10), "midday 10-16": (10, 16), "evening 16-24": (16, 24)}
DISTANCE_BANDS = {
    "under 1 mile": (-np.inf, 1),
    "1-3 miles": (1, 3),
    "3-8 miles": (3, 8),
    "over 8 miles": (8, np.inf),
}


def measure(actual: Values, predicted: Values) -> dict[str, float]:
    """Errors of `predicted` against `actual`, both (n,) in minutes.

    Returns:
        rmse, mae, the median and the 90 % quantile of the absolute error in minutes, and r2 (if `actual` is constant:
        1 without any error, else 0, which unlike NaN can be stored as JSON).
    """
    error = predicted - actual
    absolute = np.abs(error)
    spread = float(np.sum((actual - actual.mean()) ** 2))
    p50, p90 = np.quantile(absolute, [0.5, 0.9])
    return {
        "rmse": float(np.sqrt(np.mean(error**2))),
        "mae": float(absolute.mean()),
        "p50_error": float(p50),
        "p90_error": float(p90),
        "r2": 1 - float(np.sum(error**2)) / spread if spread else float(not absolute.any()),
    }


def _banded(values: npt.NDArray[Any], bands: Mapping[str, tuple[float, float]]) -> npt.NDArray[np.str_]:
    labels = np.full(len(values), "", dtype=f"<U{max(map(len, bands))}")
    for name, (low, high) in bands.items():
        labels[(values >= low) & (values < high)] = name
    return labels


def _hour(trips: Columns) -> npt.NDArray[np.int64]:
    return trips["pickup_at"].astype("datetime64[h]").astype(np.int64) % 24


def _busiest_zones(trips: Columns) -> npt.NDArray[np.str_]:
    zones, counts = np.unique(trips["pickup_zone"], return_counts=True)
    top = zones[np.argsort(-counts, kind="stable")[:5]]
    return np.where(np.isin(trips["pickup_zone"], top), trips["pickup_zone"].astype(str), "other")


SLICES: Mapping[str, Callable[[Columns], npt.NDArray[np.str_]]] = {
    "hour": lambda trips: _banded(_hour(trips), HOUR_BANDS),
    "distance": lambda trips: _banded(trips["trip_distance"], DISTANCE_BANDS),
    "pickup_zone": _busiest_zones,
}


def measure_slices(trips: Columns, actual: Values, predicted: Values) -> list[dict[str, Any]]:
    """Errors by slice: a row for each value of each slicing, with `rows` and the measures."""
    rows = []
    for slicing, label in SLICES.items():
        labels = label(trips)
        for value in np.unique(labels):
            inside = labels == value
            errors = measure(actual[inside], predicted[inside])
            rows.append({"slicing": slicing, "value": str(value), "rows": int(inside.sum()), **errors})
    return rows
