"""The dashboards inside Airflow's web UI, in a real browser and by Airflow's own rights."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser, expect

from include.dashboards.pages import PAGES
from include.embedded.environment import airflow_environment
from include.settings import ROOT
from tests.dashboards.test_access import BODIES, VALUES
from tests.e2e.browser import Window, find_violations, log_in, measure_plots, open_browser
from tests.e2e.conftest import Bench

PLUGIN = "mltrain"
TRIP = "?input.pickup_zone=74&input.dropoff_zone=75&input.trip_distance=3.2&input.pickup_at=2024-03-15T18:30"
pytestmark = pytest.mark.usefixtures("main_job")
# Drawn from the main job's own data; the others wait for promotion, monitoring or failures.
DRAWN = {
    "overview": {"error_over_time", "error_per_run", "error_distribution", "runs_by_model", "share_of_runs"},
    "pipeline": {"runs_a_day", "runs_by_trigger", "task_durations", "reaction_times"},
    "training_run": {"error_by_trial", "models_compared", "parameters_of_trials", "slices"},
    "explainability": {"beeswarm", "mean_contributions", "why_this_prediction"},
    "data": {"raw_numbers", "raw_targets", "set_targets", "set_numbers", "set_hours"},
}
# Airflow's own code makes the token, for a person who is not in the stack's configuration.
MAKE_TOKEN = """
from airflow.api_fastapi.app import create_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
user = SimpleAuthManagerUser(username="watcher", role="viewer", teams=[])
print("token:" + create_auth_manager().generate_jwt(user))
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def window(browser: Browser, bench: Bench) -> Iterator[Window]:
    window = log_in(browser, bench.stack)
    yield window
    window.page.context.close()


def walk() -> Iterator[tuple[str, str, str]]:
    """Method, path and route of each route of the plugin."""
    from include.dashboards.app import create_app
    from include.dashboards.context import Sources

    app = create_app(lambda: None, Sources(lambda: "", lambda: None))  # type: ignore[arg-type,return-value]
    for route in app.routes:
        path = route.path  # type: ignore[attr-defined]
        for name, value in sorted(VALUES.items(), key=lambda item: -len(item[0])):
            path = path.replace(name, value)
        for method in route.methods:  # type: ignore[attr-defined]
            yield method, f"/{PLUGIN}{path}", route.path  # type: ignore[attr-defined]


def make_viewer(bench: Bench) -> dict[str, str]:
    """The header of a person with Airflow's role `viewer`."""
    made = subprocess.run(
        [sys.executable, "-c", MAKE_TOKEN],
        cwd=ROOT,
        env=os.environ | airflow_environment(bench.stack),
        capture_output=True,
        text=True,
        check=True,
    )
    token = re.search(r"token:(\S+)", made.stdout)
    assert token, made.stderr
    return {"Authorization": f"Bearer {token[1]}"}


def test_airflow_lets_viewers_look_but_not_act_and_strangers_not_in(bench: Bench) -> None:
    viewer = make_viewer(bench)
    with httpx.Client(base_url=bench.stack.airflow_address, timeout=60, trust_env=False) as client:
        for method, path, route in walk():
            body = BODIES.get(route, {})
            assert client.request(method, path, json=body).status_code == 401, path
            seen = client.request(method, path, json=body, headers=viewer).status_code
            assert seen in ((403,) if route == "/predict" else (200, 204, 307)), f"{method} {path}: {seen}"
    assert bench.api.post(f"/{PLUGIN}/predict", json=BODIES["/predict"]).status_code == 200


def test_runs_are_counted_as_airflow_counts_them(bench: Bench) -> None:
    def traces(chart: str) -> list[dict[str, Any]]:
        return bench.api.get(f"/{PLUGIN}/charts/{chart}", params={"days": 0}).json()["figure"]["data"]

    # Housekeeping would bury the rest.
    housekeeping = bench.get("dags/alert_maintenance/dagRuns")["total_entries"]
    total = bench.get("dags/~/dagRuns")["total_entries"] - housekeeping
    assert sum(sum(trace["y"]) for trace in traces("runs_a_day")) == total
    [pie] = traces("runs_by_trigger")
    started = dict(zip(pie["labels"], pie["values"], strict=True))
    assert sum(started.values()) == total
    assert started["asset event"] == bench.get("dags/~/dagRuns", run_type="asset_triggered")["total_entries"]
    [bars] = bench.api.get(f"/{PLUGIN}/charts/task_durations", params={"dag_id": "xgboost_training", "days": 0}).json()[
        "figure"
    ]["data"]
    assert {"tune gbtree.gamma", "train gbtree.gamma", "register"} <= set(bars["y"])


