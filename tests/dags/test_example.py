from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The DAG file as a module."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    import dags.example

    return dags.example


@pytest.fixture
def body(example: Any) -> Callable[[str], Callable[..., Any]]:
    """Gives the function that a task runs."""
    return lambda task_id: example.example().get_task(task_id).python_callable


def read_table(url: str) -> list[tuple]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT trip, borough, miles, minutes FROM example.rows ORDER BY trip").fetchall()


def test_fill_replaces_numbers_by_their_median_and_text_by_its_most_frequent_value(body: Callable) -> None:
    trips = [
        {"trip": 1, "borough": "Queens", "miles": 1.0},
        {"trip": 2, "borough": "Queens", "miles": 2.0},
        {"trip": 3, "borough": "Bronx", "miles": 9.0},
        {"trip": 4, "borough": None, "miles": None},
    ]
    filled = body("fill")(trips, params={"numbers": "median"})
    assert filled == [*trips[:3], {"trip": 4, "borough": "Queens", "miles": 2.0}]


def test_fill_replaces_numbers_by_their_mean_when_asked_to(body: Callable) -> None:
    trips = [{"borough": "Queens", "miles": miles} for miles in (1.0, 2.0, 9.0, None)]
    assert body("fill")(trips, params={"numbers": "mean"})[3] == {"borough": "Queens", "miles": 4.0}


def test_fill_leaves_no_gap_in_the_tables_own_rows(example: Any, body: Callable) -> None:
    filled = body("fill")(body("load")(), params={"numbers": example.PARAMS["numbers"].value})
    assert [row["trip"] for row in filled] == [1, 2, 3, 4]
    assert not [row for row in filled if None in row.values()]


def test_fill_works_when_a_table_has_no_text(body: Callable) -> None:
    assert body("fill")([{"miles": 2.0}, {"miles": None}], params={"numbers": "median"}) == [{"miles": 2.0}] * 2


def test_save_replaces_the_table_when_run_twice(
    example: Any, body: Callable, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse_url.replace("postgresql://", "postgres://"))
    events = defaultdict(SimpleNamespace)
    for miles in (1.0, 2.0):
        trips = [{"trip": 1, "borough": "Queens", "miles": miles, "minutes": 5.0}]
        body("save")(trips, outlet_events=events)
    assert read_table(warehouse_url) == [(1, "Queens", 2.0, 5.0)]
    assert events[example.EXAMPLE_TRIPS].extra == {"rows": 1}


def test_save_keeps_the_former_table_when_a_row_does_not_fit(
    body: Callable, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse_url.replace("postgresql://", "postgres://"))
    good = {"trip": 1, "borough": "Queens", "miles": 1.0, "minutes": 5.0}
    body("save")([good], outlet_events=defaultdict(SimpleNamespace))
    with pytest.raises(psycopg.errors.UniqueViolation):
        body("save")([good, good], outlet_events=defaultdict(SimpleNamespace))
    assert read_table(warehouse_url) == [(1, "Queens", 1.0, 5.0)]
