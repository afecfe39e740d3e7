"""`prediction.log`: every prediction that was asked for, to be joined later to what really happened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Literal

import psycopg
from psycopg import sql

from include.problem.data import Columns, count_rows
from include.problem.kinds import KindName
from include.problem.values import to_plain

_HEAD = ("at", "source", "request_id", "model_version")


@dataclass(frozen=True)
class Predictions:
    """What one request was answered.

    Attributes:
        at: When, with a time zone.
        rows: n rows by column.
        kinds: The columns' kinds.
        predicted: n plain values by column of the log, see `Outputs.record`.
    """

    at: datetime
    source: Literal["rest", "service"]
    request_id: str | None
    model_version: int
    rows: Columns
    kinds: Mapping[str, KindName]
    predicted: Mapping[str, Sequence[Any]]

    def __len__(self) -> int:
        return count_rows(self.rows)


@dataclass(frozen=True)
class Place:
    """Where predictions are on disk: a journal, and the number of their line in it, from 1."""

    journal: str
    number: int


def write_once(connection: psycopg.Connection, answered: Sequence[tuple[Place | None, Predictions]]) -> int:
    """Appends what is not there yet, in the caller's transaction; returns how many rows.

    Args:
        answered: In the order of their places. Those without a place are appended in any case.
    """
    last = {place.journal: place.number for place, _ in answered if place}
    for journal in sorted(last):
        connection.execute(
            "INSERT INTO prediction.journals (name, written) VALUES (%s, 0) ON CONFLICT DO NOTHING", [journal]
        )
    # Locked, so that two processes that hold the same journal write it by turns.
    query = "SELECT name, written FROM prediction.journals WHERE name = ANY(%s) ORDER BY name FOR UPDATE"
    written: dict[str, int] = dict(connection.execute(query, [list(last)]).fetchall())
    fresh = [each for place, each in answered if place is None or place.number > written[place.journal]]
    for journal, number in last.items():
        connection.execute(
            "UPDATE prediction.journals SET written = greatest(written, %s) WHERE name = %s", [number, journal]
        )
    return write_predictions(connection, fresh)


def forget_journal(connection: psycopg.Connection, journal: str) -> None:
    """Drops the place of a journal whose file is gone."""
    connection.execute("DELETE FROM prediction.journals WHERE name = %s", [journal])


def write_predictions(connection: psycopg.Connection, answered: Sequence[Predictions]) -> int:
    """Appends a row for each prediction, in the caller's transaction; returns how many."""
    # Around a promotion, one model may take other columns than the next, or predict something else.
    for names, alike in groupby(answered, lambda each: (*each.kinds, *each.predicted)):
        columns = sql.SQL(", ").join(map(sql.Identifier, (*_HEAD, *names)))
        query = sql.SQL("COPY prediction.log ({}) FROM STDIN").format(columns)
        with connection.cursor() as cursor, cursor.copy(query) as copy:
            for each in alike:
                head = (each.at, each.source, each.request_id, each.model_version)
                values = [to_plain(kind, each.rows[name]) for name, kind in each.kinds.items()]
                for row in zip(*values, *each.predicted.values(), strict=True):
                    copy.write_row((*head, *row))
    return sum(map(len, answered))


def replace_predictions(connection: psycopg.Connection, answered: Predictions) -> int:
    """Writes a DAG run's predictions in place of those that an earlier attempt of its task wrote."""
    connection.execute("DELETE FROM prediction.log WHERE source = 'rest' AND request_id = %s", [answered.request_id])
    return write_predictions(connection, [answered])
