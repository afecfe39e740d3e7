"""The OpenAPI document, the page made of it, the figures for Prometheus, and what is said of the model."""

import html
import re
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from prometheus_client.parser import text_string_to_metric_families
from schemathesis import GenerationMode

from include.prediction.inputs import InputFormat
from include.serving.app import create_app
from include.tracking.runs import Tracker
from include.version import VERSION
from tests.registered import configure
from tests.serving.conftest import KEY, TRIP, Service, build_parts

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range"),
]


@pytest.fixture
def document(tracker: Tracker, store: Path, warehouse_url: str) -> Any:
    """The OpenAPI document as it is served."""
    settings = configure(tracker.uri, "served", serving_poll_seconds=60)
    app = create_app(build_parts(settings, warehouse_url, store), InputFormat.of(settings.problem))
    return schemathesis.openapi.from_asgi("/openapi.json", app, headers={"X-API-Key": KEY})


@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
def test_service_keeps_to_its_document(document: Any, mode: GenerationMode) -> None:
    for found in document.get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and not operation.body:
            continue

        @hypothesis.settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def keeps_to_it(case: Any) -> None:
            case.call_and_validate(headers={"X-API-Key": KEY})

        keeps_to_it()


def test_page_shows_every_route_and_loads_nothing_from_elsewhere(service: Service) -> None:
    page = service.client.get("/docs").text
    paths = service.client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/predict", "/explain", "/model", "/reload", "/metrics", "/healthz", "/readyz"}
    assert [path for path in paths if f"<code>{path}</code>" not in page] == []
    assert "<script" not in page
    assert re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", page) == []


def test_page_says_what_each_answer_is_and_its_examples_can_be_copied(service: Service) -> None:
    page = service.client.get("/docs").text
    assert "Successful Response" not in page
    assert 'curl -X POST http://testserver/predict -H "X-API-Key: $KEY"' in html.unescape(page)
    assert re.findall(r"\$(?!KEY)[A-Z]+", page) == []
    body = re.sub(r".*</style>", "", page, flags=re.DOTALL)
    assert body.startswith("<main>")
    assert body.endswith("</main>")


def test_address_alone_leads_to_the_page(service: Service) -> None:
    assert service.client.get("/").url.path == "/docs"


def test_address_that_a_caller_makes_up_is_no_markup(service: Service) -> None:
    page = service.client.get("/docs", headers={"Host": "<script>x</script>"}).text
    assert "<script" not in page


def test_figures_can_be_read_by_prometheus_and_count_what_was_asked(service: Service) -> None:
    service.predict([TRIP, TRIP])
    service.client.post("/predict", content="{")
    service.client.get("/made/up")
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(service.client.get("/metrics").text)
        for sample in family.samples
    }
    assert samples["serving_predictions_total",] == 2
    assert samples["serving_requests_total", "/predict", "200"] == 1
    assert samples["serving_requests_total", "/predict", "422"] == 1
    assert samples["serving_requests_total", "404", "other"] == 1
    assert samples["serving_request_seconds_count", "/predict"] == 2
    assert samples["serving_model_version",] >= 1
    assert samples["serving_log_rows_total", "dropped"] == 0


def test_model_is_told_with_its_lineage_and_metrics(service: Service) -> None:
    told = service.client.get("/model").json()
    assert (told["name"], told["family"], told["model"]) == ("served", "xgboost", "gbtree.squarederror")
    assert told["lineage"] == {"training_set_version": "3", "git_commit": "c0ffee"}
    assert told["service_version"] == VERSION
    assert told["metrics"]["validation_rmse"] == 1.25
    assert told["parameters"]["max_depth"] == 9