@pytest.mark.parametrize("page", [page for page in PAGES if page != "playground"])
def test_every_card_of_a_page_is_drawn(window: Window, page: str) -> None:
    frame = window.open(f"plugin/mltrain_{page}")
    shown = window.wait_for_cards(frame)
    assert "error" not in shown.values(), shown
    plots = measure_plots(frame)
    assert DRAWN[page] <= set(plots), f"not drawn: {DRAWN[page] - set(plots)} of {shown}"
    assert all(traces > 0 and covered > 0.5 for traces, covered in plots.values()), plots
    assert window.errors == []


def test_playground_predicts_a_trip_chosen_by_name(window: Window, bench: Bench) -> None:
    [(zone, name)] = bench.query("SELECT zone_id, name FROM raw.zones ORDER BY zone_id LIMIT 1")
    frame = window.open("plugin/mltrain_playground")
    frame.locator("[name=pickup_zone]").fill(f"{name} ({zone})")
    frame.locator("[name=dropoff_zone]").fill(str(zone))
    frame.locator("[name=trip_distance]").fill("3.2")
    frame.get_by_role("button", name="Predict").click()
    expect(frame.locator("#prediction")).to_contain_text(re.compile(r"\d minutes"))
    expect(frame.locator("#models .js-plotly-plot")).to_be_visible()
    expect(frame.locator("#contributions .js-plotly-plot")).to_be_visible()
    expect(frame.get_by_role("button", name="Predict")).to_be_enabled()
    assert f'"pickup_zone":{zone}' in frame.locator("#as-curl").inner_text()
    assert window.errors == []


def test_resized_and_hidden_charts_are_found_so_after_a_reload(window: Window, bench: Bench) -> None:
    assert bench.api.put(f"/{PLUGIN}/layouts/pipeline", json={}).status_code == 204
    frame = window.open("plugin/mltrain_pipeline")
    window.wait_for_cards(frame)
    card = frame.locator('.card[data-name="failed_runs"]')
    before = card.bounding_box()
    grip = card.locator(".grip")
    grip.scroll_into_view_if_needed()
    at = grip.bounding_box()
    assert before and at
    window.page.mouse.move(at["x"] + 8, at["y"] + 8)
    window.page.mouse.down()
    window.page.mouse.move(at["x"] + 8, at["y"] - 112, steps=5)
    with window.page.expect_response(lambda answer: "/layouts/" in answer.url) as kept:
        window.page.mouse.up()
    assert kept.value.status == 204
    frame.locator('.card[data-name="reaction_times"] h2').hover()
    with window.page.expect_response(lambda answer: "/layouts/" in answer.url):
        frame.locator('.card[data-name="reaction_times"] .hide').click()
    expect(frame.locator('.card[data-name="reaction_times"]')).to_be_hidden()
    window.page.reload()
    frame = window.page.frame_locator("iframe")
    window.wait_for_cards(frame)
    after = frame.locator('.card[data-name="failed_runs"]').bounding_box()
    assert after
    assert after["height"] == pytest.approx(before["height"] - 120, abs=2)
    expect(frame.locator('.card[data-name="reaction_times"]')).to_be_hidden()
    frame.locator("#reset-layout").click()
    expect(frame.locator('.card[data-name="reaction_times"]')).to_be_visible()


def test_run_and_dag_have_tabs_and_the_home_page_a_card(window: Window, bench: Bench) -> None:
    run = bench.get("dags/xgboost_training/dagRuns", limit=1, state=["success"])["dag_runs"][0]["dag_run_id"]
    frame = window.open(f"dags/xgboost_training/runs/{quote(run)}/plugin/mltrain_training_run_dag_run")
    assert window.wait_for_cards(frame)["error_by_trial"] == "figure"
    assert frame.locator("nav").is_hidden()
    frame = window.open("dags/xgboost_training/plugin/mltrain_pipeline_dag")
    assert window.wait_for_cards(frame)["task_durations"] == "figure"
    window.page.goto(window.address)
    expect(window.page.get_by_test_id("champion-card")).to_contain_text("Champion")
    assert window.errors == []


def test_theme_of_the_page_follows_the_one_around_it(browser: Browser, bench: Bench) -> None:
    window = log_in(browser, bench.stack, "dark")
    frame = window.open("plugin/mltrain_overview")
    expect(frame.locator("html")).to_have_class("dark")
    window.page.context.close()


