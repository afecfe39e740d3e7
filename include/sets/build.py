"""Builds a training set from the raw rows and checks it, each step a transaction of its own; see `publish`.

A version is invisible until it is published: its examples stand in a table that readers do not look at before the
version's state says so. From then on they cannot be changed.
"""

import logging
from collections.abc import Mapping
from datetime import date
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from include.errors import DataQualityError, StaleInput
from include.problem.checks import ROW_WEIGHT
from include.problem.declaration import Problem
from include.problem.inference.leaks import find_suspects
from include.sets.baselines import measure_baselines
from include.sets.examples import list_columns, open_rows, read_problem_of, table_of, target_bounds
from include.sets.frame_checks import find_example_problems, find_unlearnable
from include.sets.left_out import (
    CLASS_MISSING,
    TARGET_ABOVE,
    TARGET_BELOW,
    TARGET_MISSING,
    TARGET_RULES,
    describe,
)
from include.sets.plan import Plan, compute_fingerprint, contents_settings
from include.sets.profile import profile_split
from include.sets.split import SPLITS, Days, choose_bounds, render_split
from include.settings import Settings
from include.sources.references import list_references
from include.warehouse import connect

log = logging.getLogger(__name__)
_INSERT_EXAMPLES = """
    INSERT INTO {table} (month, row_number, split, place, {columns}, target{weight})
    SELECT r.month, r.row_number, {split}, {place}, {columns}, r.target{weights}
    FROM raw.accepted r
    WHERE {accepted}
    ORDER BY r.month, r.row_number
"""
# Bounds that the problem does not have are infinite; a target that is missing or infinite is out of any.
_IN_BOUNDS = "target BETWEEN %(target_min)s AND %(target_max)s AND abs(target) < 'Infinity'"
_ACCEPTED = f"r.month = ANY(%(months)s) AND {_IN_BOUNDS}"
# A row that broke several rules is counted under the first of them, so that the counts add up.
_LEFT_OUT = """
    SELECT month, rule, count(*) AS rows FROM (
        SELECT month, min(rule) AS rule FROM raw.rejected WHERE month = ANY(%(months)s)
        GROUP BY month, row_number
        UNION ALL
        SELECT month, CASE WHEN target < %(target_min)s THEN %(below)s
                           WHEN target > %(target_max)s THEN %(above)s ELSE %(missing)s END
        FROM raw.accepted
        WHERE month = ANY(%(months)s) AND ({in_bounds}) IS NOT TRUE
    ) AS rows_left_out
    GROUP BY month, rule ORDER BY month, rows DESC, rule
"""


def read_source_hashes(connection: psycopg.Connection, months: tuple[str, ...]) -> dict[str, str]:
    """Month -> SHA-256 of the loaded source, for those of `months` that are loaded."""
    rows = connection.execute("SELECT month, sha256 FROM raw.sources WHERE month = ANY(%s)", [list(months)])
    return dict(rows)


def fingerprint_of(connection: psycopg.Connection, settings: Settings, plan: Plan, sources: Mapping[str, str]) -> str:
    """The fingerprint that the plan's set has with these sources and the references as they are stored."""
    references = {name: table.digest(connection) for name, table in list_references(settings.problem)}
    return compute_fingerprint(settings, plan, sources, references)


