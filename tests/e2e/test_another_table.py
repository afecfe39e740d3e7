"""The shipped table without times or months: from one command to the same prediction by every way."""

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
from include.problems.rents.sample import NOISE
from tests.conftest import find_free_port
from tests.documented import find_requests
from tests.e2e.conftest import ONE_MODEL_A_FAMILY, PORTS, ROOT, SMALL, Bench, open_api
from tests.e2e.test_predictions import wait_for_result
from tests.waiting import MOST_SECONDS, wait_until

# As the documentation asks for it.
[FLAT] = [body for path, body in find_requests(8100) if "area" in body]


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
    environment |= {**SMALL, **ONE_MODEL_A_FAMILY, "MINIMUM_ROWS": "100", "PROBLEM": "rents"}
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


def predict(stack: Stack, flat: dict[str, Any]) -> dict[str, Any]:
    """The service's answer."""
    headers = {"X-API-Key": stack.credentials.serving_api_key}
    with httpx.Client(base_url=stack.serving_address, headers=headers, timeout=60, trust_env=False) as client:
        wait_until(lambda: client.get("/readyz").is_success, "the service has the champion")
        answer = client.post("/predict", json=flat)
    assert answer.is_success, answer.text
    return answer.json()


def test_one_command_promotes_a_model_that_beats_the_best_baseline(job: Job) -> None:
    report = job.report
    assert (report["problem"], report["unit"]) == ("rents", "euros")
    assert sum(report["rows"].values()) == int(SMALL["SAMPLE_ROWS"])
    assert set(report["baselines"]) == {"mean", "median"}
    assert report["champion"]["errors"]["test"] < 0.5 * min(report["baselines"].values())
    assert report["champion"]["errors"]["test"] > NOISE, "no model can be better than the noise"
    assert {model["name"] for model in report["models"]} == set(filter(None, ONE_MODEL_A_FAMILY.values()))
    assert report["reason"] in job.done.stdout
    assert report["addresses"]["predictions"] == job.bench.stack.serving_address
    assert "euros" in job.done.stdout
    assert " min " not in job.done.stdout


def test_every_way_to_predict_gives_the_same_number(job: Job) -> None:
    bench = job.bench
    answer = predict(bench.stack, FLAT)
    assert answer["model"]["version"] == job.report["champion"]["version"]
    [served] = answer["predictions"]
    run = bench.trigger("prediction", inputs=[FLAT])
    [asked] = wait_for_result(bench, run)["results"]["predict"]["predictions"]
    assert asked == served
    bench.wait(bench.trigger("batch_prediction"))
    columns = "area, rooms, floor, built, district, heating, energy_class, balcony, furnished"
    # An earlier champion may have scored the rows, too.
    query = f"SELECT predicted, {columns} FROM prediction.batch WHERE model_version = %s ORDER BY row_number LIMIT 3"
    rows = bench.query(query, job.report["champion"]["version"])
    assert len(rows) == 3
    for predicted, *values in rows:
        flat = {name: value for name, value in zip(columns.split(", "), values, strict=True) if value is not None}
        assert predict(bench.stack, flat)["predictions"][0] == pytest.approx(predicted, rel=1e-6)


def test_a_value_that_was_never_learnt_is_answered_with_a_warning(job: Job) -> None:
    answer = predict(job.bench.stack, {**FLAT, "district": "Moon"})
    assert any("Moon" in warning for warning in answer["warnings"])
    assert not predict(job.bench.stack, FLAT)["warnings"]


def test_what_is_loaded_is_watched_without_a_time(job: Job) -> None:
    details = job.bench.wait(job.bench.trigger("model_monitoring"))
    assert "Nothing drifts" in (details["note"] or "")
    [(windows,)] = job.bench.query("SELECT count(DISTINCT window_start) FROM monitoring.drift")
    assert windows == 1
