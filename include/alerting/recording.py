"""Keeps events in `alerts.sent` before anything leaves: which make a new alert, and which are one more of the same."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.types.json import Json

from include.alerting.alert import Alert, write_subject
from include.alerting.incidents import normalize
from include.warehouse import connect


def record(url: str, alert: Alert, channels: Sequence[str], repeat_after: timedelta) -> int | None:
    """Keeps an alert.

    Args:
        channels: Where to send it; empty: it is only recorded.
        repeat_after: Alerts of the same cause are counted rather than sent within this time.

    Returns:
        Its number if it is new. None if there is nothing to send: the event is known, or is one more in an alert that
        is there.

    Raises:
        WarehouseUnavailable: It could not be kept.
    """
    # Here and no sooner: a secret of which only the numbers are gone would not be recognised.
    alert = replace(alert, repeat_key=alert.repeat_key and normalize(alert.repeat_key))
    with connect(url) as connection:
        # Two that report at once: the second waits and finds what the first has kept.
        connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"alerts {alert.dag_id} {alert.task_id}"]
        )
        known = connection.execute("SELECT 1 FROM alerts.occurrences WHERE event_key = %s", [alert.event_key])
        if known.fetchone():
            return None
        # Once there is somebody who can hear of it, what reached nobody does not stand for it.
        untold = ["refused", "silent"] if channels else ["refused"]
        number = _find_run_alert(connection, alert, untold) or _find_recent(connection, alert, repeat_after, untold)
        new = number is None
        if new:
            alert = replace(alert, repeats=_count_unsent_repeats(connection, alert))
            number = _insert(connection, alert, channels)
        connection.execute(
            "INSERT INTO alerts.occurrences (event_key, alert_id, repeat_key, run_id, map_index, label, headline, link,"
            " details) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                alert.event_key,
                number,
                alert.repeat_key,
                alert.run_id,
                alert.map_index,
                alert.label,
                alert.headline,
                next(iter((alert.links or {}).values()), ""),
                alert.details,
            ],
        )
    return number if new else None


def _find_run_alert(connection: psycopg.Connection, alert: Alert, untold: list[str]) -> int | None:
    """The alert on the same mapped task in the run that has not left; one with this very index is of a former try."""
    if alert.map_index < 0:
        return None
    row = connection.execute(
        """
        SELECT id FROM alerts.sent s
        WHERE kind = %(kind)s AND dag_id = %(dag_id)s AND run_id = %(run_id)s AND task_id = %(task_id)s
          AND state IN ('collecting', 'unsent', 'silent') AND state <> ALL(%(untold)s)
          AND NOT EXISTS (
            SELECT FROM alerts.occurrences o
            WHERE o.alert_id = s.id AND o.run_id = s.run_id AND o.map_index = %(map_index)s
          )
        ORDER BY id DESC LIMIT 1
        """,
        {**alert.__dict__, "untold": untold},
    ).fetchone()
    return row[0] if row else None


def _find_recent(
    connection: psycopg.Connection, alert: Alert, repeat_after: timedelta, untold: list[str]
) -> int | None:
    if alert.repeat_key is None:
        return None
    row = connection.execute(
        """
        SELECT s.id FROM alerts.occurrences o JOIN alerts.sent s ON s.id = o.alert_id
        WHERE o.repeat_key = %s AND s.state <> ALL(%s)
          AND (s.state IN ('collecting', 'unsent') OR coalesce(s.sent_at, s.created_at) > now() - %s)
        ORDER BY s.id DESC LIMIT 1
        """,
        [alert.repeat_key, untold, repeat_after],
    ).fetchone()
    return row[0] if row else None


def _count_unsent_repeats(connection: psycopg.Connection, alert: Alert) -> int:
    """How often the cause came up after the last alert on it had left."""
    [count] = connection.execute(
        """
        SELECT count(*) FROM alerts.occurrences
        WHERE repeat_key = %(key)s
          AND alert_id = (SELECT max(alert_id) FROM alerts.occurrences WHERE repeat_key = %(key)s)
          AND occurred_at > (SELECT sent_at FROM alerts.sent WHERE id = alert_id)
        """,
        {"key": alert.repeat_key},
    ).fetchone() or (0,)
    return count


def _insert(connection: psycopg.Connection, alert: Alert, channels: Sequence[str]) -> int:
    state = "collecting" if alert.map_index >= 0 and channels else "unsent" if channels else "silent"
    values: dict[str, Any] = {
        **alert.__dict__,
        "subject": write_subject(alert),
        "content": Json(alert.to_dict()),
        "state": state,
        "channels_left": list(channels),
    }
    row = connection.execute(
        "INSERT INTO alerts.sent"
        " (kind, severity, dag_id, run_id, task_id, subject, content, state, channels_left) VALUES (%(kind)s,"
        " %(severity)s, %(dag_id)s, %(run_id)s, %(task_id)s, %(subject)s, %(content)s, %(state)s, %(channels_left)s)"
        " RETURNING id",
        values,
    ).fetchone()
    assert row
    return row[0]


def list_collected(url: str, dag_id: str, run_id: str, task_id: str) -> set[int]:
    """The indexes of a mapped task that failed in the run so far, as far as they were reported."""
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT o.map_index FROM alerts.occurrences o JOIN alerts.sent s ON s.id = o.alert_id"
            " WHERE s.dag_id = %s AND s.task_id = %s AND o.run_id = %s",
            [dag_id, task_id, run_id],
        ).fetchall()
    return {index for (index,) in rows}


def list_headlines(url: str, dag_id: str, run_id: str) -> dict[tuple[str, int], str]:
    """Why tasks of a run failed, by task id and map index, as far as they reported it."""
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT s.task_id, o.map_index, o.headline FROM alerts.occurrences o"
            " JOIN alerts.sent s ON s.id = o.alert_id WHERE s.dag_id = %s AND o.run_id = %s AND s.kind = 'task failed'"
            # A task that was cleared may fail for another reason.
            " ORDER BY o.occurred_at",
            [dag_id, run_id],
        ).fetchall()
    return {(task_id, map_index): headline for task_id, map_index, headline in rows}


def has_alerts(url: str, dag_id: str, run_id: str, since: str | None) -> bool:
    """Whether a failed task of the run was reported since then (ISO 8601); None: at any time."""
    with connect(url) as connection:
        row = connection.execute(
            "SELECT 1 FROM alerts.occurrences o JOIN alerts.sent s ON s.id = o.alert_id"
            " WHERE s.dag_id = %s AND o.run_id = %s AND s.kind = 'task failed'"
            " AND o.occurred_at >= coalesce(%s::timestamptz, '-infinity')",
            [dag_id, run_id, since],
        ).fetchone()
    return row is not None
