"""Fills the gaps in a small table and writes it to Postgres: a first DAG, and a template to copy.

**Starts** by hand or through the REST API.

**Produces** the table `example.rows` in the warehouse, replaced as a whole, so that running it twice changes nothing;
then the asset `example_rows` changes.

**Parameters**: `numbers`, the statistic that replaces a missing number.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task

from include.orchestration.alerts import DEFAULT_ARGS, RUN_FAILED
from include.orchestration.assets import EXAMPLE_ROWS
from include.orchestration.connections import get_warehouse_url
from include.orchestration.presentation import EXAMPLE, first_sentence

WALKS: list[dict[str, Any]] = [
    {"walk": 1, "district": "North", "kilometres": 1.2, "duration": 8.0},
    {"walk": 2, "district": "South", "kilometres": None, "duration": 21.5},
    {"walk": 3, "district": None, "kilometres": 3.4, "duration": 17.0},
    {"walk": 4, "district": "North", "kilometres": 0.9, "duration": None},
]
PARAMS = {
    "numbers": Param("median", enum=["median", "mean"], title="Missing numbers", description="What replaces them.")
}
CREATE = "CREATE TABLE example.rows (walk integer PRIMARY KEY, district text, kilometres float, duration float)"
INSERT = "INSERT INTO example.rows VALUES (%(walk)s, %(district)s, %(kilometres)s, %(duration)s)"


@task
def load() -> list[dict[str, Any]]:
    """Loads the table, with its gaps."""
    return WALKS


@task
def fill(walks: list[dict[str, Any]], **context: Any) -> list[dict[str, Any]]:
    """Fills the gaps: numbers with the chosen statistic, text with the most frequent value."""
    import pandas as pd

    frame = pd.DataFrame(walks)
    numbers = frame.select_dtypes("number").agg(context["params"]["numbers"])
    texts: Any = frame.select_dtypes("str").agg(lambda column: column.mode()[0])
    filled: list[Any] = frame.fillna({**numbers, **texts}).to_dict("records")
    return filled


@task(outlets=[EXAMPLE_ROWS])
def save(walks: list[dict[str, Any]], *, outlet_events: Any = None) -> None:
    """Writes the table to Postgres and sends the event."""
    from include.warehouse import connect

    with connect(get_warehouse_url()) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS example")
        connection.execute("DROP TABLE IF EXISTS example.rows")
        connection.execute(CREATE)
        connection.cursor().executemany(INSERT, walks)
    outlet_events[EXAMPLE_ROWS].extra = {"rows": len(walks)}


@dag(
    schedule=None,
    catchup=False,
    dagrun_timeout=timedelta(hours=1),
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    on_failure_callback=RUN_FAILED,
    params=PARAMS,
    description=first_sentence(__doc__),
    doc_md=__doc__,
    tags=[EXAMPLE],
)
def example() -> None:
    """Spells the graph."""
    save(fill(load()))


example()
