"""The requests to Airflow that the documentation shows, and the settings that it gives to the stack."""

import json
import re
from typing import Any

import pytest

from include.prediction.refusals import find_refusal
from include.settings import SETTING_KEYS, Settings
from tests.dags.test_params import validate
from tests.documented import find_given_settings, find_requests

STARTS = [(path.split("/")[-2], body) for path, body in find_requests(8080) if re.search(r"/dags/\w+/dagRuns$", path)]


def test_documentation_starts_a_prediction_and_a_preparation() -> None:
    assert {dag_id for dag_id, _ in STARTS} == {"prediction", "data_preparation"}


@pytest.mark.parametrize(("dag_id", "body"), STARTS)
def test_documented_run_can_be_started(dag_id: str, body: dict[str, Any]) -> None:
    assert validate(dag_id, body["conf"]).items() >= body["conf"].items()
    assert find_refusal(dag_id, json.dumps(body).encode(), Settings) is None


@pytest.mark.parametrize("given", find_given_settings(), ids=str)
def test_documented_settings_can_be_used(given: dict[str, str]) -> None:
    names = SETTING_KEYS
    assert set(given) <= names | {"START_TIMEOUT", "WAREHOUSE_URL"}
    Settings(**{name.lower(): value for name, value in given.items() if name in names})
