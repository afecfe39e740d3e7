"""The pages of a problem of classes name them."""

from pathlib import Path

import pytest
from psycopg.types.json import Jsonb

from include.dashboards.reading.raw_profiles import read_profile
from include.problem.declaration import Problem
from include.raw.tables import ensure_columns
from include.settings import Settings
from include.warehouse import connect, create_partition
from tests.classified import COLUMNS, LEAVING, make_customers
from tests.dashboards.conftest import OpenSite
from tests.published_sets import publish_set
from tests.rentals import RENTALS


def store_customers(url: str) -> None:
    """A source of customers, of whose target the first is not known."""
    ensure_columns(url, LEAVING)
    with connect(url) as connection:
        create_partition(connection, "raw", "rows", "all", "month", "all")
        connection.execute(
            "INSERT INTO raw.sources (month, location, sha256, columns, reading, rows, rules)"
            " VALUES ('all', 'file:///customers', 'x', '{}', '', 5, 'rules')"
        )
        connection.cursor().executemany(
            "INSERT INTO raw.rows (month, row_number, tenure, target) VALUES ('all', %s, %s, %s)",
            [(at, 10.0 * at, target) for at, target in enumerate((None, 1.0, 0.0, 1.0, 1.0))],
        )


def test_target_of_loaded_rows_is_told_by_class(open_site: OpenSite, warehouse_url: str) -> None:
    store_customers(warehouse_url)
    site = open_site(warehouse_url, problem=LEAVING)
    assert read_profile(site.context()) == read_profile(site.context()), "kept"
    [target] = [row for row in site.answer("raw_profile")["rows"] if row[0] == "target"]
    assert target[1:3] == ["category", "5"]
    assert (target[3]["text"], target[4:]) == ("1", ["2", "", "", "", "", "Yes"])
    drawn = site.answer("raw_classes")["figure"]["data"][0]
    assert (drawn["x"], drawn["y"]) == (["No", "Yes"], [1, 3])


def test_month_is_profiled_again_when_its_target_is_one_of_classes_now(open_site: OpenSite, warehouse_url: str) -> None:
    store_customers(warehouse_url)
    of_numbers = Problem(**{**RENTALS.to_dict(), "columns": COLUMNS, "time": None})
    assert open_site(warehouse_url, problem=of_numbers).answer("raw_targets")["kind"] == "figure"
    assert open_site(warehouse_url, problem=LEAVING).answer("raw_classes")["kind"] == "figure"


def test_cards_show_what_was_made_before_there_were_classes(open_site: OpenSite, warehouse_url: str) -> None:
    store_customers(warehouse_url)
    with connect(warehouse_url) as connection:
        connection.execute("UPDATE raw.rows SET target = 17.5 WHERE target = 1")
        connection.execute(
            "INSERT INTO training.sets (state, months, declaration, settings, sources, left_out, published_at,"
            " baselines) VALUES ('published', '{all}', '{}', '{}', '{}', '[]', now(), %s)",
            [Jsonb([{"name": "mean", "value": 3, "lag": None, "errors": {"validation": {"rmse": 2, "mae": 1}}}])],
        )
    site = open_site(warehouse_url, problem=LEAVING)
    [target] = [row for row in site.answer("raw_profile")["rows"] if row[0] == "target"]
    assert target[-1] == "17.5"
    assert site.answer("raw_classes")["figure"]["data"][0]["x"] == ["No", "18"]
    assert site.answer("baselines")["rows"] == [["mean", "validation", "", ""]]


def test_classes_of_the_newest_set_are_counted_by_split(open_site: OpenSite, warehouse_url: str) -> None:
    figures = {"target": {"count": 4, "distinct": 2, "frequent": {"Yes": 3, "No": 1}}}
    with connect(warehouse_url) as connection:
        [version] = connection.execute(
            "INSERT INTO training.sets (state, months, validation_from, declaration, settings, sources, left_out,"
            " published_at, statistics) VALUES ('published', '{all}', '2024-01-20', '{}', '{}', '{}', '[]', now(), %s)"
            " RETURNING version",
            [Jsonb(figures)],
        ).fetchone() or [0]
        connection.execute(
            f"CREATE TABLE training.examples_{version} AS SELECT * FROM (VALUES ('train', 0.0::float8), ('train', 1.0),"
            " ('train', 1.0), ('train', 1.0), ('test', 0.0)) AS e (split, target)".encode()
        )
    site = open_site(warehouse_url, problem=LEAVING)
    drawn = {each["name"]: (each["x"], each["y"]) for each in site.answer("set_classes")["figure"]["data"]}
    assert drawn == {"train": (["No", "Yes"], [25, 75]), "test": (["No"], [100])}
    [target] = site.answer("set_profile")["rows"]
    assert (target[0], target[1], target[-1]) == ("target", "category", "Yes (75.0%)")


def test_classes_of_a_published_set_are_named_however_rare(
    open_site: OpenSite, warehouse_url: str, tmp_path: Path
) -> None:
    frame = make_customers(LEAVING, 3_000)
    frame = frame[(frame["Left"] == "No") | (frame.index % 20 == 0)]
    frame.to_csv(tmp_path / "customers.csv", index=False)
    settings = Settings(problem=LEAVING, minimum_rows=20).change(source=(tmp_path / "customers.csv").as_uri())
    publish_set(warehouse_url, settings)
    site = open_site(warehouse_url, problem=settings.problem)
    [loaded] = site.answer("raw_classes")["figure"]["data"]
    assert (set(loaded["x"]), sum(loaded["y"])) == ({"No", "Yes"}, len(frame))
    bars = site.answer("set_classes")["figure"]["data"]
    assert {bar["name"] for bar in bars} == {"train", "validation", "test"}
    for bar in bars:
        assert (set(bar["x"]), sum(bar["y"])) == ({"No", "Yes"}, pytest.approx(100))
    for chart in ("raw_profile", "set_profile"):
        [row] = [row for row in site.answer(chart)["rows"] if "target" in str(row[0])]
        assert "No" in str(row[-1])
