"""A registered model on a sample of trips: its predictions and the contributions of features to them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg import sql
from psycopg.rows import dict_row

from include.dashboards.context import Context
from include.dashboards.kept import keep
from include.dashboards.registered import Registered, connect_tracker, find_registered
from include.models import explanation
from include.models.artifact import Model
from include.problem.data import Columns
from include.problems.taxi.features import TRIP_COLUMNS
from include.problems.taxi.zone_names import read_zone_names
from include.sets.examples import table_of
from include.tracking import registry
from include.tracking.store import load_version
from include.warehouse import connect

SECONDS_KEPT = 900
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Evenly spread over the validation split of the model's training set, or of the newest one where that was dropped.
_CHOSEN = """
    SELECT version, coalesce((counts->>'validation')::bigint, 0) FROM training.published
    ORDER BY (version::text = %(version)s) DESC, version DESC LIMIT 1
"""
_SAMPLE = """
    SELECT e.*, p.name AS pickup_name, d.name AS dropoff_name
    FROM (
        SELECT *, row_number() OVER (ORDER BY month, row_number) AS n FROM {examples} WHERE split = 'validation'
    ) e
    LEFT JOIN raw.zones p ON p.zone_id = e.pickup_zone
    LEFT JOIN raw.zones d ON d.zone_id = e.dropoff_zone
    WHERE e.n %% greatest(%(rows)s / %(size)s, 1) = 0 ORDER BY e.n LIMIT %(size)s
"""


@dataclass(frozen=True)
class Explained:
    """A sample of n trips as one model sees them.

    Attributes:
        rows: As stored, with zone names and the real minutes as `target`.
        predicted: Values, shape (n,).
        explanation: Contributions; None where this kind of model has none.
        values: Feature -> its n values; categories are missing.
        texts: For each trip: feature -> its value as people read it.
    """

    version: Registered
    rows: Sequence[Mapping[str, Any]]
    predicted: npt.NDArray[np.float64]
    explanation: explanation.Explanation | None
    values: Columns
    texts: Sequence[Mapping[str, str]]


def load_model(context: Context, version: Registered) -> Model:
    """The version's model, kept in memory: a version never changes."""
    tracker = connect_tracker(context)
    name = context.settings.registered_model

    def load() -> Model:
        return load_version(tracker, registry.get_version(tracker, name, version.version)).model

    return keep(("model", tracker.uri, name, version.run_id), load, SECONDS_KEPT)


def explain_rows(model: Model, trips: Columns) -> explanation.Explanation | None:
    """Contributions of features; None where this kind of model has none."""
    if explanation.can_explain(model):
        return explanation.explain(model, trips)
    if explanation.is_linear(model):
        return explanation.explain_linear(model, trips)
    return None


def explain_sample(context: Context) -> Explained | None:
    """The explained sample of the model that the page shows; None without a model or a training set."""
    version = find_registered(context)
    if version is None:
        return None
    key = ("explained", context.sources.warehouse_url(), version.run_id, version.version)
    return keep(key, lambda: _explain(context, version), SECONDS_KEPT)


def _explain(context: Context, version: Registered) -> Explained | None:
    with connect(context.sources.warehouse_url()) as connection:
        chosen = connection.execute(_CHOSEN, {"version": version.set_version}).fetchone()
        if chosen is None:
            return None
        sample = sql.SQL(_SAMPLE).format(examples=table_of(chosen[0]))
        parameters = {"rows": chosen[1], "size": explanation.SAMPLE_ROWS}
        rows = connection.cursor(row_factory=dict_row).execute(sample, parameters).fetchall()
    if not rows:
        return None
    trips = {name: np.array([row[name] for row in rows], dtype=dtype) for name, dtype in TRIP_COLUMNS.items()}
    model = load_model(context, version)
    columns = model.encoder.compute(trips)
    names = read_zone_names()
    return Explained(
        version,
        rows,
        model.predict(trips),
        explain_rows(model, trips),
        {name: columns[name] for name in columns if name not in model.encoder.features.categorical},
        [_name_values(columns, trips, at, names) for at in range(len(rows))],
    )


def name_features(model: Model, trips: Columns) -> dict[str, str]:
    """Each feature of the first trip with its value as people read it."""
    columns = model.encoder.compute(trips)
    return _name_values(columns, trips, 0, read_zone_names())


def _name_values(columns: Columns, trips: Columns, at: int, zones: Mapping[int, str]) -> dict[str, str]:
    places = [zones.get(int(trips[f"{end}_zone"][at]), str(trips[f"{end}_zone"][at])) for end in ("pickup", "dropoff")]
    named = {"pickup_zone": places[0], "dropoff_zone": places[1], "PU_DO": " → ".join(places)}
    return {name: named.get(name) or _show_value(name, float(columns[name][at])) for name in columns}


def _show_value(feature: str, value: float) -> str:
    if math.isnan(value):
        return "unknown"
    if feature == "hour":
        minutes = round(value * 60)
        return f"{minutes // 60:02}:{minutes % 60:02}"
    return WEEKDAYS[int(value)] if feature == "weekday" else f"{value:.4g}"


def describe(trip: Mapping[str, Any]) -> str:
    """A trip in a line: when, from where to where, how far."""
    at: datetime = trip["pickup_at"]
    places = [trip[f"{end}_name"] or f"zone {trip[f'{end}_zone']}" for end in ("pickup", "dropoff")]
    return f"{at:%a %H:%M} · {' → '.join(places)} · {trip['trip_distance']:.1f} mi"
