"""The pages of a problem of classes name them."""

from pathlib import Path

import pytest

from include.dashboards.app import create_app
from include.dashboards.context import Sources
from include.dashboards.reading.raw_profiles import read_profile
from include.problem.declaration import Problem
from include.settings import Settings
from tests.classified import LEAVING, make_customers
from tests.dashboards.conftest import NOWHERE, Site, find_person
from tests.published_sets import publish_set


@pytest.fixture
def classes(warehouse_url: str, tmp_path: Path) -> Site:
    """The application on a warehouse with a training set of two classes, one of them rare."""
    frame = make_customers(LEAVING, 3_000)
    frame = frame[(frame["Left"] == "No") | (frame.index % 20 == 0)]
    frame.to_csv(tmp_path / "customers.csv", index=False)
    problem = Problem(**LEAVING.model_dump(by_alias=True) | {"source": (tmp_path / "customers.csv").as_uri()})
    settings = Settings(problem=problem, mlflow_tracking_uri=NOWHERE, registered_model="leaving", minimum_rows=20)  # type: ignore[arg-type]
    publish_set(warehouse_url, settings)
    sources = Sources(lambda: warehouse_url, lambda: settings)
    return Site(create_app(find_person, sources), sources)


def test_loaded_classes_are_counted_by_name(classes: Site) -> None:
    target = read_profile(classes.context())[-1]
    assert (target["type"], read_profile(classes.context())[-1]) == ("category", target), "kept"
    [bars] = classes.answer("raw_classes")["figure"]["data"]
    assert set(bars["x"]) == {"No", "Yes"}
    assert sum(bars["y"]) == target["rows"]


def test_classes_of_a_set_are_bars_by_name_however_rare(classes: Site) -> None:
    drawn = classes.answer("set_classes")["figure"]
    assert {bar["name"] for bar in drawn["data"]} == {"train", "validation", "test"}
    for bar in drawn["data"]:
        assert set(bar["x"]) == {"No", "Yes"}
        assert sum(bar["y"]) == pytest.approx(100)


def test_tables_of_columns_show_the_most_frequent_class(classes: Site) -> None:
    for chart in ("raw_profile", "set_profile"):
        [row] = [row for row in classes.answer(chart)["rows"] if "target" in str(row[0])]
        assert "No" in str(row[-1])
