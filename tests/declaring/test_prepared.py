"""What is declared is what the rows become: a training set is built of a declared table, and no value is in the way."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.settings import Settings
from tests.declaring.conftest import Declare
from tests.published_sets import publish_set
from tests.servers import WebServer
from tests.warehouse_rows import query

Write = Callable[[dict[str, list[Any]]], Path]
LEFT_OUT = "SELECT left_out FROM training.sets"


def prepare(url: str, problem: Any, **settings: Any) -> int:
    """The rows of the training set that is built of the problem's table."""
    published = publish_set(url, Settings(problem=problem.name, **{"minimum_rows": 10, **settings}))
    return sum(published.counts[split] for split in ("train", "validation", "test"))


def test_every_row_of_a_declared_table_becomes_an_example(run: Declare, write: Write, warehouse_url: str) -> None:
    rows = range(300)
    table = write(
        {
            "Order No.": [1234567890123456789 + row for row in rows],
            "Day": [f"{1 + row // 24 % 28}/{1 + row // 24 // 28}/2024" for row in rows],
            "Hour": [row % 24 for row in rows],
            "Price (€)": [f"€{1000 + row:,}.50" for row in rows],
            "Weight": ["1.5 kg", "", "2 kg", "NA", "0.75 kg"],
            "select": ["TRUE", "false", "?"],
            "Größe / Farbe": ["S/red", "M/blue", "", "L/green"],
            "note": [f"a long remark of a customer, one of many: {row}" for row in rows],
            "zip": ["01067", "80331", "20095"],
            "y": [0.5 + row * 37 % 101 for row in rows],
        }
    )
    declared = run(table)
    assert set(declared.kinds.values()) == {"id", "time", "number", "flag", "category", "text"}
    assert prepare(warehouse_url, declared.problem) == len(rows)
    assert query(warehouse_url, LEFT_OUT) == [([],)]


def test_column_without_a_name_is_left_out_and_said(run: Declare, write: Write, warehouse_url: str) -> None:
    declared = run(write({"": list(range(90)), "x": [1.5, 2, 4], "y": [0.5 + row * 37 % 101 for row in range(90)]}))
    assert list(declared.problem.columns) == ["x"]
    assert "a column without a name" in declared.shown
    assert prepare(warehouse_url, declared.problem) == 90


def test_empty_columns_behind_the_last_name_are_left_out(run: Declare, tmp_path: Path, warehouse_url: str) -> None:
    lines = [f"{row % 7 + 0.5},{0.5 + row * 37 % 101},,\n" for row in range(90)]
    (tmp_path / "export.csv").write_text("x,y,,\n" + "".join(lines))
    declared = run(tmp_path / "export.csv")
    assert list(declared.problem.columns) == ["x"]
    assert "without a name" in declared.shown
    assert prepare(warehouse_url, declared.problem) == 90


def test_column_of_uuids_is_declared_and_prepared(run: Declare, tmp_path: Path, warehouse_url: str) -> None:
    rows = range(90)
    uuids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes([row] * 16) for row in rows], pa.binary(16)))
    table = pa.table({"key": uuids, "x": [row % 7 + 0.5 for row in rows], "y": [0.5 + row * 37 % 101 for row in rows]})
    pq.write_table(table, tmp_path / "orders.parquet")
    declared = run(tmp_path / "orders.parquet")
    assert declared.kinds["key"] == "id"
    assert prepare(warehouse_url, declared.problem) == 90


RECORDS = [
    {"size": 20 + row % 80, "kind": ("flat", "house", None)[row % 3], "y": 0.5 + row * 37 % 101} for row in range(300)
]


@pytest.mark.parametrize("key", ["", "items"])
def test_every_record_of_an_api_becomes_an_example(
    run: Declare, web_server: WebServer, warehouse_url: str, key: str
) -> None:
    def answer(query: dict[str, str]) -> tuple[int, bytes]:
        start = (int(query["page"]) - 1) * 100
        page = RECORDS[start : start + 100]
        return 200, json.dumps({key: page} if key else page).encode()

    web_server.pages["/api"] = answer
    given = {"SOURCE_RECORDS": key} if key else {}
    declared = run(f"{web_server.url}/api?page={{page}}", **given)
    assert declared.kinds == {"size": "number", "kind": "category"}
    assert prepare(warehouse_url, declared.problem, source_records=key) == len(RECORDS)


def test_every_row_of_a_postgres_table_becomes_an_example(run: Declare, warehouse_url: str) -> None:
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("CREATE SCHEMA shop")
        connection.execute('CREATE TABLE shop.orders (size integer, kind text, y numeric, "Placed At" timestamp)')
        connection.cursor().executemany(
            "INSERT INTO shop.orders"
            " VALUES (%(size)s, %(kind)s, %(y)s, timestamp '2024-01-01' + %(y)s * interval '1 h')",
            RECORDS,
        )
    source = f"{warehouse_url}/shop.orders"
    declared = run(source)
    assert declared.kinds == {"size": "number", "kind": "category", "Placed At": "time"}
    assert prepare(warehouse_url, declared.problem, source=source) == len(RECORDS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "target", "given", "rows"),
    [
        ("insurance/insurance.csv", "charges", {}, 1_337),
        ("cars_used/car_details.csv", "selling_price", {}, 6_839),
        ("house_prices_ames/AmesHousing.csv", "SalePrice", {}, 2_930),
        ("bike_seoul/SeoulBikeData.csv", "Rented Bike Count", {"TIMEZONE": "Asia/Seoul"}, 8_760),
        ("energy_victoria/vic_elec.parquet", "Demand", {"TIMEZONE": "Australia/Melbourne"}, 52_608),
        ("retail_walmart/walmart_store_sales.csv", "Weekly_Sales", {}, 6_435),
        ("churn_telco/Telco-Customer-Churn.csv", "Churn", {}, 7_043),
        ("formats/currency_and_units.csv", "charges", {}, 1_337),
        ("formats/strange_names.csv", 'région; "charges"', {}, 1_337),
    ],
)
def test_real_tables_become_training_sets(
    tables: Path, run: Declare, warehouse_url: str, table: str, target: str, given: dict[str, str], rows: int
) -> None:
    declared = run(tables / table, target, **given)
    assert prepare(warehouse_url, declared.problem) == rows
