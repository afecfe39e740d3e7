"""Builds a training set from the raw trips and checks it, each step a transaction of its own; see `publish`.

A version is invisible until it is published: its examples stand in a table that readers do not look at before the
version's state says so. From then on they cannot be changed.
"""

import logging
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from include.errors import DataQualityError, StaleInput
from include.problems.taxi.features import NO_POSITIONS, Positions
from include.sets.examples import load_split
from include.sets.frame_checks import find_example_problems
from include.sets.left_out import TARGET_ABOVE, TARGET_BELOW, TARGET_MISSING, TARGET_RULES, describe
from include.sets.plan import Plan, compute_fingerprint, contents_settings
from include.sets.profile import profile_split
from include.settings import Settings
from include.warehouse import connect

log = logging.getLogger(__name__)
SPLITS = ("train", "validation", "test")
_ZONES_HASH = """
    SELECT md5(string_agg(concat_ws('|', zone_id, name, borough, longitude, latitude), E'\\n' ORDER BY zone_id))
    FROM raw.zones
"""
_INSERT_EXAMPLES = """
    INSERT INTO {table}
    SELECT %(version)s, t.month, t.row_number,
           CASE WHEN t.pickup_at < %(validation_from)s THEN 'train'
                WHEN %(test_from)s::timestamp IS NULL OR t.pickup_at < %(test_from)s THEN 'validation'
                ELSE 'test' END,
           t.pickup_at, t.pickup_zone, t.dropoff_zone, t.trip_distance, t.target
    FROM raw.accepted t
    WHERE t.month = ANY(%(months)s) AND t.target BETWEEN %(target_min)s AND %(target_max)s
    ORDER BY t.month, t.row_number
"""
# A row that broke several rules is counted under the first of them, so that the counts add up.
_LEFT_OUT = """
    SELECT month, rule, count(*) AS rows FROM (
        SELECT month, min(rule) AS rule FROM raw.rejected WHERE month = ANY(%(months)s)
        GROUP BY month, row_number
        UNION ALL
        SELECT month, CASE WHEN target < %(target_min)s THEN %(below)s
                           WHEN target > %(target_max)s THEN %(above)s ELSE %(missing)s END
        FROM raw.accepted
        WHERE month = ANY(%(months)s) AND (target BETWEEN %(target_min)s AND %(target_max)s) IS NOT TRUE
    ) AS rows_left_out
    GROUP BY month, rule ORDER BY month, rows DESC, rule
"""


def read_source_hashes(connection: psycopg.Connection, months: tuple[str, ...]) -> dict[str, str]:
    """Month -> SHA-256 of the loaded source, for those of `months` that are loaded."""
    rows = connection.execute("SELECT month, sha256 FROM raw.sources WHERE month = ANY(%s)", [list(months)])
    return dict(rows)


def fingerprint_of(connection: psycopg.Connection, settings: Settings, plan: Plan, sources: Mapping[str, str]) -> str:
    """The fingerprint that the plan's set has with these sources and the zones as they are stored."""
    row = connection.execute(_ZONES_HASH).fetchone()
    return compute_fingerprint(settings, plan, sources, row[0] if row else None)


def transform(url: str, settings: Settings, plan: Plan, created_by: str) -> int:
    """Turns the plan's accepted raw trips into examples: the target in minutes, filters and split applied.

    Args:
        created_by: Says who builds, for instance the run; a second call with the same name starts over.

    Returns:
        The new version, in state `building`.

    Raises:
        StaleInput: A month is not loaded, or was replaced since it was validated.
    """
    with connect(url) as connection:
        # One snapshot for the hashes and the rows: a month replaced meanwhile is seen whole or not at all.
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        discard(connection, created_by)
        validated = connection.execute(
            "SELECT month FROM raw.sources WHERE month = ANY(%s) AND rules IS NOT NULL", [list(plan.months)]
        ).fetchall()
        missing = sorted(set(plan.months) - {month for (month,) in validated})
        if missing:
            raise StaleInput(f"Not validated in raw.rows: {', '.join(missing)}. Run the preparation again.")
        sources = read_source_hashes(connection, plan.months)
        version = _insert_version(connection, settings, plan, sources, created_by)
        table = table_of(version)
        connection.execute(sql.SQL("CREATE TABLE {} (LIKE training.examples)").format(table))
        chosen = {
            "months": list(plan.months),
            "target_min": settings.problem.target_min,
            "target_max": settings.problem.target_max,
        }
        split = {"version": version, "validation_from": plan.validation_from, "test_from": plan.test_from}
        connection.execute(sql.SQL(_INSERT_EXAMPLES).format(table=table), chosen | split)
        rules = {"below": TARGET_BELOW, "above": TARGET_ABOVE, "missing": TARGET_MISSING}
        left_out = connection.cursor(row_factory=dict_row).execute(_LEFT_OUT, chosen | rules).fetchall()
        connection.execute("UPDATE training.sets SET left_out = %s WHERE version = %s", [Jsonb(left_out), version])
    return version


