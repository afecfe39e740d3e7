"""Lone surrogates, NUL, large bodies and other oddities, on every route."""

import json
import logging

import pytest

from include.dashboards.context import Filters
from include.dashboards.drawing.charts import CHARTS
from include.dashboards.options import OPTIONS
from include.dashboards.pages import PAGES
from tests.dashboards.conftest import OpenSite, Site
from tests.odd_requests import check_every_route


def test_no_route_fails_whatever_it_is_sent(open_site: OpenSite) -> None:
    names = {"name": [*list(CHARTS)[:3], *OPTIONS], "page": list(PAGES), "path": ["page.css", "icons/data.svg"]}
    bodies = ["order", "hidden", "sizes", "pickup_zone", "trip_distance"]
    check_every_route(open_site().visit(), names, list(Filters.model_fields), bodies)


@pytest.mark.parametrize("name", ["dag_id", "run_id", "model", "month", "days", "version", "row"])
@pytest.mark.parametrize("value", ["%00", "a%00b", "9" * 400, "x" * 301], ids=["NUL", "a NUL", "digits", "long"])
def test_filter_that_nothing_can_have_is_refused_before_any_query(
    site: Site, name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for path in ("charts/runs_by_model", "options/runs", "overview"):
            answer = site.visit().get(f"/{path}?{name}={value}")
            assert answer.status_code == 422
            assert answer.json()["detail"][0]["loc"] == ["query", name]
            assert len(answer.content) < 1000
    assert caplog.records == []


def test_person_is_shown_which_filter_is_wrong_and_the_page_without_it(site: Site) -> None:
    answer = site.visit().get("/playground?days=2.5&model=%3Cb%3E%00", headers={"accept": "text/html,*/*;q=0.8"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "text/html; charset=utf-8")
    assert "<code>days</code>: Input should be a valid integer" in answer.text
    assert "<code>model</code>" in answer.text
    assert "<b>" not in answer.text
    assert '<a href="?">' in answer.text


@pytest.mark.parametrize("path", ["%00", "x" * 5000, "a%00.css", "%ED%A0%80"])
def test_file_whose_name_nothing_can_have_is_not_there(site: Site, path: str) -> None:
    answer = site.visit().get(f"/static/{path}")
    assert answer.status_code == 404
    assert len(answer.content) < 1000


@pytest.mark.parametrize(("method", "path"), [("PUT", "/layouts/overview"), ("POST", "/predict")])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"\\ud800": 1}', 422),
        (b'{"order": ["\\udfff"], "pickup_zone": "\\ud800"}', 422),
        (b'{"order": ["\\u0000"], "pickup_zone": "\\u0000"}', 422),
        (b"\xff", 422),
        (b"", 422),
        (b"[]", 422),
        (b"[" * 50_000, 422),
        (b'{"order": ["' + b"a" * 60_000 + b'"]}', 422),
        (b'{"order": ["' + b"a" * 50_000_000 + b'"]}', 413),
    ],
    ids=["surrogate", "surrogates", "NUL", "no text", "nothing", "list", "deep", "long", "50 MB"],
)
def test_body_that_cannot_be_used_is_refused_without_an_echo(
    site: Site, method: str, path: str, body: bytes, status: int
) -> None:
    answer = site.visit().request(method, path, content=body)
    assert answer.status_code == status
    assert len(answer.content) < 2000
    assert answer.json()["detail"]


def test_body_of_who_is_not_logged_in_is_not_read(site: Site) -> None:
    answer = site.visit(None).put("/layouts/overview", content=json.dumps({"order": ["a" * 1_000_000]}))
    assert answer.status_code == 401


def test_layout_that_fits_is_kept(site: Site) -> None:
    layout = {"order": ["b", "a"], "hidden": ["c"], "sizes": {"a": {"columns": 4, "height": 300}}}
    assert site.visit().put("/layouts/overview", json=layout).status_code == 204
    assert json.dumps(layout["sizes"]) in site.visit().get("/overview").text
