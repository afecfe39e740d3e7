import json
import re
from textwrap import dedent

import pytest

from include.dashboards.app import create_app
from include.dashboards.context import Sources
from include.dashboards.drawing import charts
from include.dashboards.drawing.charts import CHARTS, charts_of
from include.dashboards.pages import PAGES
from include.errors import SettingsError
from include.problem.declaration import Problem
from include.problem.problem_file import read_problem
from include.settings import Settings
from tests.classified import COLUMNS, declare
from tests.dashboards.conftest import DEAD_WAREHOUSE, OpenSite, Site, find_person, store_trials

# With a time, as the first problem has one: pages leave out what a problem does not have.
DATED = declare("Yes", "No", positive="Yes", time="since", columns={**COLUMNS, "since": {"kind": "time"}})
UNUSABLE = "DRIFT_PSI must be a number, not 'much'."


def open_unusable(warehouse: str) -> Site:
    """The application where a setting cannot be used."""

    def read_settings() -> Settings:
        raise SettingsError(UNUSABLE)

    sources = Sources(lambda: warehouse, read_settings)
    return Site(create_app(find_person, sources), sources)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("problem", [read_problem("taxi"), DATED], ids=lambda problem: problem.name)
def test_page_stands_with_a_card_for_each_of_its_charts(
    open_site: OpenSite, warehouse_url: str, page: str, problem: Problem
) -> None:
    text = open_site(warehouse_url, problem=problem).visit().get(f"/{page}").text
    state = json.loads(re.search(r'<script id="state"[^>]*>(.*?)</script>', text, re.DOTALL)[1])
    shown = [chart for chart in CHARTS.values() if chart.page == page and problem.task in chart.tasks]
    assert [card["name"] for card in state["cards"]] == [chart.name for chart in shown]
    assert set(state["templates"]) == {"light", "dark"}


@pytest.mark.parametrize("name", [name for name, chart in CHARTS.items() if chart.page != "pipeline"])
@pytest.mark.parametrize("problem", [read_problem("taxi"), DATED], ids=lambda problem: problem.name)
def test_chart_without_data_says_what_to_do(
    open_site: OpenSite, warehouse_url: str, name: str, problem: Problem
) -> None:
    answer = open_site(warehouse_url, problem=problem).answer(name)
    # What stands in MLflow, which is away here, is told as an error.
    if answer["kind"] == "error":
        assert answer["text"].startswith("MLflow at http://127.0.0.1:9 could not")
    else:
        assert (answer["kind"], answer["text"]) == ("empty", CHARTS[name].empty)


@pytest.mark.parametrize("name", [name for name, chart in CHARTS.items() if chart.page == "pipeline"])
def test_chart_of_runs_outside_airflow_says_so(site: Site, name: str) -> None:
    answer = site.answer(name)
    assert answer == {"kind": "error", "text": "Runs are only available when the dashboards run inside Airflow."}


def test_dead_warehouse_shows_in_its_cards_and_the_page_stands(open_site: OpenSite) -> None:
    site = open_site()
    for page in PAGES:
        assert site.visit().get(f"/{page}").status_code == 200
    answer = site.answer("runs_by_model")
    assert answer["kind"] == "error"
    assert "The warehouse could not be reached" in answer["text"]
    assert "nothing@" not in answer["text"]


def test_summary_says_what_is_unavailable(open_site: OpenSite) -> None:
    facts = {fact["label"]: fact for fact in open_site().visit().get("/summary").json()["facts"]}
    assert facts["Champion"]["detail"] == "MLflow is unavailable"
    assert facts["Last training"]["detail"] == "the warehouse is unavailable"


@pytest.mark.parametrize("page", PAGES)
def test_setting_that_cannot_be_used_is_named_on_every_page(page: str) -> None:
    answer = open_unusable(DEAD_WAREHOUSE).visit().get(f"/{page}")
    assert (answer.status_code, answer.json()) == (503, {"detail": UNUSABLE})


def test_summary_blames_no_server_for_a_setting_that_cannot_be_used(warehouse_url: str) -> None:
    facts = open_unusable(warehouse_url).visit().get("/summary").json()["facts"]
    assert [fact["detail"] for fact in facts] == [UNUSABLE, UNUSABLE]