def _insert_version(
    connection: psycopg.Connection, settings: Settings, plan: Plan, sources: Mapping[str, str], created_by: str
) -> int:
    row = connection.execute(
        "INSERT INTO training.sets (fingerprint, state, months, validation_from, test_from, positions, settings,"
        " sources, created_by) VALUES (%s, 'building', %s, %s, %s, %s, %s, %s, %s) RETURNING version",
        [
            fingerprint_of(connection, settings, plan, sources),
            list(plan.months),
            plan.validation_from,
            plan.test_from,
            Jsonb(_read_positions(connection).to_dict()),
            Jsonb(contents_settings(settings)),
            Jsonb(dict(sources)),
            created_by,
        ],
    ).fetchone()
    assert row is not None  # RETURNING gives the inserted row
    return int(row[0])


def _read_positions(connection: psycopg.Connection) -> Positions:
    rows = connection.execute("SELECT zone_id, longitude, latitude FROM raw.zones WHERE zone_id >= 0").fetchall()
    return Positions.from_zones(*zip(*rows, strict=True)) if rows else NO_POSITIONS


def table_of(version: int) -> sql.Identifier:
    """The table of a version's examples, a partition of `training.examples` once it is built."""
    return sql.Identifier("training", f"examples_{version}")


def discard(connection: psycopg.Connection, created_by: str) -> None:
    """Drops what an earlier try of the same run left half-built."""
    rows = connection.execute(
        "DELETE FROM training.sets WHERE created_by = %s AND state IN ('building', 'failed') RETURNING version",
        [created_by],
    ).fetchall()
    for (version,) in rows:
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table_of(version)))


def build(url: str, version: int) -> dict[str, int]:
    """Completes a version: its examples join `training.examples`, counts and statistics are stored.

    Returns:
        Rows by split, raw rows that a rule `rejected`, and raw rows `filtered` because their target is out of bounds;
        together all that was loaded.
    """
    with connect(url) as connection:
        table = table_of(version)
        attached = connection.execute(
            "SELECT 1 FROM pg_inherits WHERE inhrelid = to_regclass(%s)", [f"training.examples_{version}"]
        ).fetchone()
        if not attached:  # a retry finds it so
            # The check spares the scan that attaching would do.
            connection.execute(sql.SQL("ALTER TABLE {} ADD CHECK (version = {})").format(table, sql.Literal(version)))
            connection.execute(
                sql.SQL("ALTER TABLE training.examples ATTACH PARTITION {} FOR VALUES IN ({})").format(
                    table, sql.Literal(version)
                )
            )
        row = connection.execute("SELECT left_out FROM training.sets WHERE version = %s", [version]).fetchone()
        assert row is not None
        counts = _count(connection, version, row[0])
    train = load_split(url, version, "train")
    with connect(url) as connection:
        connection.execute(
            "UPDATE training.sets SET counts = %s, statistics = %s WHERE version = %s",
            [Jsonb(counts), Jsonb(profile_split(train)), version],
        )
    log.info(describe(url, version))
    return counts


def _count(connection: psycopg.Connection, version: int, left_out: list[dict[str, Any]]) -> dict[str, int]:
    counts = dict.fromkeys(SPLITS, 0)
    counts |= dict(
        connection.execute(
            "SELECT split, count(*) FROM training.examples WHERE version = %s GROUP BY split", [version]
        ).fetchall()
    )
    filtered = sum(entry["rows"] for entry in left_out if entry["rule"] in TARGET_RULES)
    return counts | {"rejected": sum(entry["rows"] for entry in left_out) - filtered, "filtered": filtered}


def mark_failed(url: str, version: int) -> None:
    """Says of a version that its checks failed; readers never see it."""
    with connect(url) as connection:
        connection.execute(
            "UPDATE training.sets SET state = 'failed' WHERE version = %s AND state = 'building'", [version]
        )


def validate(url: str, settings: Settings, version: int) -> None:
    """Checks a built version as a whole: enough rows, values in range, no leakage between the splits.

    Raises:
        DataQualityError: Names each check that failed, with its figures.
    """
    with connect(url) as connection:
        row = connection.execute(
            "SELECT validation_from, test_from, counts FROM training.sets WHERE version = %s", [version]
        ).fetchone()
    assert row is not None
    validation_from, test_from, counts = row
    bounds = {"train": (None, validation_from), "validation": (validation_from, test_from), "test": (test_from, None)}
    used = SPLITS if test_from else SPLITS[:2]
    problems = [
        f"{split}: {counts[split]} rows, but at least {settings.minimum_rows} are needed (MINIMUM_ROWS)"
        for split in used
        if counts[split] < settings.minimum_rows
    ]
    for split in used:
        problems += find_example_problems(settings, split, load_split(url, version, split), *bounds[split])
    if problems:
        mark_failed(url, version)
        raise DataQualityError(f"Training set version {version} is not published: " + "; ".join(problems) + ".")
