"""Pages in a real browser, which the application answers without a server."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi.testclient import TestClient
from playwright.sync_api import Page, Route

from tests.e2e.browser import open_browser

ADDRESS = "http://dashboards.test"


@contextmanager
def open_page(client: TestClient) -> Iterator[Page]:
    """A page of the browser, which asks that client."""

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
