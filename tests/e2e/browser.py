"""A real browser that is logged in to Airflow, and what a person would look for on the pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FrameLocator, Page, expect, sync_playwright

from include.embedded.stack import Stack

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Software rendering, for machines without a graphics card; no sandbox, because tests may run as root.
ARGUMENTS = ["--no-sandbox", "--enable-unsafe-swiftshader"]
MILLISECONDS_TO_DRAW = 300_000
NARROWEST_DESKTOP = 600
CARD = "#cards .card:not([hidden])"


def find_browser() -> str:
    """The browser's program; skips without one."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        pytest.skip("no Chromium on this machine; Debian: apt-get install chromium")
    return found


@dataclass
class Window:
    """One page of the browser, and the errors that its console showed."""

    page: Page
    address: str
    errors: list[str] = field(default_factory=list)

    def open_alone(self, page: str, query: str = "") -> None:
        """Loads one of our pages without Airflow's around it, and waits until it is drawn."""
        self.page.goto(f"{self.address}/mltrain/{page}{query}")
        if page == "playground":
            self.page.locator("#models .js-plotly-plot").wait_for()
            return
        self.page.locator(CARD).first.wait_for()
        self.page.wait_for_function(f"() => [...document.querySelectorAll('{CARD}')].every(card => card.dataset.state)")

    def open(self, path: str) -> FrameLocator:
        """Loads a path of Airflow's web UI; the frame that one of our pages stands in."""
        self.page.goto(f"{self.address}/{path}")
        return self.page.frame_locator("iframe")

    def wait_for_cards(self, frame: FrameLocator) -> dict[str, str]:
        """Waits until each card shows something: card -> figure, table, facts, empty or error."""
        cards = frame.locator(CARD)
        cards.first.wait_for(timeout=MILLISECONDS_TO_DRAW)
        shown = {}
        for card in cards.all():
            card.and_(frame.locator("[data-state]")).wait_for(timeout=MILLISECONDS_TO_DRAW)
            name, state = card.get_attribute("data-name"), card.get_attribute("data-state")
            assert name and state
            shown[name] = state
        return shown


@contextmanager
def open_browser() -> Iterator[Browser]:
    """The machine's Chromium."""
    program = find_browser()
    expect.set_options(timeout=MILLISECONDS_TO_DRAW)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


def log_in(browser: Browser, stack: Stack, theme: str = "light", width: int = 1440) -> Window:
    """A window of Airflow's administrator; a narrow one is a phone's, which is touched."""
    is_phone = width < NARROWEST_DESKTOP
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=theme,  # type: ignore[arg-type]
        has_touch=is_phone,
        is_mobile=is_phone,
    )
    context.set_default_timeout(MILLISECONDS_TO_DRAW)
    window = Window(context.new_page(), stack.airflow_address)
    window.page.on("console", lambda message: window.errors.append(message.text) if message.type == "error" else None)
    window.page.on("pageerror", lambda error: window.errors.append(str(error)))
    window.page.goto(f"{window.address}/auth/login")
    window.page.fill("input[name=username]", stack.settings.admin_user)
    window.page.fill("input[name=password]", stack.credentials.admin_password)
    window.page.click("button[type=submit]")
    window.page.wait_for_url(lambda url: "/auth/" not in url)
    return window


def find_violations(page: Page) -> list[str]:
    """What axe-core finds wrong with the page: rule, how grave, and where first."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']} ({each['impact']}): {each['nodes'][0]['html'][:200]}" for each in found]


def measure_plots(frame: FrameLocator) -> dict[str, tuple[int, float]]:
    """Card -> how many traces its figure holds, and how much of the card it covers, 0 to 1."""
    return {
        str(card.get_attribute("data-name")): tuple(
            card.evaluate(
                """card => {
                    const plot = card.querySelector(".js-plotly-plot").getBoundingClientRect();
                    const body = card.querySelector(".body").getBoundingClientRect();
                    const data = card.querySelector(".js-plotly-plot")._fullData;
                    return [data.length, plot.width * plot.height / (body.width * body.height)];
                }"""
            )
        )
        for card in frame.locator(f"{CARD}[data-state=figure]").all()
    }
