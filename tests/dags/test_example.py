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
        return connection.execute(
            "SELECT walk, district, kilometres, duration FROM example.rows ORDER BY walk"
        ).fetchall()


def test_fill_replaces_numbers_by_their_median_and_text_by_its_most_frequent_value(body: Callable) -> None:
    walks = [
        {"walk": 1, "district": "South", "kilometres": 1.0},
        {"walk": 2, "district": "South", "kilometres": 2.0},
        {"walk": 3, "district": "West", "kilometres": 9.0},
        {"walk": 4, "district": None, "kilometres": None},
    ]
    filled = body("fill")(walks, params={"numbers": "median"})
    assert filled == [*walks[:3], {"walk": 4, "district": "South", "kilometres": 2.0}]


def test_fill_replaces_numbers_by_their_mean_when_asked_to(body: Callable) -> None:
    walks = [{"district": "South", "kilometres": miles} for miles in (1.0, 2.0, 9.0, None)]
    assert body("fill")(walks, params={"numbers": "mean"})[3] == {"district": "South", "kilometres": 4.0}


def test_fill_leaves_no_gap_in_the_tables_own_rows(example: Any, body: Callable) -> None:
    filled = body("fill")(body("load")(), params={"numbers": example.PARAMS["numbers"].value})
    assert [row["walk"] for row in filled] == [1, 2, 3, 4]
    assert not [row for row in filled if None in row.values()]


def test_fill_works_when_a_table_has_no_text(body: Callable) -> None:
    assert (
        body("fill")([{"kilometres": 2.0}, {"kilometres": None}], params={"numbers": "median"})
        == [{"kilometres": 2.0}] * 2
    )


def test_save_replaces_the_table_when_run_twice(
    example: Any, body: Callable, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse_url.replace("postgresql://", "postgres://"))
    events = defaultdict(SimpleNamespace)
    for miles in (1.0, 2.0):
        walks = [{"walk": 1, "district": "South", "kilometres": miles, "duration": 5.0}]
        body("save")(walks, outlet_events=events)
    assert read_table(warehouse_url) == [(1, "South", 2.0, 5.0)]
    assert events[example.EXAMPLE_ROWS].extra == {"rows": 1}


def test_save_keeps_the_former_table_when_a_row_does_not_fit(
    body: Callable, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse_url.replace("postgresql://", "postgres://"))
    good = {"walk": 1, "district": "South", "kilometres": 1.0, "duration": 5.0}
    body("save")([good], outlet_events=defaultdict(SimpleNamespace))
    with pytest.raises(psycopg.errors.UniqueViolation):
        body("save")([good, good], outlet_events=defaultdict(SimpleNamespace))
    assert read_table(warehouse_url) == [(1, "South", 1.0, 5.0)]
