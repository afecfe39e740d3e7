from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute

from include.dashboards.drawing.charts import CHARTS
from include.dashboards.pages import PAGES
from include.warehouse import connect
from tests.dashboards.conftest import Site, store_trials

TRIP = {"pickup_zone": 1, "dropoff_zone": 2, "trip_distance": 1.5}
VALUES = {
    "{page}": "overview",
    "{name}": "runs_by_model",
    "{path:path}": "page.css",
    "/options/{name}": "/options/runs",
}
BODIES = {"/predict": TRIP, "/layouts/{page}": {}}


def walk(site: Site) -> Iterator[tuple[str, str, str]]:
    """Method, path and route of everything that the application answers."""
    for route in site.app.routes:
        assert isinstance(route, APIRoute), f"{route} would be open to everyone"
        for method in route.methods or ():
            path = route.path
            for name, value in sorted(VALUES.items(), key=lambda item: -len(item[0])):
                path = path.replace(name, value)
            yield method, path, route.path


def test_every_route_answers_401_to_who_is_not_logged_in(site: Site) -> None:
    routes = list(walk(site))
    assert len(routes) >= 8
    for method, path, _ in routes:
        assert site.visit(None).request(method, path, json={}).status_code == 401, path


def test_every_route_answers_403_to_who_may_read_no_dag(site: Site) -> None:
    for method, path, _ in walk(site):
        assert site.visit("nobody").request(method, path, json={}).status_code == 403, path


def test_viewer_sees_every_page_and_may_not_act(site: Site) -> None:
    for method, path, route in walk(site):
        answer = site.visit("viewer").request(method, path, json=BODIES.get(route), follow_redirects=False)
        wanted = (403,) if route == "/predict" else (200, 204, 307)
        assert answer.status_code in wanted, f"{method} {path}: {answer.status_code} {answer.text}"


@pytest.mark.parametrize("path", ["charts/nothing", "options/nothing", "nothing", "static/nothing.js"])
def test_what_is_not_there_answers_404(site: Site, path: str) -> None:
    assert site.visit().get(f"/{path}").status_code == 404


@pytest.mark.parametrize("path", ["..%2Fapp.py", "%2Fetc%2Fpasswd", "../app.py", "icons/../../app.py", "icons"])
def test_static_files_outside_their_directory_are_not_served(site: Site, path: str) -> None:
    assert site.visit().get(f"/static/{path}").status_code == 404


def test_person_sees_only_runs_of_dags_that_may_be_read(site: Site, warehouse_url: str) -> None:
    store_trials(warehouse_url, "sklearn_training/a", "linear_model.Lasso", [6.0])
    store_trials(warehouse_url, "xgboost_training/b", "gbtree.gamma", [5.0])
    everything = site.answer("runs_by_model")["figure"]["data"][0]["y"]
    readable = site.answer("runs_by_model", "sklearn")["figure"]["data"][0]["y"]
    assert (sorted(everything), readable) == (["Lasso", "gbtree.gamma"], ["Lasso"])
    assert site.answer("error_by_trial", "sklearn", dag_id="xgboost_training", run_id="b")["kind"] == "empty"
    offered = site.visit("sklearn").get("/options/runs").json()["options"]
    assert [value for value, _ in offered] == ["sklearn_training/a"]


def test_card_about_a_dag_that_may_not_be_read_says_so(site: Site) -> None:
    answer = site.answer("training_set_rows", "sklearn")
    assert answer == {"kind": "empty", "text": "This card shows runs of data_preparation, which you may not read."}


def test_months_are_offered_to_who_may_see_the_data(site: Site, warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        connection.execute(
            "INSERT INTO raw.sources (month, location, sha256, columns, reading, rows)"
            " VALUES ('2024-01', 'somewhere', '', '{}', '', 1)"
        )
    offered = {person: site.visit(person).get("/options/months").json() for person in ("viewer", "sklearn")}
    assert offered["viewer"] == {"options": [["2024-01", "2024-01"]], "chosen": "2024-01"}
    assert offered["sklearn"] == {"options": [], "chosen": ""}


def test_every_chart_belongs_to_a_page(site: Site) -> None:
    assert {chart.page for chart in CHARTS.values()} == set(PAGES) - {"playground"}


def test_filters_do_not_reach_sql_as_text(site: Site, warehouse_url: str) -> None:
    store_trials(warehouse_url, "sklearn_training/a", "linear_model.Lasso", [6.0])
    for chart in ("runs_by_model", "error_by_trial", "raw_profile"):
        assert site.answer(chart, model="' OR true --", month="' OR true --", days=7)["kind"] == "empty"
