"""Scores a month with one model, in batches, into `prediction.batch`."""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.errors import SourceInvalid
from include.models.artifact import Model
from include.prediction.inputs import ZONE_BOUNDS, InputFormat
from include.problem.data import Columns, Values
from include.problems.taxi.features import TRIP_COLUMNS
from include.raw.coercion import COERCIONS
from include.raw.columns import check_columns
from include.settings import Settings
from include.sources import open_batches
from include.sources.limits import Allow, allow_all
from include.sources.location import mask
from include.tracking.store import LoadedModel
from include.warehouse import connect_bulk, ensure_month, lock_month

SCORED_ROWS = 65_536
BATCH = ("prediction", "batch")
TRIPS = pa.schema(
    [
        ("row_number", pa.int64()),
        ("pickup_at", pa.timestamp("us")),
        ("pickup_zone", pa.int32()),
        ("dropoff_zone", pa.int32()),
        ("trip_distance", pa.float64()),
    ]
)
# Exactly the types of prediction.batch: binary COPY converts nothing.
SCORED = pa.schema([("month", pa.string()), ("model_version", pa.int32()), *TRIPS, ("predicted", pa.float64())])


@dataclass
class Scoring:
    """A month's scoring under way: gives the scored batches, and counts what passes.

    Attributes:
        skipped: Trips that cannot be predicted: a value is missing or out of the bounds that inputs must keep.
        model_seconds: Time in features and model alone.
        error: What ended the reading, None while nothing has.
    """

    month: str
    loaded: LoadedModel
    form: InputFormat
    rows: int = 0
    skipped: int = 0
    model_seconds: float = 0.0
    error: Exception | None = None

    def score(self, batches: Iterator[pa.RecordBatch]) -> Generator[pa.RecordBatch, None, None]:
        """Turns batches in the schema `TRIPS` into ones in the schema `SCORED`, of `SCORED_ROWS` rows at most."""
        try:
            for batch in batches:
                usable = batch.filter(_find_usable(batch, self.form))
                self.skipped += batch.num_rows - usable.num_rows
                for start in range(0, usable.num_rows, SCORED_ROWS):
                    yield self._score(usable.slice(start, SCORED_ROWS))
        except Exception as error:
            self.error = error
            raise

    def _score(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        trips = {name: batch[name].to_numpy(zero_copy_only=False).astype(TRIP_COLUMNS[name]) for name in TRIP_COLUMNS}
        begun = time.perf_counter()
        predicted = predict_sorted(self.loaded.model, trips)
        self.model_seconds += time.perf_counter() - begun
        self.rows += batch.num_rows
        constants = (self.month, pa.scalar(self.loaded.version.version, pa.int32()))
        heads = [pa.repeat(value, batch.num_rows) for value in constants]
        return pa.record_batch([*heads, *(batch[name] for name in TRIPS.names), pa.array(predicted)], schema=SCORED)


def score_month(
    url: str,
    settings: Settings,
    loaded: LoadedModel,
    month: str,
    location: str | None = None,
    *,
    allow: Allow = allow_all,
) -> dict[str, Any]:
    """Predicts a month's trips and replaces what the same model version had predicted for it, in one transaction.

    Args:
        url: The warehouse's libpq address.
        month: YYYY-MM.
        location: Address of the trips, as SOURCE has it; None: the month as loaded in `raw.rows`.
        allow: Raises for an address that the location's server must not lead to.

    Returns:
        month, version, rows, skipped, seconds, and model_seconds, the part spent in features and model.

    Raises:
        SourceInvalid, SourceUnavailable: The month is not there, or cannot be read now.
        WarehouseUnavailable: The warehouse cannot be reached, or broke off.
    """
    begun = time.perf_counter()
    scoring = Scoring(month, loaded, InputFormat.of(settings))
    opened = _open_location(settings, month, location, allow) if location else _open_loaded(url, month)
    partition = ensure_month(url, *BATCH, month)
    with opened as batches, connect_bulk(url) as connection, connection.cursor() as cursor:
        # Of two runs at once, the second replaces the first one's rows rather than adding to them.
        lock_month(cursor, *BATCH, month)
        cursor.execute(f'DELETE FROM prediction."{partition}" WHERE model_version = $1', (loaded.version.version,))
        try:
            with closing(scoring.score(batches)) as scored:
                reader = pa.RecordBatchReader.from_batches(SCORED, scored)
                cursor.adbc_ingest(partition, reader, mode="append", db_schema_name="prediction")
        except Exception:
            if scoring.error:  # the driver knows the error's text alone
                raise scoring.error from None
            raise
        if not scoring.rows:
            raise SourceInvalid(_explain_nothing(month, location, scoring.skipped))
        connection.commit()
    return {
        "month": month,
        "version": loaded.version.version,
        "rows": scoring.rows,
        "skipped": scoring.skipped,
        "seconds": time.perf_counter() - begun,
        "model_seconds": scoring.model_seconds,
    }


def predict_sorted(model: Model, trips: Columns) -> Values:
    """The model's predictions of n trips, asked for in the order of their zones.

    Trips between the same zones take the same paths through a booster's trees, which are in the processor's cache
    then.
    """
    order = np.lexsort((trips["dropoff_zone"], trips["pickup_zone"]))
    predicted = np.empty(len(order))
    predicted[order] = model.predict({name: values[order] for name, values in trips.items()})
    return predicted


def _find_usable(batch: pa.RecordBatch, form: InputFormat) -> pa.Array:
    bounds = {"pickup_zone": ZONE_BOUNDS, "dropoff_zone": ZONE_BOUNDS, "trip_distance": form.distance}
    usable = pc.is_valid(batch["pickup_at"])
    for name, (low, high) in bounds.items():
        within = pc.and_(pc.greater_equal(batch[name], low), pc.less_equal(batch[name], high))
        usable = pc.and_(usable, pc.fill_null(within, False))
    return usable


@contextmanager
def _open_loaded(url: str, month: str) -> Iterator[Iterator[pa.RecordBatch]]:
    with connect_bulk(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(TRIPS.names)} FROM raw.rows WHERE month = $1", (month,))
        yield iter(cursor.fetch_record_batch())


@contextmanager
def _open_location(settings: Settings, month: str, location: str, allow: Allow) -> Iterator[Iterator[pa.RecordBatch]]:
    # What is to be predicted does not have to be there.
    changed = settings.change(source=location, months=(month,))
    with open_batches(changed, month, allow) as contents:
        check_columns(contents, changed, month)
        names = [changed.problem.columns[name].source for name in TRIP_COLUMNS]
        yield _coerce(contents.read(names), names, settings.problem.timezone)


def _coerce(batches: Iterator[pa.RecordBatch], names: Sequence[str], timezone: str) -> Iterator[pa.RecordBatch]:
    rows = 0
    for batch in batches:
        numbers = pa.array(np.arange(rows, rows + batch.num_rows))
        rows += batch.num_rows
        columns = [
            COERCIONS[TRIPS.field(neutral).type](batch[name], timezone).array
            for neutral, name in zip(TRIP_COLUMNS, names, strict=True)
        ]
        yield pa.record_batch([numbers, *columns], schema=TRIPS)


def _explain_nothing(month: str, location: str | None, skipped: int) -> str:
    if skipped:
        return f"None of the {skipped} trips of {month} can be predicted: a value is missing or out of bounds in each."
    if location:
        return f"{mask(location)} has no trips for {month}."
    return f"raw.rows has no trips of {month}: start data_preparation with that month, or give a location."
