"""A prediction over Airflow's REST API: from the request that starts the run to the result in hand."""

import json
import time
from statistics import median, quantiles
from typing import Any

import httpx

from benchmarks.champion import register, train
from benchmarks.report import Report
from benchmarks.running import running_stack
from include.embedded.stack import Stack

ROUNDS = 20
GOAL_SECONDS = 0.6
SECONDS_TO_START = 120
TRIP = {"pickup_at": "2024-02-14T18:30:00", "pickup_zone": 74, "dropoff_zone": 75, "trip_distance": 1.98}


def run() -> Report:
    """Asks for one trip, then for a thousand, on an embedded stack that does nothing else."""
    trained = train()
    with running_stack() as stack:
        register(stack, trained)
        with httpx.Client(base_url=stack.airflow_address, timeout=60, trust_env=False) as api:
            _log_in(api, stack)
            rows = [_measure(api, trips) for trips in (1, 1000)]
    return Report(
        "Predictions over the REST API",
        f"median at most {GOAL_SECONDS} s",
        ["trips a request", "median", "p90", "slowest"],
        rows,
        [
            f"{ROUNDS} requests each, one after another: POST .../dagRuns, then GET .../wait?interval=0.1",
            f"{trained.label}; {trained.size}",
        ],
    )


def _log_in(api: httpx.Client, stack: Stack) -> None:
    login = {"username": stack.settings.admin_user, "password": stack.credentials.admin_password}
    token = api.post("/auth/token", json=login).raise_for_status().json()["access_token"]
    api.headers["Authorization"] = f"Bearer {token}"
    deadline = time.monotonic() + SECONDS_TO_START
    while not api.get("/api/v2/dags/prediction").is_success:
        if time.monotonic() > deadline:
            raise TimeoutError(f"Airflow did not find the DAG prediction within {SECONDS_TO_START} s")
        time.sleep(0.5)


def _measure(api: httpx.Client, trips: int) -> list[str]:
    # The first run makes the worker's copy of the model.
    seconds = [_predict(api, trips) for _ in range(ROUNDS + 1)][1:]
    return [str(trips), *(f"{value:.2f} s" for value in (median(seconds), quantiles(seconds, n=10)[-1], max(seconds)))]


def _predict(api: httpx.Client, trips: int) -> float:
    begun = time.perf_counter()
    body: dict[str, Any] = {"logical_date": None, "conf": {"inputs": [TRIP] * trips}}
    run_id = api.post("/api/v2/dags/prediction/dagRuns", json=body).raise_for_status().json()["dag_run_id"]
    waited = api.get(f"/api/v2/dags/prediction/dagRuns/{run_id}/wait", params={"interval": 0.1})
    answer = json.loads(waited.text.splitlines()[-1])
    if len(answer.get("results", {}).get("predict", {}).get("predictions", [])) != trips:
        raise RuntimeError(f"prediction {run_id}: {answer}")
    return time.perf_counter() - begun
