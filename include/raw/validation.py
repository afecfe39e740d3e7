"""The rows of loaded months against the rules; each refused row is kept with the rule that it broke."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from adbc_driver_postgresql.dbapi import Cursor

from include.errors import DataQualityError
from include.raw.ingestion import ROWS
from include.raw.load import REJECTED
from include.raw.rules import DUPLICATE, MISSING, find_broken, hash_rules, make_schema
from include.settings import Settings
from include.warehouse import connect_bulk, lock_month, name_partition


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
    with connect_bulk(url) as connection, connection.cursor() as cursor:
        for month in months:
            lock_month(cursor, *ROWS, month)
            rules = hash_rules(settings)
            if _read_rules(cursor, month) != rules:
                _replace_rejected(cursor, settings, month)
                cursor.execute(
                    "UPDATE raw.sources SET rules = $2, validated_at = now() WHERE month = $1", (month, rules)
                )
            validation, refused = _count(cursor, month)
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


def _read_rules(cursor: Cursor, month: str) -> str | None:
    cursor.execute("SELECT rules FROM raw.sources WHERE month = $1", (month,))
    row = cursor.fetchone()
    if row is None:
        raise DataQualityError(f"{month} is not in raw.rows: ingest it before it is validated")
    return row[0]


def _count(cursor: Cursor, month: str) -> tuple[Validation, int]:
    cursor.execute(
        "SELECT rule, count(*) FROM raw.rejected WHERE month = $1 GROUP BY rule ORDER BY count(*) DESC, rule",
        (month,),
    )
    rejected = dict(cursor.fetchall())
    # A repeated row is nothing that is wrong with a source: it is left out, and counted, but does not fail a month.
    cursor.execute(
        "SELECT rows, (SELECT count(DISTINCT row_number) FROM raw.rejected r WHERE r.month = s.month AND rule <> $2) "
        "FROM raw.sources s WHERE month = $1",
        (month, DUPLICATE),
    )
    rows, refused = cursor.fetchone()
    return Validation(month, rows, rejected), refused


def _replace_rejected(cursor: Cursor, settings: Settings, month: str) -> None:
    partition = name_partition(ROWS[1], month)
    cursor.execute("DELETE FROM raw.rejected WHERE month = $1 AND stage = 'rule'", (month,))
    broken = list(_find_broken(cursor, settings, month, partition))
    if broken:
        reader = pa.RecordBatchReader.from_batches(REJECTED, broken)
        cursor.adbc_ingest("rejected", reader, mode="append", db_schema_name="raw")
    cursor.execute(
        "DELETE FROM raw.rejected r USING raw.rejected w WHERE r.month = $1 AND w.month = $1 "
        "AND w.row_number = r.row_number AND r.rule LIKE $2 AND w.stage = 'load' "
        "AND split_part(w.rule, ': ', 1) = split_part(r.rule, ': ', 1)",
        (month, f"%: {MISSING}"),
    )


def _find_broken(cursor: Cursor, settings: Settings, month: str, partition: str) -> Iterator[pa.RecordBatch]:
    schema = make_schema(settings, month)
    # The names are checked where they are declared: small letters, digits and _.
    names = ", ".join(f'"{column.name}"' for column in settings.problem.stored)
    cursor.execute(f'SELECT row_number, {names} FROM raw."{partition}"')
    for batch in cursor.fetch_record_batch():
        broken = find_broken(batch.to_pandas().set_index("row_number"), settings.problem, schema)
        if len(broken):
            frame = broken.assign(month=month, stage="rule")[REJECTED.names]
            yield from pa.Table.from_pandas(frame, schema=REJECTED, preserve_index=False).to_batches()
