"""The playground's form in a real browser."""

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from include.problem.declaration import Problem
from tests.dashboards.browsing import ADDRESS, open_page
from tests.dashboards.conftest import OpenSite

# A browser is opened for each.
pytestmark = pytest.mark.slow
# A list of form elements has a `length` and an `item` of its own, and pages have a filter `days`.
COLUMNS: dict[str, Any] = {
    "length": {"kind": "number", "required": True, "example": 12},
    "item": {"kind": "category", "example": "chair"},
    "days": {"kind": "number", "description": "An estimate"},
}
PARCELS = Problem(name="parcels", source="file:///parcels.csv", target="weight", columns=COLUMNS)


@pytest.fixture
def page(open_site: OpenSite) -> Iterator[Page]:
    """A page of the browser; the warehouse and MLflow are away."""
    with open_page(open_site(problem=PARCELS).visit()) as page:
        yield page


def read_request(page: Page) -> Any:
    """The body that the shown curl command sends, as a shell reads it."""
    words = shlex.split(page.locator("#as-curl").inner_text(), comments=True)
    return json.loads(words[words.index("-d") + 1])["conf"]["inputs"]


def test_row_is_read_and_spelled_for_a_shell_whatever_its_columns_and_values_are(page: Page) -> None:
    page.goto(f"{ADDRESS}/playground?input.item=King's+stool")
    expect(page.locator("[name=item]")).to_have_value("King's stool")
    page.locator("[name=length]").fill("3")
    page.locator("[name=days]").fill("2.5")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#row-note")).to_contain_text("MLflow", timeout=60_000)
    assert read_request(page) == [{"length": 3, "item": "King's stool", "days": 2.5}]
    page.reload()
    expect(page.locator("[name=days]")).to_have_value("2.5")


def test_field_says_what_it_is_for_without_a_mouse(page: Page) -> None:
    page.goto(f"{ADDRESS}/playground")
    expect(page.get_by_text("An estimate.")).to_be_visible()
    expect(page.locator("[name=days]")).to_have_accessible_description(re.compile("An estimate"))


def test_each_warning_is_seen(page: Page) -> None:
    warnings = [f"days is odd in the way {number}" for number in range(5)]
    answer = {"facts": [{"label": "v1", "value": "3", "detail": "", "tone": "", "to": ""}], "warnings": warnings}
    page.route("**/predict", lambda route: route.fulfill(json={**answer, "models": None, "contributions": None}))
    page.goto(f"{ADDRESS}/playground")
    page.locator("[name=length]").fill("3")
    page.get_by_role("button", name="Predict").click()
    card = page.locator("#prediction").bounding_box()
    notes = [page.get_by_text(warning).bounding_box() for warning in warnings]
    assert card and all(notes)
    assert all(note["y"] + note["height"] <= card["y"] + card["height"] for note in notes if note)


def test_prediction_after_a_failed_one_does_not_look_failed(page: Page) -> None:
    held: list[Route] = []
    page.route("**/predict", lambda route: held.append(route))
    page.goto(f"{ADDRESS}/playground")
    note, button = page.locator("#row-note"), page.get_by_role("button", name="Predict")
    page.locator("[name=length]").fill("3")
    with page.expect_request("**/predict"):
        button.click()
    held[0].abort()
    expect(note).to_have_class("bad")
    with page.expect_request("**/predict"):
        button.click()
    expect(note).to_have_class("busy")
    held[1].abort()
