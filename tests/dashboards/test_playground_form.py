"""The playground's form in a real browser, which the application answers without a server."""

import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from include.problem.declaration import Problem
from tests.dashboards.conftest import OpenSite
from tests.e2e.browser import open_browser

ADDRESS = "http://dashboards.test"
# A list of form elements has a `length` and an `item` of its own.
COLUMNS: dict[str, Any] = {
    "length": {"kind": "number", "required": True, "example": 12},
    "item": {"kind": "category", "example": "chair"},
}
PARCELS = Problem(name="parcels", source="file:///parcels.csv", target="weight", columns=COLUMNS)


@pytest.fixture
def page(open_site: OpenSite) -> Iterator[Page]:
    """A page of the browser; the warehouse and MLflow are away."""
    client = open_site(problem=PARCELS).visit()

    def answer(route: Route) -> None:
        asked = route.request
        path = asked.url.removeprefix(ADDRESS)
        found = client.request(asked.method, path, content=asked.post_data_buffer)
        headers = {name: value for name, value in found.headers.items() if name != "content-encoding"}
        route.fulfill(status=found.status_code, headers=headers, body=found.content)

    with open_browser() as browser:
        page = browser.new_page()
        page.route("**/*", answer)
        yield page


def read_request(page: Page) -> Any:
    """The body that the shown curl command sends, as a shell reads it."""
    words = shlex.split(page.locator("#as-curl").inner_text(), comments=True)
    return json.loads(words[words.index("-d") + 1])["conf"]["inputs"]


def test_row_is_read_and_spelled_for_a_shell_whatever_its_columns_and_values_are(page: Page) -> None:
    page.goto(f"{ADDRESS}/playground?item=King's+stool")
    expect(page.locator("[name=item]")).to_have_value("King's stool")
    page.locator("[name=length]").fill("3")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#row-note")).to_contain_text("MLflow", timeout=60_000)
    assert read_request(page) == [{"length": 3, "item": "King's stool"}]
