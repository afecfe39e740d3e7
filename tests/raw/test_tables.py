"""Columns are added while others read and write the tables."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from include.errors import WarehouseUnavailable
from include.problem.declaration import Problem
from include.raw import tables
from include.raw.tables import ensure_columns
from include.settings import Settings
from include.warehouse import connect, create_partition
from tests.waiting import wait_until
from tests.warehouse_rows import query

WAITING = "SELECT relation FROM pg_locks WHERE relation = 'prediction.batch_2024_02'::regclass AND NOT granted"


@pytest.fixture
def problem() -> Problem:
    """Trips with a column that no table has."""
    declared = Settings().problem.to_dict()
    return Problem.from_dict({**declared, "columns": {**declared["columns"], "extra": {"name": "extra"}}})


@pytest.fixture
def url(warehouse_url: str) -> str:
    """A warehouse with a month."""
    with connect(warehouse_url) as connection:
        for schema, table in (("raw", "rows"), ("prediction", "batch")):
            create_partition(connection, schema, table, "2024_02", "month", "2024-02")
    return warehouse_url


def limit(url: str, seconds: int) -> str:
    """The address for statements that end in vain after so long."""
    return f"{url}?options=-c%20statement_timeout%3D{seconds}s"


def test_task_that_reads_rows_while_it_writes_predictions_is_not_kept_waiting_for_itself(
    url: str, problem: Problem
) -> None:
    with psycopg.connect(url) as writing, ThreadPoolExecutor(1) as pool:
        writing.execute("DELETE FROM prediction.batch_2024_02")
        changing = pool.submit(ensure_columns, url, problem)
        try:
            wait_until(lambda: query(url, WAITING) or changing.done(), "the change waits")
            assert query(limit(url, 10), "SELECT FROM raw.rows") == []
            assert query(limit(url, 10), "SELECT FROM prediction.log") == []
        finally:
            writing.commit()
        assert changing.result() == ["raw.rows.extra", "prediction.log.extra", "prediction.batch.extra"]


def test_change_gives_up_where_a_table_is_used_for_too_long_and_is_finished_later(
    url: str, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "LOCK_TIMEOUT", "50ms", raising=False)
    with psycopg.connect(url) as writing:
        writing.execute("DELETE FROM prediction.batch_2024_02")
        with pytest.raises(
            WarehouseUnavailable, match=r"prediction\.batch could not be given .* for 50ms .* Wait until"
        ):
            ensure_columns(limit(url, 60), problem)
    assert ensure_columns(url, problem) == ["prediction.batch.extra"]


def test_nothing_waits_for_those_who_write_the_log_where_nothing_is_to_be_changed(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "LOCK_TIMEOUT", "50ms", raising=False)
    with psycopg.connect(url) as pruning:
        pruning.execute("DELETE FROM prediction.log")
        assert ensure_columns(limit(url, 60), Settings().problem) == []
