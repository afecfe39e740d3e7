"""The shipped table of classes, without times or months: from one command to the same prediction by every way."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from include.embedded.lifecycle import find_running, reset
from include.embedded.settings import STACK_KEYS
from include.embedded.stack import Stack
from include.problem.problem_file import read_problem
from include.problems.churn.sample import find_least_loss
from include.settings import Settings
from tests.conftest import find_free_port
from tests.e2e.browser import log_in, open_browser
from tests.e2e.conftest import PORTS, ROOT, SMALL, Bench, open_api
from tests.e2e.test_predictions import wait_for_result
from tests.waiting import MOST_SECONDS, wait_until

MODELS = {
    "SKLEARN_MODELS": "linear_model.LogisticRegression",
    "XGBOOST_MODELS": "gbtree.logistic",
    "LIGHTGBM_MODELS": "",
}
PROBLEM = read_problem("churn")
CUSTOMER = {column.name: column.example for column in PROBLEM.inputs}


@dataclass
class Job:
    """What one command has left: its output, what it wrote for programs, and the running stack."""

    done: subprocess.CompletedProcess[str]
    report: dict[str, Any]
    bench: Bench


@pytest.fixture(scope="module")
def job() -> Iterator[Job]:
    """The main job on the table, in a stack of its own."""
    directory = Path(tempfile.mkdtemp(prefix="mltrain-table-"))
    directory.chmod(0o755)
    home = directory / "home"
    environment = {key: value for key, value in os.environ.items() if key not in STACK_KEYS}
    environment |= {name: str(find_free_port()) for name in PORTS}
    environment |= {**SMALL, **MODELS, "MINIMUM_ROWS": "100", "PROBLEM": "churn"}
    # The command itself has the service take up the champion, rather than leave that to the next check.
    environment["SERVING_POLL_SECONDS"] = "60"
    environment |= {"MLTRAIN_HOME": str(home), "START_TIMEOUT": str(MOST_SECONDS), "COLUMNS": "160"}
    command = [sys.executable, "-m", "include.embedded", "run"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=MOST_SECONDS, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        stack = find_running(home)
        assert stack
        with open_api(stack) as api:
            yield Job(done, json.loads((home / "run.json").read_text()), Bench(stack, api))
    finally:
        reset(home)
        shutil.rmtree(directory)


def predict(stack: Stack, customer: dict[str, Any]) -> dict[str, Any]:
    """The service's answer."""
    headers = {"X-API-Key": stack.credentials.serving_api_key}
    with httpx.Client(base_url=stack.serving_address, headers=headers, timeout=60, trust_env=False) as client:
        wait_until(lambda: client.get("/readyz").is_success, "the service has the champion")
        answer = client.post("/predict", json=customer)
    assert answer.is_success, answer.text
    return answer.json()


def test_one_command_promotes_a_model_that_beats_the_best_baseline(job: Job) -> None:
    report = job.report
    assert (report["problem"], report["unit"]) == ("churn", "")
    assert sum(report["rows"].values()) == int(SMALL["SAMPLE_ROWS"])
    assert set(report["baselines"]) == {"class shares"}
    error = report["champion"]["errors"]["test"]
    assert error < 0.85 * report["baselines"]["class shares"]
    least = find_least_loss(Settings().random_state, int(SMALL["SAMPLE_ROWS"]), "all")
    assert error > least - 0.06, "no model can be better than one who knows how the customers were made up"
    assert {model["name"] for model in report["models"]} == set(filter(None, MODELS.values()))
    assert report["reason"] in job.done.stdout
    assert report["addresses"]["predictions"] == job.bench.stack.serving_address
    assert "log loss" in job.done.stdout
    assert "RMSE" not in job.done.stdout


def test_every_way_to_predict_gives_the_same_probabilities(job: Job) -> None:
    bench = job.bench
    answer = predict(bench.stack, CUSTOMER)
    assert answer["model"]["version"] == job.report["champion"]["version"]
    [served], [decided] = answer["probabilities"], answer["predictions"]
    assert answer["threshold"] == pytest.approx(1 / 6), "by the costs that are declared"
    assert decided == ("yes" if served["yes"] >= answer["threshold"] else "no")
    assert decided in answer["label_sets"][0] or served["yes"] < 0.5
    run = bench.trigger("prediction", inputs=[CUSTOMER])
    asked = wait_for_result(bench, run)["results"]["predict"]
    assert (asked["probabilities"], asked["predictions"]) == ([served], [decided])
    bench.wait(bench.trigger("batch_prediction"))
    columns = ", ".join(PROBLEM.dtypes)
    # An earlier champion may have scored the rows, too.
    query = (
        f"SELECT predicted_class, probabilities, {columns} FROM prediction.batch WHERE model_version = %s"
        " ORDER BY row_number LIMIT 3"
    )
    rows = bench.query(query, job.report["champion"]["version"])
    assert len(rows) == 3
    for decided, probabilities, *values in rows:
        customer = {name: value for name, value in zip(PROBLEM.dtypes, values, strict=True) if value is not None}
        again = predict(bench.stack, customer)
        assert again["predictions"] == [decided]
        assert list(again["probabilities"][0].values()) == pytest.approx(probabilities, rel=1e-6)


def test_a_value_that_was_never_learnt_is_answered_with_a_warning(job: Job) -> None:
    answer = predict(job.bench.stack, {**CUSTOMER, "contract": "for ever"})
    assert any("for ever" in warning for warning in answer["warnings"])
    assert not predict(job.bench.stack, CUSTOMER)["warnings"]


def test_pages_speak_of_classes(job: Job) -> None:
    with open_browser() as browser:
        window = log_in(browser, job.bench.stack)
        for page in ("overview", "training_run", "explainability", "data"):
            frame = window.open(f"plugin/mltrain_{page}")
            shown = window.wait_for_cards(frame)
            assert "error" not in shown.values(), page
            text = frame.locator("body").inner_text()
            assert "RMSE" not in text, page
            if page == "training_run":
                assert {"roc_curves", "confusion_matrix", "calibration_of_classes"} <= shown.keys()
                assert "log loss" in text
        assert not window.errors


def test_what_is_loaded_is_watched_without_a_time(job: Job) -> None:
    details = job.bench.wait(job.bench.trigger("model_monitoring"))
    assert "Nothing drifts" in (details["note"] or "")
    [(windows,)] = job.bench.query("SELECT count(DISTINCT window_start) FROM monitoring.drift")
    assert windows == 1
