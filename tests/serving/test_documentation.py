"""The requests to the service that the documentation shows."""

from typing import Any

import pytest

from tests.documented import find_requests
from tests.serving.conftest import Service

# Those for the other table are sent to a service that has it, see tests/e2e/test_another_table.py.
REQUESTS = [(path, body) for path, body in find_requests(8100) if "area" not in body]


def test_documentation_shows_a_prediction_and_an_explanation() -> None:
    assert {path for path, _ in REQUESTS} == {"/predict", "/explain"}


@pytest.mark.parametrize(("path", "body"), REQUESTS)
def test_documented_request_is_answered(service: Service, path: str, body: Any) -> None:
    answer = service.client.post(path, json=body)
    assert answer.status_code == 200, answer.text
