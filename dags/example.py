"""Fills the gaps in a small table and writes it to Postgres: a first DAG, and a template to copy.

**Starts** by hand or through the REST API.

**Produces** the table `example.rows` in the warehouse, replaced as a whole, so that running it twice changes nothing;
then the asset `example_trips` changes.

**Parameters**: `numbers`, the statistic that replaces a missing number.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task

from include.orchestration.alerts import DEFAULT_ARGS, RUN_FAILED
from include.orchestration.assets import EXAMPLE_TRIPS
from include.orchestration.connections import get_warehouse_url
from include.orchestration.presentation import EXAMPLE, first_sentence

TRIPS: list[dict[str, Any]] = [
    {"trip": 1, "borough": "Brooklyn", "miles": 1.2, "minutes": 8.0},
    {"trip": 2, "borough": "Queens", "miles": None, "minutes": 21.5},
    {"trip": 3, "borough": None, "miles": 3.4, "minutes": 17.0},
    {"trip": 4, "borough": "Brooklyn", "miles": 0.9, "minutes": None},
]
PARAMS = {
    "numbers": Param("median", enum=["median", "mean"], title="Missing numbers", description="What replaces them.")
}
CREATE = "CREATE TABLE example.rows (trip integer PRIMARY KEY, borough text, miles float, minutes float)"
INSERT = "INSERT INTO example.rows VALUES (%(trip)s, %(borough)s, %(miles)s, %(minutes)s)"


@task
def load() -> list[dict[str, Any]]:
    """Loads the table, with its gaps."""
    return TRIPS


@task
def fill(trips: list[dict[str, Any]], **context: Any) -> list[dict[str, Any]]:
    """Fills the gaps: numbers with the chosen statistic, text with the most frequent value."""
    import pandas as pd

    frame = pd.DataFrame(trips)
    numbers = frame.select_dtypes("number").agg(context["params"]["numbers"])
    texts: Any = frame.select_dtypes("str").agg(lambda column: column.mode()[0])
    filled: list[Any] = frame.fillna({**numbers, **texts}).to_dict("records")
    return filled


@task(outlets=[EXAMPLE_TRIPS])
def save(trips: list[dict[str, Any]], *, outlet_events: Any = None) -> None:
    """Writes the table to Postgres and sends the event."""
    from include.warehouse import connect

    with connect(get_warehouse_url()) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS example")
        connection.execute("DROP TABLE IF EXISTS example.rows")
        connection.execute(CREATE)
        connection.cursor().executemany(INSERT, trips)
    outlet_events[EXAMPLE_TRIPS].extra = {"rows": len(trips)}


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
