"""The service beside `mlflow models serve` with the same model, under load from another process."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

import httpx

from benchmarks.champion import register, train
from benchmarks.load import Load, Outcome, put_under, read_outcome
from benchmarks.report import Report
from benchmarks.running import running_stack
from include.embedded.programs.ports import HOST, is_free
from include.embedded.programs.supervision import log_path, tail
from include.embedded.stack import Stack
from include.tracking.registry import CHAMPION

GOALS = "at 100 requests a second p50 at most 1 ms and p99 at most 15 ms; 10 times the throughput; no error"
RATE, SECONDS, ROUNDS = 100, 10, 3
SECONDS_BETWEEN_PROMOTIONS = 3
SECONDS_TO_START = 120
TRIP = {"pickup_at": "2024-02-14T18:30:00", "pickup_zone": 74, "dropoff_zone": 75, "trip_distance": 1.98}


def run() -> Report:
    """Measures both by turns, each in one process that has a core to itself as far as the machine has two."""
    trained = train()
    with running_stack(("postgres", "mlflow", "serving")) as stack:
        settings, tracker = register(stack, trained, versions=2)
        service, peer = _describe_service(stack), _describe_peer()
        _wait(f"{stack.serving_address}/readyz", log_path(stack.home, "serving"))
        with _mlflow_serving(stack, settings.registered_model, peer.url):
            steady: dict[str, list[Outcome]] = {"service": [], "peer": []}
            full: dict[str, list[Outcome]] = {"service": [], "peer": []}
            for _ in range(ROUNDS):
                for name, load in (("service", service), ("peer", peer)):
                    steady[name].append(read_outcome(put_under(replace(load, rate=RATE))))
                    full[name].append(read_outcome(put_under(load)))
        reloading = put_under(replace(service, rate=RATE, seconds=SECONDS_BETWEEN_PROMOTIONS * 5))
        for version in ("2", "1", "2", "1"):
            time.sleep(SECONDS_BETWEEN_PROMOTIONS)
            tracker.client.set_registered_model_alias(settings.registered_model, CHAMPION, version)
        reloaded = read_outcome(reloading)
    pairs = zip(full["service"], full["peer"], strict=True)
    ratio = median(ours.throughput / theirs.throughput for ours, theirs in pairs)
    versions = {json.loads(body)["model"]["version"] for body in reloaded.bodies}
    return Report(
        "Serving single trips",
        GOALS,
        ["", "p50 at 100/s", "p99 at 100/s", "answers a second, flat out", "errors"],
        [
            _row("service", steady["service"], full["service"]),
            _row("`mlflow models serve`", steady["peer"], full["peer"]),
            _row("service, champion changed 4 times", [reloaded], []),
        ],
        [
            f"throughput of the service / of the peer: {ratio:.1f}",
            f"{trained.label}; {trained.size}",
            f"medians of {ROUNDS} rounds of {SECONDS} s each, by turns; one worker each; 16 connections",
            (
                f"under the changes, {len(reloaded.milliseconds)} answers came of {len(versions)} versions, and there "
                f"were {len(reloaded.bodies)} different answers: one a version, none mixed"
            ),
            "the service writes each prediction to prediction.log, the peer keeps none",
        ],
    )


def _describe_service(stack: Stack) -> Load:
    headers = {"X-API-Key": stack.credentials.serving_api_key}
    return Load(f"{stack.serving_address}/predict", json.dumps(TRIP), headers, SECONDS)


def _describe_peer() -> Load:
    port = next(port for port in range(18200, 18400) if is_free(port))
    return Load(f"http://{HOST}:{port}/invocations", json.dumps({"dataframe_records": [TRIP]}), {}, SECONDS)


@contextmanager
def _mlflow_serving(stack: Stack, name: str, url: str) -> Iterator[None]:
    """MLflow's own server for a registered model, as its documentation starts it, in this environment."""
    port = url.rpartition(":")[2].partition("/")[0]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", f"models:/{name}/1"]
    command += ["--env-manager", "local", "--host", HOST, "--port", port]
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": stack.mlflow_address,
        "OMP_NUM_THREADS": "1",
        # It starts uvicorn by its name.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    with tempfile.TemporaryDirectory() as directory, Path(directory, "log").open("w") as log:
        server = subprocess.Popen(
            command, env=environment, cwd=directory, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait(url.replace("/invocations", "/ping"), Path(directory, "log"))
            yield
        finally:
            os.killpg(server.pid, 15)
            server.wait()


def _wait(url: str, log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"{url} did not answer within {SECONDS_TO_START} s:\n{tail(log)}")
        time.sleep(0.2)


def _row(name: str, steady: list[Outcome], full: list[Outcome]) -> list[str]:
    figures = [median(outcome.percentile(share) for outcome in steady) for share in (0.5, 0.99)]
    throughput = f"{median(outcome.throughput for outcome in full):,.0f}" if full else ""
    errors = sum(outcome.errors for outcome in (*steady, *full))
    return [name, *(f"{figure:.1f} ms" for figure in figures), throughput, str(errors)]
