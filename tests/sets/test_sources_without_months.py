"""A table without months or times becomes the same training set from a file, a Postgres table, and a JSON API."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from include.problem.declaration import Problem
from include.settings import Settings
from tests.published_sets import publish_set
from tests.servers import WebServer
from tests.sources.test_sources import serve_records
from tests.warehouse_rows import query

CARS = [
    {"Age (years)": number / 7 if number % 11 else None, "owner": f"owner {number % 3}", "price": 100 - number / 3}
    for number in range(400)
]
COLUMNS: dict[str, Any] = {"age": {"source": "Age (years)"}, "owner": {"kind": "category"}}


def publish(url: str, source: str) -> list[tuple[Any, ...]]:
    problem = Problem(name="cars", source=source, target="price", columns=COLUMNS)  # type: ignore[call-arg]
    published = publish_set(url, Settings(problem=problem, minimum_rows=20))  # type: ignore[arg-type]
    assert published.months == ("all",)
    return query(url, f"SELECT split, age, owner, target FROM training.examples_{published.version} ORDER BY target")


@pytest.fixture
def from_file(warehouse_url: str, tmp_path: Path) -> list[tuple[Any, ...]]:
    path = tmp_path / "cars.csv"
    # Empty where a value is missing.
    lines = [",".join("" if value is None else str(value) for value in car.values()) for car in CARS]
    path.write_text("\n".join(["Age (years),owner,price", *lines]) + "\n", encoding="utf-8")
    examples = publish(warehouse_url, path.as_uri())
    assert len(examples) == len(CARS)
    return examples


def test_a_postgres_table_gives_the_same_set_as_a_file(warehouse_url: str, from_file: list[tuple[Any, ...]]) -> None:
    with psycopg.connect(warehouse_url) as connection:
        connection.execute('CREATE TABLE public.cars ("Age (years)" float8, owner text, price float8)')
        rows = [tuple(car.values()) for car in CARS]
        connection.cursor().executemany("INSERT INTO public.cars VALUES (%s, %s, %s)", rows)
    assert publish(warehouse_url, f"{warehouse_url}/public.cars") == from_file


def test_a_json_api_gives_the_same_set_as_a_file(
    warehouse_url: str, from_file: list[tuple[Any, ...]], web_server: WebServer
) -> None:
    serve_records(web_server, CARS)
    assert publish(warehouse_url, f"{web_server.url}/api?offset={{offset}}&limit={{limit}}") == from_file
