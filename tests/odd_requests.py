"""Requests that nobody means well with: every route must refuse or answer them, and never fail."""

import json
from typing import Any
from urllib.parse import quote

from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ODD = ["\0", "\ud800", "\udfff", "\u202e", "a\nb", "\x7f", "..", "../../etc/passwd", "%00", "9" * 400, "x" * 20_000, "",
       "-1", "1e999", "NaN", "'; --", "é"]  # fmt: skip
HEADERS = ["X-Request-ID", "Cookie", "Accept", "Host", "Authorization", "X-API-Key"]
MOST_ANSWER = 20_000
TEXT = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=()), max_size=20)
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def in_url(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def check_every_route(client: TestClient, names: dict[str, list[str]], filters: list[str], bodies: list[str]) -> None:
    """Asks every route, in its method, with generated paths, queries, headers and bodies.

    Args:
        names: Parameter of a path -> values that lead somewhere.
        filters: Names for the query.
        bodies: Names that a body may use.
    """
    routes = [route for route in client.app.routes if isinstance(route, APIRoute)]  # type: ignore[attr-defined]
    for route in routes:
        assert route.body_field is None, f"{route.path}: FastAPI would read its body whole, before it asks who is there"
        _check_route(client, route, names, filters, bodies)


def _check_route(
    client: TestClient, route: APIRoute, names: dict[str, list[str]], filters: list[str], bodies: list[str]
) -> None:
    fields = st.sampled_from(bodies) | TEXT

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(data=st.data())
    def check(data: Any) -> None:
        path = route.path
        for name in route.param_convertors:
            value = data.draw(TEXT | st.sampled_from(names[name]), label=name)
            path = path.replace(f"{{{name}:path}}", in_url(value)).replace(f"{{{name}}}", in_url(value) or "x")
        query = data.draw(st.dictionaries(st.sampled_from(filters) | TEXT, TEXT, max_size=3), label="query")
        headers = data.draw(st.dictionaries(st.sampled_from(HEADERS), TEXT, max_size=2), label="headers")
        document = data.draw(VALUES | st.dictionaries(fields, VALUES, max_size=4), label="body")
        body = data.draw(st.sampled_from([json.dumps(document).encode(), b"\xff\0", b"[" * 5000]), label="bytes")
        address = f"{path}?{'&'.join(f'{in_url(name)}={in_url(value)}' for name, value in query.items())}"
        ask(client, min(route.methods), address, headers, body)

    check()


def ask(client: TestClient, method: str, address: str, headers: dict[str, str], body: bytes) -> None:
    sent = {name: value.encode("utf-8", "surrogatepass") for name, value in headers.items()}
    answer = client.request(method, address, headers=sent, content=body, follow_redirects=False)  # type: ignore[arg-type]
    assert answer.status_code < 500 or answer.status_code in (501, 503), answer.text
    if answer.status_code >= 400:
        assert len(answer.content) < MOST_ANSWER, "a refusal is no echo"
        json.loads(answer.content)
