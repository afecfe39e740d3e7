"""Makes a training set that is built and checked the newest that readers see, for good, and drops old ones."""

import logging
from dataclasses import asdict, dataclass
from typing import cast

import psycopg
from psycopg import sql

from include.sets.build import discard
from include.sets.examples import table_of
from include.sets.results import PublishedValues
from include.warehouse import connect

log = logging.getLogger(__name__)
# By row, as triggers by statement do not fire for a change made through the partitioned table; TRUNCATE knows no rows.
_SEALS = (
    (
        "CREATE OR REPLACE TRIGGER sealed BEFORE INSERT OR UPDATE OR DELETE ON {}"
        " FOR EACH ROW EXECUTE FUNCTION training.refuse_change()"
    ),
    (
        "CREATE OR REPLACE TRIGGER sealed_whole BEFORE TRUNCATE ON {}"
        " FOR EACH STATEMENT EXECUTE FUNCTION training.refuse_change()"
    ),
)
# What a champion replaced is `previous`, unless it could not be used; `promotion.aliases` decides so. A move that is
# under way has no time yet and comes first.
_OLD = """
    WITH champions AS (
        SELECT DISTINCT ON (name) name, version, coalesce(rival_version, champion_version) AS previous
        FROM training.promotions WHERE state IN ('moving', 'promoted')
        ORDER BY name, moved_at DESC NULLS FIRST, id DESC
    )
    SELECT version
    FROM (
        SELECT version, row_number() OVER (
            ORDER BY version = %(published)s DESC, published_at DESC, version DESC
        ) AS age
        FROM training.sets WHERE state IN ('published', 'superseded')
    ) s
    WHERE age > %(keep)s AND NOT EXISTS (
        SELECT FROM champions c JOIN training.promotions p ON p.name = c.name AND p.version IN (c.version, c.previous)
        WHERE p.set_version = s.version
    )
"""


@dataclass(frozen=True)
class Published:
    """A version that readers can see; what the asset event says of it."""

    version: int
    fingerprint: str
    months: tuple[str, ...]
    counts: dict[str, int]

    def to_dict(self) -> PublishedValues:
        """The event's `extra`."""
        return cast(PublishedValues, {**asdict(self), "months": list(self.months)})


def publish(url: str, version: int, keep: int) -> Published | None:
    """Makes a checked version the newest that readers see, and prunes the oldest ones.

    Returns:
        What was published; None if another run published the same set since this one began, whose version stands
        while this one is dropped.
    """
    with connect(url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('training.sets'))")
        row = connection.execute(
            "SELECT fingerprint, state, months, counts, created_at, created_by FROM training.sets WHERE version = %s",
            [version],
        ).fetchone()
        if row is None:
            return None
        fingerprint, state, months, counts, created_at, created_by = row
        published = Published(version, fingerprint, tuple(months), counts)
        if state == "published":  # a retry after the commit
            return published
        twin = connection.execute(
            "SELECT version FROM training.sets WHERE fingerprint = %s AND state = 'published' AND published_at > %s",
            [fingerprint, created_at],
        ).fetchone()
        if twin:
            log.warning(
                "Version %d holds the same data and was published in the meantime; %d is dropped.", twin[0], version
            )
            discard(connection, created_by)
            return None
        connection.execute(
            "UPDATE training.sets SET state = 'superseded' WHERE fingerprint = %s AND state = 'published'",
            [fingerprint],
        )
        seal(connection, version)
        connection.execute(
            "UPDATE training.sets SET state = 'published', published_at = now() WHERE version = %s", [version]
        )
        _prune(connection, version, keep)
    return published


def seal(connection: psycopg.Connection, version: int) -> None:
    """Refuses every change of a version's examples from now on."""
    for statement in _SEALS:
        connection.execute(sql.SQL(statement).format(table_of(version)))


def _prune(connection: psycopg.Connection, published: int, keep: int) -> None:
    """Drops the examples of all but the `keep` versions published last; their rows in `training.sets` stay as history.

    The version that is being published stays, and so do those behind each champion and what a rollback restores. What
    runs that failed or were killed a day ago left behind goes too.
    """
    for (leftover,) in connection.execute(
        "SELECT created_by FROM training.sets WHERE state IN ('building', 'failed')"
        " AND created_at < now() - interval '1 day'"
    ).fetchall():
        discard(connection, leftover)
    rows = connection.execute(_OLD, {"published": published, "keep": keep}).fetchall()
    for (version,) in rows:
        connection.execute("UPDATE training.sets SET state = 'superseded' WHERE version = %s", [version])
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table_of(version)))
