"""`make screenshots`: a picture of each dashboard page of the running stack, for README and docs."""

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from include.dashboards.pages import PAGES
from include.embedded.lifecycle import find_running
from include.settings import HOME, ROOT
from tests.e2e.browser import log_in, open_browser

IMAGES = ROOT / "docs" / "images"
COLORS = 64
WIDTH, HEIGHT = 1360, 1000
# Page and theme; the playground is shown with a trip.
PICTURES = [*((page, "light") for page in PAGES), ("overview", "dark")]
TRIP = "?input.pickup_zone={0}&input.dropoff_zone={1}&input.trip_distance=3.2&input.pickup_at=2024-03-15T18:30"


def main() -> None:
    """Takes the pictures and writes them with few colors, which makes them small."""
    stack = find_running(HOME)
    if stack is None:
        raise SystemExit("No stack is running: start one with `make run`.")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with open_browser() as browser:
        for page, theme in PICTURES:
            window = log_in(browser, stack, theme)
            window.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
            if page == "playground":
                # The frame's own address stands behind the plugin's.
                frame = window.open(f"plugin/mltrain_{page}/mltrain/{page}{TRIP.format(74, 75)}")
                frame.locator("#models .js-plotly-plot").wait_for()
            else:
                window.wait_for_cards(window.open(f"plugin/mltrain_{page}"))
            name = page if theme == "light" else f"{page}_{theme}"
            print(save(window.page, IMAGES / f"dashboard_{name}.png"))
            window.page.context.close()


def save(page: Page, path: Path) -> str:
    """Writes what the window shows; returns the file's name and size."""
    # Plotly draws its last frame a moment after it has laid out the figure.
    page.wait_for_timeout(1000)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
    return f"{path.relative_to(ROOT)}  {path.stat().st_size / 1000:.0f} kB"


if __name__ == "__main__":
    main()
