"""Lone surrogates, NUL and other oddities, on every route."""

import pytest

from include.serving.routes.bodies import MOST_BYTES
from tests.odd_requests import check_every_route
from tests.serving.conftest import TRIP, Service

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range"),
]


def test_no_route_fails_whatever_it_is_sent(service: Service) -> None:
    service.client._transport.raise_server_exceptions = True  # type: ignore[attr-defined]
    check_every_route(service.client, {}, ["key"], [*TRIP, "PULocationID"])


@pytest.mark.parametrize("value", [b"a\0b", b"a\x7fb", b"\x1b[31m"], ids=str)
def test_request_id_that_cannot_be_kept_is_refused(service: Service, value: bytes) -> None:
    answer = service.client.post("/predict", json=TRIP, headers={"X-Request-ID": value})  # type: ignore[dict-item]
    assert (answer.status_code, answer.json()["detail"]) == (400, "X-Request-ID must consist of printable characters.")


@pytest.mark.parametrize("body", ["[" + "5," * 5000 + "5]", '{"' + "x" * 100_000 + '": 1}'], ids=["many", "long"])
def test_refusal_echoes_no_large_body(service: Service, body: str) -> None:
    answer = service.client.post("/predict", content=body)
    assert answer.status_code == 422
    assert len(answer.content) < 10_000


def test_body_that_is_announced_as_too_large_is_not_waited_for(service: Service) -> None:
    answer = service.client.post("/predict", content=b"{}", headers={"Content-Length": str(MOST_BYTES + 1)})
    assert answer.status_code == 413
