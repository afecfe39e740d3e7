"""Cards and their charts in a real browser."""

import json
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect
from plotly.graph_objects import Figure, Parcoords

from include.dashboards.drawing.figures import figure, stacked_bars
from include.dashboards.pages import data, data_sets
from include.dashboards.pages.explainability import waterfall
from include.models.explanation import Explanation
from include.settings import Settings
from tests.dashboards.browsing import ADDRESS, open_page
from tests.dashboards.conftest import OpenSite

Key = Literal["Control", "Shift"]
# A browser is opened for each.
pytestmark = pytest.mark.slow
PROBLEM = Settings().problem  # type: ignore[call-arg]
LINK = "<a href='https://evil.example'>reset</a>"
TAGS = "a<b>c<br>&lt;d&amp;"
DRAW = """async (figure) => {
    const { drawFigure } = await import("/static/page.js");
    const { tabulate } = await import("/static/alternatives.js");
    document.body.innerHTML = "<div style='width: 900px; height: 500px'></div>";
    await drawFigure(document.body.firstChild, figure, "drawn");
    return tabulate(figure).rows.flat();
}"""


@pytest.fixture
def page(open_site: OpenSite) -> Iterator[Page]:
    """A page of the browser; the warehouse and MLflow are away."""
    with open_page(open_site().visit()) as page:
        page.goto(f"{ADDRESS}/training_run")
        yield page


def draw(page: Page, figure: Figure) -> Any:
    """Draws a figure; gives its table's cells."""
    return page.evaluate(DRAW, json.loads(figure.to_json()))


def point_at(page: Page, point: int) -> None:
    """Points at a point of the first trace."""
    hover = "(plot, point) => Plotly.Fx.hover(plot, [{ curveNumber: 0, pointNumber: point }])"
    page.locator(".js-plotly-plot").evaluate(hover, point)


def test_steps_of_a_prediction_are_drawn_with_the_letters_of_their_values(page: Page) -> None:
    explanation = Explanation(("place", "kind"), np.array([[2.0, 1.0]]), np.array([10.0]), "minutes")
    cells = draw(page, waterfall(explanation, 0, {"place": LINK, "kind": TAGS}, "minutes"))
    assert {f"place = {LINK}", f"kind = {TAGS}"} <= set(cells)
    plot = page.locator(".js-plotly-plot")
    for text in (LINK, TAGS):
        expect(plot.locator(".xtick tspan.line", has_text=f"= {text}")).to_have_count(1)
    point_at(page, 1)
    expect(plot.locator(".hoverlayer")).to_have_text(f"place = {LINK}: +2 minutes")
    expect(plot.locator("a[*|href*=evil], [style*=bold]")).to_have_count(0)


def test_parts_of_bars_are_named_with_the_letters_of_their_names(page: Page) -> None:
    rows = [{"x": TAGS, "y": 1, "part": LINK}, {"x": TAGS, "y": 2, "part": TAGS}]
    cells = draw(page, stacked_bars(rows, "x", "y", "part", colors={}))
    assert cells == [LINK, TAGS, "1", TAGS, TAGS, "2"]
    plot = page.locator(".js-plotly-plot")
    assert sorted(plot.locator(".legendtext").all_text_contents()) == [LINK, TAGS]
    point_at(page, 0)
    expect(plot.locator(".hoverlayer")).to_have_text(f"{LINK}, {TAGS}: 1")


def test_bars_of_a_share_say_where_they_are(page: Page) -> None:
    loaded = [{"column": "target", "low": 0.0, "width": 0.0225, "bar": bar, "rows": 3} for bar in (1, 2)]
    draw(page, data.raw_targets(loaded, PROBLEM))
    hover = page.locator(".hoverlayer")
    for point, told in enumerate(("0.01125: 3 trips", "0.03375: 3 trips")):
        point_at(page, point)
        expect(hover).to_have_text(told)
    of_set = [{"split": "train", "low": 1234.5 + low, "width": 1.0, "share": 0.5} for low in (0, 1)]
    draw(page, data_sets.set_targets(of_set, PROBLEM))
    point_at(page, 1)
    expect(hover).to_contain_text("train, from 1,236: 50.0 %")


@pytest.mark.parametrize("key", ["Control", "Shift"])
def test_link_to_a_run_opened_elsewhere_leaves_the_page_as_it_is(page: Page, key: Key) -> None:
    page.evaluate("document.body.innerHTML = '<iframe src=/training_run></iframe>'")
    frame = page.frame_locator("iframe")
    frame.locator("#cards").wait_for()
    frame.locator("body").evaluate("""async (body) => {
        const { airflowLink } = await import("/static/elements.js");
        body.replaceChildren(airflowLink("a run", "/dags/d/runs/r"));
    }""")
    link = frame.get_by_text("a run")
    link.click(modifiers=[key])
    assert page.url == f"{ADDRESS}/training_run"
    link.click()
    assert page.url == f"{ADDRESS}/dags/d/runs/r"


def test_axes_of_parallel_coordinates_are_named_with_the_letters_of_their_names(page: Page) -> None:
    named = {"label": TAGS, "values": [0, 1], "tickvals": [0, 1], "ticktext": [LINK, TAGS]}
    cells = draw(page, figure([Parcoords(dimensions=[named, {"label": "loss", "values": [5, 6]}])]))
    assert cells == [LINK, "5", TAGS, "6"]
    drawn = page.locator(".parcoords text").all_text_contents()
    assert (drawn.count(TAGS), drawn.count(LINK)) == (2, 1)


def test_live_card_is_drawn_again_once_the_server_is_back_with_the_same_answer(page: Page) -> None:
    is_away = False

    def answer(route: Route) -> None:
        if is_away:
            route.abort()
        else:
            route.fulfill(json={"kind": "table", "columns": ["trial"], "rows": [["seven"]]})

    page.clock.install()
    page.route("**/charts/run_facts*", answer)
    page.reload()
    card = page.locator('[data-name="run_facts"]')
    expect(card).to_have_attribute("data-state", "table")
    is_away = True
    page.clock.run_for(4000)
    expect(card).to_have_attribute("data-state", "error")
    is_away = False
    page.clock.run_for(4000)
    expect(card).to_have_attribute("data-state", "table")
    expect(card).to_contain_text("seven")


def test_times_among_numbers_stand_right_and_a_column_of_times_stands_left(page: Page) -> None:
    stands = """async () => {
        const { table } = await import("/static/elements.js");
        const rows = [["2024-01-02", "2024-01-02 18:00", "a"], ["2024-01-03", "5.39", "b"]];
        const drawn = table(["when", "median", "why"], rows);
        document.body.replaceChildren(drawn);
        return [...document.querySelectorAll("th")].map((head) => head.className);
    }"""
    assert page.evaluate(stands) == ["", "number", ""]