def transform(url: str, settings: Settings, plan: Plan, created_by: str) -> int:
    """Turns the plan's accepted raw rows into examples: filters and split applied.

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
        low, high = target_bounds(settings.problem)
        chosen = {"months": list(plan.months), "target_min": low, "target_max": high}
        accepted = sql.SQL(_ACCEPTED)
        bounds = choose_bounds(connection, settings, plan.days, accepted, chosen)
        days = bounds["validation_from"], bounds["test_from"]
        version = _insert_version(connection, settings, plan, days, sources, created_by)
        table = table_of(version)
        _create_table(connection, table, settings.problem)
        split, place = render_split(settings.problem)
        weight = settings.problem.weight
        insert = sql.SQL(_INSERT_EXAMPLES).format(
            table=table,
            columns=list_columns(settings.problem.inputs),
            split=split,
            place=place,
            accepted=accepted,
            weight=sql.SQL(f", {ROW_WEIGHT}" if weight else ""),
            weights=sql.SQL(", r.{}").format(sql.Identifier(weight)) if weight else sql.SQL(""),
        )
        connection.execute(insert, chosen | bounds)
        without = CLASS_MISSING if settings.problem.labels else TARGET_MISSING
        rules = {"below": TARGET_BELOW, "above": TARGET_ABOVE, "missing": without}
        left_out = (
            connection.cursor(row_factory=dict_row)
            .execute(sql.SQL(_LEFT_OUT).format(in_bounds=sql.SQL(_IN_BOUNDS)), chosen | rules)
            .fetchall()
        )
        connection.execute("UPDATE training.sets SET left_out = %s WHERE version = %s", [Jsonb(left_out), version])
    return version


def _insert_version(
    connection: psycopg.Connection,
    settings: Settings,
    plan: Plan,
    days: Days,
    sources: Mapping[str, str],
    created_by: str,
) -> int:
    row = connection.execute(
        "INSERT INTO training.sets (fingerprint, state, months, validation_from, test_from, declaration,"
        " reference, settings, sources, created_by)"
        " VALUES (%s, 'building', %s, %s, %s, %s, %s, %s, %s, %s) RETURNING version",
        [
            fingerprint_of(connection, settings, plan, sources),
            list(plan.months),
            *days,
            Jsonb(settings.problem.to_dict()),
            Jsonb({name: table.freeze(connection) for name, table in list_references(settings.problem)}),
            Jsonb(contents_settings(settings)),
            Jsonb(dict(sources)),
            created_by,
        ],
    ).fetchone()
    assert row is not None  # RETURNING gives the inserted row
    return int(row[0])


def _create_table(connection: psycopg.Connection, table: sql.Identifier, problem: Problem) -> None:
    """The table of a version's examples, with the problem's columns as they are declared now."""
    columns = [
        sql.SQL("{} {}").format(
            sql.Identifier(column.name),
            sql.SQL(column.of_kind.sql + " NOT NULL" * column.required),
        )
        for column in problem.inputs
    ]
    connection.execute(
        sql.SQL(
            "CREATE TABLE {} (month text NOT NULL, row_number bigint NOT NULL, split text NOT NULL,"
            " place double precision, {}, target double precision NOT NULL{})"
        ).format(
            table,
            sql.SQL(", ").join(columns),
            sql.SQL(f", {ROW_WEIGHT} double precision NOT NULL" if problem.weight else ""),
        )
    )


def discard(connection: psycopg.Connection, created_by: str) -> None:
    """Drops what an earlier try of the same run left half-built."""
    rows = connection.execute(
        "DELETE FROM training.sets WHERE created_by = %s AND state IN ('building', 'failed') RETURNING version",
        [created_by],
    ).fetchall()
    for (version,) in rows:
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table_of(version)))


def build(url: str, version: int) -> dict[str, int]:
    """Completes a version: counts, statistics, baselines and columns under suspicion are stored.

    Returns:
        Rows by split, raw rows that a rule `rejected`, and raw rows `filtered` because their target is out of bounds;
        together all that was loaded.
    """
    with connect(url) as connection:
        row = connection.execute("SELECT left_out FROM training.sets WHERE version = %s", [version]).fetchone()
        assert row is not None
        counts = _count(connection, version, row[0])
    problem = read_problem_of(url, version)
    train = open_rows(url, version, ["train"]).map()
    statistics = profile_split(problem, train)
    suspects = find_suspects(train.rows, problem.input_kinds, train.target, are_classes=bool(problem.labels))
    with connect(url) as connection:
        baselines = measure_baselines(connection, problem, version, statistics["target"]) if statistics else []
        connection.execute(
            "UPDATE training.sets SET counts = %s, statistics = %s, baselines = %s, suspects = %s WHERE version = %s",
            [Jsonb(counts), Jsonb(statistics), Jsonb(baselines), Jsonb(suspects), version],
        )
    log.info(describe(url, version))
    return counts


def _count(connection: psycopg.Connection, version: int, left_out: list[dict[str, Any]]) -> dict[str, int]:
    counts = dict.fromkeys(SPLITS, 0)
    counts |= dict(
        connection.execute(
            sql.SQL("SELECT split, count(*) FROM {} GROUP BY split").format(table_of(version))
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


def _describe_empty(
    url: str, version: int, problem: Problem, split: str, starts_on: date | None, ends_before: date | None
) -> str:
    """Says why a split has no row where others have: of the days that are its own, there is none; else empty."""
    if not (problem.split_by == "time" and problem.time):
        return ""
    query = "SELECT min({time})::date, max({time})::date, bool_or(split = {split}) FROM {table}"
    with connect(url) as connection:
        row = connection.execute(
            sql.SQL(query).format(time=sql.Identifier(problem.time), split=split, table=table_of(version))
        ).fetchone()
    assert row is not None  # an aggregate has one row
    first, last, has_rows = row
    if first is None or has_rows:
        return ""
    days = {"from": starts_on and f"{starts_on} on", "before": ends_before}
    own = " and ".join(f"{which} {day}" for which, day in days.items() if day)
    return (
        f"{split}: no rows of its days, {own}, as the rows of the set are of {first} to {last}: choose other days"
        " (VALIDATION_FROM, TEST_FROM), or load more"
    )


def validate(url: str, settings: Settings, version: int) -> None:
    """Checks a built version as a whole: enough rows, every class, values in range, no leakage between the splits.

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
    problem = read_problem_of(url, version)
    used = SPLITS if test_from or (validation_from is None and problem.test_share) else SPLITS[:2]
    problems = [
        _describe_empty(url, version, problem, split, *bounds[split])
        or f"{split}: {counts[split]} rows, but at least {settings.minimum_rows} are needed (MINIMUM_ROWS)"
        for split in used
        if counts[split] < settings.minimum_rows
    ]
    for name in used:
        rows = open_rows(url, version, [name])
        problems += find_unlearnable(problem, rows) if name == "train" else []
        problems += find_example_problems(problem, name, rows, *bounds[name])
    if problems:
        mark_failed(url, version)
        raise DataQualityError(f"Training set version {version} is not published: " + "; ".join(problems) + ".")