# Colors depend on the theme, and what fits on the width.
@pytest.mark.parametrize(("theme", "width"), [("dark", 1440), ("light", 390)])
def test_pages_are_accessible_and_as_wide_as_the_window(browser: Browser, bench: Bench, theme: str, width: int) -> None:
    window = log_in(browser, bench.stack, theme, width)
    for page in PAGES:
        window.open_alone(page, TRIP if page == "playground" else "")
        assert find_violations(window.page) == [], page
        assert window.page.locator("h1").count() == 1
        # A page that is wider would be scrolled sideways, or cut.
        assert window.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, page
        for plot in window.page.locator(".js-plotly-plot").all():
            said = plot.locator("svg.main-svg[role=img]").first.get_attribute("aria-label")
            assert said, page
            assert re.search(r"\d", said), said
        if width < 900:
            assert window.page.locator(".modebar").count() == 0, "it would cover what is drawn"
    assert window.errors == []
    window.page.context.close()


def test_cards_are_moved_resized_explained_and_read_as_tables_by_keys(window: Window, bench: Bench) -> None:
    assert bench.api.put(f"/{PLUGIN}/layouts/overview", json={}).status_code == 204
    window.open_alone("overview")
    page = window.page
    names = "cards => cards.map(card => card.dataset.name)"
    before = page.locator("#cards .card").evaluate_all(names)
    second = page.locator("#cards .card").nth(1)
    second.locator(".handle").focus()
    with page.expect_response(lambda answer: "/layouts/" in answer.url) as kept:
        page.keyboard.press("ArrowUp")
    assert kept.value.status == 204
    assert page.locator("#cards .card").evaluate_all(names)[:2] == [before[1], before[0]]
    expect(page.locator("#said")).to_have_text(re.compile("position 1 of"))
    card = page.locator(f'.card[data-name="{before[1]}"]')
    height = card.evaluate("card => card.getBoundingClientRect().height")
    with page.expect_response(lambda answer: "/layouts/" in answer.url):
        page.keyboard.press("Shift+ArrowDown")
    assert card.evaluate("card => card.getBoundingClientRect().height") == height + 40
    chart = page.locator('.card[data-name="error_over_time"]')
    chart.locator(".explain").focus()
    page.keyboard.press("Enter")
    expect(chart.locator(".hint")).to_contain_text("Validation RMSE")
    chart.locator(".as-table").focus()
    page.keyboard.press("Enter")
    expect(chart.locator("table")).to_contain_text("validation RMSE, minutes")
    assert chart.locator("tbody tr").count() > 0
    page.keyboard.press("Enter")
    expect(chart.locator(".js-plotly-plot")).to_be_visible()
    assert bench.api.put(f"/{PLUGIN}/layouts/overview", json={}).status_code == 204


def test_link_in_a_cell_has_the_tone_of_the_cell(window: Window) -> None:
    window.open_alone("overview")
    colors = window.page.evaluate(
        """() => {
            const cell = document.querySelector("td");
            cell.innerHTML = '<a href="#">x</a>';
            return ["bad", "warn", "good", ""].map((tone) => {
                cell.className = tone;
                return [getComputedStyle(cell).color, getComputedStyle(cell.firstChild).color];
            });
        }"""
    )
    *toned, plain = colors
    assert all(cell == link for cell, link in toned)
    assert plain[0] != plain[1], "any other link stands out"


def test_zone_is_found_by_its_name_and_a_vague_one_is_told(window: Window, bench: Bench) -> None:
    zones = bench.query("SELECT name FROM raw.zones WHERE name LIKE %s ORDER BY zone_id", "%thetic 26%")
    assert zones[:2] == [("Synthetic 26",), ("Synthetic 260",)]
    window.open_alone("playground", TRIP)
    page = window.page
    page.locator("[name=pickup_zone]").fill("thetic 26")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#row-note")).to_contain_text("could be Synthetic 26 (26), Synthetic 260 (260), ")
    page.locator("[name=pickup_zone]").fill("synthetic 26")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("[name=pickup_zone]")).to_have_value("Synthetic 26 (26)")
    expect(page.locator("#row-note")).to_have_text("")
    assert window.errors == []


def test_point_of_a_chart_leads_to_its_run(window: Window) -> None:
    window.open_alone("overview")
    window.page.locator('.card[data-name="error_per_run"] .js-plotly-plot').evaluate(
        "plot => plot.emit('plotly_click', { points: [{ curveNumber: 0, pointNumber: 0 }] })"
    )
    window.page.wait_for_url(re.compile(r"/mltrain/training_run\?dag_id=[a-z_]+&run_id=."))
