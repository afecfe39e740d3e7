"""`prediction.log`: every prediction that was asked for, to be joined later to the ride's real duration."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import psycopg

from include.taxi.evaluation import Minutes
from include.taxi.feature_sets import TRIP_COLUMNS, Columns

_COPY = f"COPY prediction.log (at, source, request_id, model_version, {', '.join(TRIP_COLUMNS)}, predicted) FROM STDIN"


@dataclass(frozen=True)
class Predictions:
    """What one request was answered.

    Attributes:
        at: When, with a zone.
        trips: n trips by column.
        predicted: Shape (n,), in minutes.
    """

    at: datetime
    source: Literal["rest", "service"]
    request_id: str | None
    model_version: int
    trips: Columns
    predicted: Minutes

    def __len__(self) -> int:
        return len(self.predicted)


def write_predictions(connection: psycopg.Connection, answered: Sequence[Predictions]) -> int:
    """Appends a row for each trip, in the caller's transaction; returns how many."""
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for each in answered:
            head = (each.at, each.source, each.request_id, each.model_version)
            columns = [each.trips[name].tolist() for name in TRIP_COLUMNS]
            for trip in zip(*columns, each.predicted.tolist(), strict=True):
                copy.write_row((*head, *trip))
    return sum(map(len, answered))


def replace_predictions(connection: psycopg.Connection, answered: Predictions) -> int:
    """Writes a DAG run's predictions in place of those that an earlier try of its task wrote."""
    connection.execute("DELETE FROM prediction.log WHERE source = 'rest' AND request_id = %s", [answered.request_id])
    return write_predictions(connection, [answered])
