"""The rows of loaded months against the rules; each refused row is kept with the rule that it broke."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg
import pyarrow as pa
from psycopg import sql

from include.errors import DataQualityError
from include.raw.ingestion import ROWS
from include.raw.load import REJECTED, REJECTED_ROWS
from include.raw.rules import DUPLICATE, MISSING, find_broken, hash_rules, make_schema
from include.settings import Settings
from include.warehouse import append_rows, connect, lock_month, name_partition, read_batches


@dataclass(frozen=True)
class Validation:
    """Rows of a month, and how many broke each rule; a row that broke two is counted under both."""

    month: str
    rows: int
    rejected: dict[str, int]


def validate_months(url: str, settings: Settings, months: Sequence[str]) -> list[Validation]:
    """Judges the rows of loaded `months`, those excepted that did not change since the same rules judged them.

    Args:
        url: The warehouse's libpq address.

    Raises:
        DataQualityError: A month is not loaded, or more of its rows than `rejected_max_share` were refused; those
            rows stand in raw.rejected, which the message counts by rule.
        WarehouseUnavailable: The warehouse cannot be reached, or broke off.
    """
    validations, failures = [], []
    with connect(url) as connection:
        for month in months:
            lock_month(connection, *ROWS, month)
            rules = hash_rules(settings)
            if _read_rules(connection, month) != rules:
                _replace_rejected(connection, url, settings, month)
                connection.execute(
                    "UPDATE raw.sources SET rules = %s, validated_at = now() WHERE month = %s", [rules, month]
                )
            validation, refused = _count(connection, month)
            connection.commit()
            validations.append(validation)
            if refused > settings.rejected_max_share * validation.rows:
                failures.append(_describe(validation, refused))
    if failures:
        raise DataQualityError(
            f"More rows refused than REJECTED_MAX_SHARE={settings.rejected_max_share:g} allows: {'; '.join(failures)}. "
            "The rows are in raw.rejected: correct the source, the rules' settings or that share"
        )
    return validations


def _describe(validation: Validation, refused: int) -> str:
    by_rule = ", ".join(f"{rule} ({count})" for rule, count in validation.rejected.items())
    return f"{validation.month}: {refused} of {validation.rows} rows ({refused / validation.rows:.1%}): {by_rule}"


def _read_rules(connection: psycopg.Connection, month: str) -> str | None:
    row = connection.execute("SELECT rules FROM raw.sources WHERE month = %s", [month]).fetchone()
    if row is None:
        raise DataQualityError(f"{month} is not in raw.rows: ingest it before it is validated")
    return row[0]


def _count(connection: psycopg.Connection, month: str) -> tuple[Validation, int]:
    rejected = connection.execute(
        "SELECT rule, count(*) FROM raw.rejected WHERE month = %s GROUP BY rule ORDER BY count(*) DESC, rule", [month]
    ).fetchall()
    # A repeated row is nothing that is wrong with a source: it is left out, and counted, but does not fail a month.
    [(rows, refused)] = connection.execute(
        "SELECT rows, (SELECT count(DISTINCT row_number) FROM raw.rejected r WHERE r.month = s.month AND rule <> %s) "
        "FROM raw.sources s WHERE month = %s",
        [DUPLICATE, month],
    ).fetchall()
    return Validation(month, rows, dict(rejected)), refused


def _replace_rejected(connection: psycopg.Connection, url: str, settings: Settings, month: str) -> None:
    connection.execute("DELETE FROM raw.rejected WHERE month = %s AND stage = 'rule'", [month])
    append_rows(connection, REJECTED_ROWS, REJECTED, _find_broken(url, settings, month))
    connection.execute(
        "DELETE FROM raw.rejected r USING raw.rejected w WHERE r.month = %(month)s AND w.month = %(month)s "
        "AND w.row_number = r.row_number AND r.rule LIKE %(missing)s AND w.stage = 'load' "
        "AND split_part(w.rule, ': ', 1) = split_part(r.rule, ': ', 1)",
        {"month": month, "missing": f"%: {MISSING}"},
    )


def _find_broken(url: str, settings: Settings, month: str) -> Iterator[pa.RecordBatch]:
    """Reads by a connection of its own: the caller has locked the month, so that its rows stay as they are."""
    schema = make_schema(settings, month)
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in settings.problem.stored)
    query = sql.SQL("SELECT row_number, {} FROM {}").format(names, name_partition(*ROWS, month))
    for batch in read_batches(url, query):
        broken = find_broken(batch.to_pandas().set_index("row_number"), settings.problem, schema)
        if len(broken):
            frame = broken.assign(month=month, stage="rule")[REJECTED.names]
            yield from pa.Table.from_pandas(frame, schema=REJECTED, preserve_index=False).to_batches()
