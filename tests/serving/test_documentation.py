"""The requests to the service that the documentation shows."""

import html
import json
import re
import shlex
from typing import Any

import pytest

from include.serving.routes.docs import render_docs
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


def test_apostrophe_in_an_example_does_not_end_the_command_that_people_copy() -> None:
    example = {"inputs": [{"station": "St. John's; date"}]}
    operation = {
        "responses": {},
        "requestBody": {"content": {"application/json": {"example": example, "schema": {}}}},
    }
    page = render_docs({"info": {"title": "t"}, "paths": {"/predict": {"post": operation}}}, "http://here")
    [command] = re.findall(r"<pre>(curl .*?)</pre>", page)
    words = shlex.split(html.unescape(command))
    assert json.loads(words[words.index("-d") + 1]) == example
    assert words[-2] == "-d"
