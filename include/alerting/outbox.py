"""The outbox, `alerts.sent`: who sends an alert claims it first, and gives it back where it cannot leave."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from include.alerting.alert import Alert, Occurrence, make_storable
from include.warehouse import connect

# Longer than the slowest mail server may take to accept a message (RFC 5321, 4.5.3.2): whoever had claimed it is gone.
LEASE = timedelta(minutes=15)
LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True)
class Claimed:
    """An alert that only the caller sends now.

    Attributes:
        channels: Where it has not arrived yet.
        occurrences: The events in its run that it tells of.
        repeated_elsewhere: Events of other runs that came in before it could leave.
    """

    number: int
    alert: Alert
    channels: tuple[str, ...]
    occurrences: tuple[Occurrence, ...]
    repeated_elsewhere: int
    created_at: datetime


def settle(url: str, dag_id: str, run_id: str, task_id: str | None = None) -> list[int]:
    """Ends the collecting of a run's alerts, or of one task's; returns those that are to be sent now."""
    with connect(url) as connection:
        rows = connection.execute(
            "UPDATE alerts.sent SET state = 'unsent' WHERE state = 'collecting' AND dag_id = %s AND run_id = %s"
            " AND task_id = coalesce(%s, task_id) RETURNING id",
            [dag_id, run_id, task_id],
        ).fetchall()
    return [number for (number,) in rows]


def list_due(url: str, collect_for: timedelta) -> list[int]:
    """What is to be sent now, oldest first; an alert that has collected for long enough is among it."""
    with connect(url) as connection:
        connection.execute(
            "UPDATE alerts.sent SET state = 'unsent' WHERE state = 'collecting' AND created_at < now() - %s",
            [collect_for],
        )
        rows = connection.execute(
            "SELECT id FROM alerts.sent WHERE state = 'unsent' AND not_before <= now() ORDER BY id"
        ).fetchall()
    return [number for (number,) in rows]


def claim(url: str, number: int) -> Claimed | None:
    """Takes an alert so that nobody else sends it meanwhile; None if it is not to be sent, or somebody has it."""
    with connect(url) as connection:
        row = connection.execute(
            "UPDATE alerts.sent SET not_before = now() + %s WHERE id = %s AND state = 'unsent' AND not_before <= now()"
            " RETURNING content, channels_left, created_at",
            [LEASE, number],
        ).fetchone()
        if row is None:
            return None
        content, channels, created_at = row
        alert = Alert.from_dict(content)
        events = connection.execute(
            "SELECT label, headline, link, details, run_id FROM alerts.occurrences WHERE alert_id = %s"
            " ORDER BY map_index, occurred_at",
            [number],
        ).fetchall()
    here = tuple(Occurrence(*event) for *event, run_id in events if run_id == alert.run_id)
    return Claimed(number, alert, tuple(channels), here, len(events) - len(here), created_at)


def mark_arrived(url: str, number: int, channel: str, subject: str) -> None:
    """Notes that an alert has arrived by one channel; after the last one it is sent."""
    with connect(url) as connection:
        connection.execute(
            """
            UPDATE alerts.sent SET channels_left = array_remove(channels_left, %(channel)s), subject = %(subject)s,
                attempts = attempts + 1, sent_at = now(),
                problem = CASE WHEN refused_by = '{}' THEN NULL ELSE problem END
            WHERE id = %(number)s
            """,
            {"number": number, "channel": channel, "subject": subject},
        )
        _conclude(connection, number)


def mark_refused(url: str, number: int, channel: str, problem: str) -> None:
    """Notes that a channel will never take an alert: it is not tried there again."""
    with connect(url) as connection:
        connection.execute(
            """
            UPDATE alerts.sent SET channels_left = array_remove(channels_left, %(channel)s),
                refused_by = refused_by || %(channel)s, attempts = attempts + 1, problem = %(problem)s
            WHERE id = %(number)s
            """,
            {"number": number, "channel": channel, "problem": make_storable(problem)[:2000]},
        )
        _conclude(connection, number)


def _conclude(connection: psycopg.Connection, number: int) -> None:
    """After the last channel: sent, if it has arrived anywhere."""
    connection.execute(
        "UPDATE alerts.sent SET state = CASE WHEN sent_at IS NULL THEN 'refused' ELSE 'sent' END"
        " WHERE id = %s AND channels_left = '{}'",
        [number],
    )


def mark_failed(url: str, number: int, problem: str, *, pause: bool) -> None:
    """Gives an alert back for another attempt.

    Args:
        pause: Whether it waits, longer each time: the fault is its own rather than a server's that is away.
    """
    with connect(url) as connection:
        connection.execute(
            """
            UPDATE alerts.sent SET attempts = attempts + 1, problem = %(problem)s,
                not_before = now() + CASE WHEN %(pause)s
                    THEN least(%(longest)s, interval '1 minute' * 2 ^ least(attempts, 10)) ELSE interval '0' END
            WHERE id = %(number)s
            """,
            {"number": number, "problem": make_storable(problem)[:2000], "pause": pause, "longest": LONGEST_PAUSE},
        )
