"""Who gets an answer."""

import json
import time

import pytest
from fastapi.routing import APIRoute
from mlflow.webhooks.delivery import _generate_hmac_signature as sign

from include.serving.access import MOST_SIGNED_BYTES, SECONDS_OF_VALIDITY, is_signed
from tests.serving.conftest import KEY, SECRET, TRIP, Service

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range"),
]
OPEN = {"/healthz", "/readyz"}
BODY = json.dumps({"entity": "model_version_alias", "action": "created", "data": {"alias": "champion"}})


def webhook(body: str = BODY, *, secret: str = SECRET, age: int = 0) -> dict[str, str]:
    """The headers that MLflow sends with a webhook."""
    sent_at = str(int(time.time()) - age)
    return {
        "X-MLflow-Delivery-Id": "d-1",
        "X-MLflow-Timestamp": sent_at,
        "X-MLflow-Signature": sign(secret, "d-1", sent_at, body),
    }


@pytest.mark.parametrize("key", [None, "", "wrong", "schlüssel"])
def test_every_route_but_health_wants_the_key(service: Service, key: str | None) -> None:
    service.client.headers.pop("X-API-Key")
    headers = {} if key is None else {"X-API-Key": key.encode()}
    statuses = {}
    for route in service.client.app.routes:  # type: ignore[attr-defined]
        assert isinstance(route, APIRoute), f"{route} is one more kind of route to look at"
        for method in route.methods:
            statuses[route.path] = service.client.request(
                method, route.path, headers=headers, follow_redirects=False
            ).status_code
    assert len(statuses) == 10
    assert {path for path, status in statuses.items() if status == 200} == OPEN
    assert {status for path, status in statuses.items() if path not in OPEN} == {401}


def test_body_is_not_looked_at_without_the_key(service: Service) -> None:
    answer = service.client.post("/predict", content="{", headers={"X-API-Key": "wrong"})
    assert answer.status_code == 401
    assert answer.json()["detail"].startswith("Send the API key in the header X-API-Key")


def test_browser_shows_the_key_as_a_password(service: Service) -> None:
    service.client.headers.pop("X-API-Key")
    assert service.client.get("/docs").headers["WWW-Authenticate"].startswith("Basic")
    assert service.client.get("/docs", auth=("anybody", KEY)).status_code == 200
    assert service.client.get("/docs", auth=("anybody", "wrong")).status_code == 401


def test_key_is_in_no_answer(service: Service) -> None:
    answers = [service.client.get(path).text for path in ("/docs", "/openapi.json", "/model", "/readyz", "/metrics")]
    assert not [text for text in answers if KEY in text or SECRET in text]
    assert KEY not in repr(service.parts)


def test_signed_webhook_reloads_without_the_key(service: Service) -> None:
    service.client.headers.pop("X-API-Key")
    answer = service.client.post("/reload", content=BODY, headers=webhook())
    assert (answer.status_code, answer.json()["problem"]) == (200, None)


@pytest.mark.parametrize(
    "headers",
    [
        webhook(secret="other"),
        webhook(BODY + " "),
        webhook(age=SECONDS_OF_VALIDITY + 86_400),
        webhook(age=-SECONDS_OF_VALIDITY - 86_400),
        {**webhook(), "X-MLflow-Timestamp": "now"},
        {**webhook(), "X-MLflow-Delivery-Id": "d-2"},
        {"X-MLflow-Signature": ""},
        {**webhook(), "X-MLflow-Timestamp": "9" * 400},
        {**webhook(), "X-MLflow-Timestamp": "9" * 4301},
        {**webhook(), "X-MLflow-Timestamp": "9" * 20_000},
        {**webhook(), "X-MLflow-Timestamp": "-1"},
        {**webhook(), "X-MLflow-Signature": "v1," + "A" * 20_000},
    ],
    ids=[
        "other secret",
        "other body",
        "old",
        "from the future",
        "no time",
        "other delivery",
        "nothing",
        "400 digits",
        "4301 digits",
        "20000 digits",
        "before all time",
        "long signature",
    ],
)
def test_webhook_that_is_not_signed_so_is_refused(service: Service, headers: dict[str, str]) -> None:
    service.client.headers.pop("X-API-Key")
    assert service.client.post("/reload", content=BODY, headers=headers).status_code == 401


def test_signed_body_that_is_larger_than_a_webhook_is_refused(service: Service) -> None:
    service.client.headers.pop("X-API-Key")
    body = " " * (MOST_SIGNED_BYTES + 1)
    assert service.client.post("/reload", content=body, headers=webhook(body)).status_code == 413
    body = " " * MOST_SIGNED_BYTES
    assert service.client.post("/reload", content=body, headers=webhook(body)).status_code == 200


def test_webhook_opens_no_other_route(service: Service) -> None:
    service.client.headers.pop("X-API-Key")
    body = json.dumps(TRIP)
    assert service.client.post("/predict", content=body, headers=webhook(body)).status_code == 401


def test_no_webhook_is_accepted_where_there_is_no_secret() -> None:
    assert is_signed(webhook(), BODY.encode(), SECRET)
    assert not is_signed(webhook(secret=""), BODY.encode(), "")