def test_chart_that_fails_says_so_without_the_reason(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(rows: charts.Rows) -> None:
        raise ZeroDivisionError("an inner secret")

    broken = charts.Chart("broken", "overview", "Broken", "SELECT 1 AS one", fail, empty="")  # type: ignore[arg-type]
    monkeypatch.setitem(CHARTS, "broken", broken)
    answer = site.answer("broken")
    assert answer["kind"] == "error"
    assert "secret" not in answer["text"]


def test_hint_of_a_card_calls_the_error_by_its_name() -> None:
    hints = {name: chart.describe(read_problem("taxi")) for name, chart in CHARTS.items()}
    assert hints["models_in_use"].startswith("RMSE of the champion and of other models, each compared with it")
    assert hints["slices"].startswith("Validation RMSE of the best model by slice of the rows")
    assert "inside the 90 % intervals" in hints["champion_error"]
    assert CHARTS["models_in_use"].describe(DATED).startswith("Log loss of the champion")
    assert "inside the 90 % label sets" in CHARTS["champion_error"].describe(DATED)
    assert not any("{" in hint for hint in hints.values())


def test_example_of_a_chart_in_the_documentation_works(site: Site, warehouse_url: str) -> None:
    store_trials(warehouse_url, "sklearn_training/a", "linear_model.Lasso", [6.0, 5.0])
    code = dedent(re.search(r"\n(    @chart.*?)\n\n[A-Z]", charts.__doc__ or "", re.DOTALL)[1])
    names: dict = {}
    exec("from include.dashboards.drawing.charts import *; from include.dashboards.drawing.figures import *", names)
    exec(code, names)
    try:
        assert site.answer("trials_a_day")["figure"]["data"][0]["y"] == [2]
    finally:
        del CHARTS["trials_a_day"]


def test_filters_of_the_query_string_are_chosen_in_the_page(site: Site) -> None:
    text = site.visit().get("/overview?days=90&model=linear_model.Lasso&unknown=1").text
    assert '<option value="90" selected>' in text
    assert "<option selected>linear_model.Lasso</option>" in text


def test_filter_that_makes_no_sense_is_refused_by_name(site: Site) -> None:
    answer = site.visit().get("/overview?days=-1")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "days"]


def test_plotly_is_served_from_the_installed_package_and_nothing_comes_from_elsewhere(site: Site) -> None:
    script = site.visit().get("/static/plotly.js")
    assert script.headers["content-encoding"] == "gzip"
    assert "plotly.js v" in script.text[:200]
    for page in PAGES:
        answer = site.visit().get(f"/{page}")
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', answer.text)
        assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_layout_is_kept_for_each_person_and_page(site: Site) -> None:
    sizes = {"runs_by_model": {"columns": 9, "height": 500}}
    layout = {"order": ["runs_by_model"], "hidden": ["live_error"], "sizes": sizes}
    assert site.visit("viewer").put("/layouts/overview", json=layout).status_code == 204

    def kept(person: str, page: str) -> dict:
        text = site.visit(person).get(f"/{page}").text
        return json.loads(re.search(r'<script id="state"[^>]*>(.*?)</script>', text, re.DOTALL)[1])["layout"]

    empty = {"order": [], "hidden": [], "sizes": {}}
    assert kept("viewer", "overview") == layout
    assert kept("viewer", "data") == empty
    assert kept("admin", "overview") == empty


@pytest.mark.parametrize(
    "layout",
    [
        {"sizes": {"a": {"columns": 13, "height": 300}}},
        {"order": ["<script>"]},
        {"order": ["a"] * 61},
        {"more": 1},
    ],
)
def test_layout_that_makes_no_sense_is_refused(site: Site, layout: dict) -> None:
    assert site.visit().put("/layouts/overview", json=layout).status_code == 422


def test_state_in_the_page_cannot_end_its_script(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    chart = charts.Chart("odd", "overview", "</script><b>", "SELECT 1", lambda rows: None, empty="")  # type: ignore[arg-type,return-value]
    monkeypatch.setitem(CHARTS, "odd", chart)
    assert "</script><b>" not in site.visit().get("/overview").text


def test_a_page_leaves_out_what_a_problem_does_not_have() -> None:
    without_time = Problem(name="notes", source="file:///notes.csv", target="price", columns={"text": {"kind": "text"}})  # type: ignore[call-arg]
    shown = {chart.name for chart in charts_of("data", without_time)}
    of_numbers = {chart.name for chart in charts_of("data", read_problem("taxi"))}
    assert of_numbers - shown == {"raw_numbers", "set_numbers", "set_hours"}
    assert shown < of_numbers


def test_page_shows_targets_as_numbers_or_as_classes() -> None:
    of_classes, of_numbers = (
        {chart.name: chart.title for chart in charts_of("data", problem)} for problem in (DATED, read_problem("taxi"))
    )
    assert of_classes.keys() ^ of_numbers.keys() == {"raw_targets", "set_targets", "raw_classes", "set_classes"}
    assert of_classes["raw_classes"] == of_numbers["raw_targets"]
    assert of_classes["set_classes"] == of_numbers["set_targets"]


def test_pages_offer_the_model_types_of_their_task(open_site: OpenSite, warehouse_url: str) -> None:
    def list_offered(problem: Problem) -> list[str]:
        text = open_site(warehouse_url, problem=problem).visit().get("/overview").text
        return re.findall(r"<option >([a-z_]+\.[A-Za-z]+)</option>", text)

    of_classes, of_numbers = list_offered(DATED), list_offered(read_problem("taxi"))
    assert {"gbtree.logistic", "linear_model.LogisticRegression"} <= {*of_classes}
    assert {"gbtree.squarederror", "linear_model.Lasso"} <= {*of_numbers}
    assert not {*of_classes} & {*of_numbers}
    assert "gbtree.softprob" not in of_classes, "of two classes"
