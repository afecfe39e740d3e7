"""Trials a minute of one search by one worker, and by two that share it, each a process with one thread."""

import json
import subprocess
import sys
from collections.abc import Mapping
from statistics import median
from typing import Any

import psycopg

from benchmarks.published import publish_set
from benchmarks.report import Report
from benchmarks.running import running_stack, settings_of
from benchmarks.trip_data import find_trips
from include.embedded.stack import Stack
from include.models.table import get_model
from include.sets.examples import get_training_set
from include.training.job import make_job

GOAL = 1.7
MONTHS = ("2024-01", "2024-02")
MODELS = ("gbtree.squarederror", "gbdt.squarederror")
TRIALS, TURNS = 16, 3
ONE_THREAD = {"THREADS_PER_MODEL": "1", "TUNING_PATIENCE": str(TRIALS), "REGISTER_UNCOMMITTED": "true"}
WORKER = """
import json, sys
from benchmarks.running import settings_of
from include.training.job import Job
from include.training.steps import tune_model

url, keys, job, model = sys.argv[1:]
tune_model(url, settings_of(json.loads(keys)), Job.from_dict(json.loads(job)), model)
"""
_TRIALS = """
    SELECT number, parameters, loss, extract(epoch FROM started_at)::float8, extract(epoch FROM finished_at)::float8
    FROM training.trials WHERE run_key = %s ORDER BY number
"""


def run() -> Report:
    """Does the same searches with one worker and with two, by turns."""
    trips = find_trips()
    with running_stack(("postgres", "mlflow")) as stack:
        keys = {**trips.settings, **ONE_THREAD, "MONTHS": ",".join(MONTHS), "MLFLOW_TRACKING_URI": stack.mlflow_address}
        version = publish_set(stack.warehouse_url, settings_of(keys))
        rows = [_compare(stack, keys, version, model) for model in MODELS]
    return Report(
        "Trials of one search on several workers",
        f"two workers do at least {GOAL} times the trials of one in the same time",
        ["model type", "one worker", "two workers", "ratio", "trials"],
        rows,
        [
            f"{trips.label}, {' and '.join(MONTHS)}; {TRIALS} trials, {TURNS} turns, medians",
            "from the start of the first trial to the end of the last; both workers on one machine",
        ],
    )


def _compare(stack: Stack, keys: Mapping[str, str], version: int, model: str) -> list[str]:
    minutes: dict[int, list[float]] = {1: [], 2: []}
    sequences = []
    for turn in range(TURNS):
        for workers, spans in minutes.items():
            trials = _search(stack, keys, version, model, workers, turn)
            spans.append((max(trial[4] for trial in trials) - min(trial[3] for trial in trials)) / 60)
            sequences.append([trial[:3] for trial in trials])
    per_minute = {workers: TRIALS / median(spans) for workers, spans in minutes.items()}
    ratio = median(one / two for one, two in zip(minutes[1], minutes[2], strict=True))
    are_same = all(sequence == sequences[0] for sequence in sequences)
    return [
        model,
        *(f"{value:.1f} a minute" for value in per_minute.values()),
        f"{ratio:.2f}",
        "the same" if are_same else "NOT the same",
    ]


def _search(
    stack: Stack, keys: Mapping[str, str], version: int, model: str, workers: int, turn: int
) -> list[tuple[Any, ...]]:
    settings = settings_of({**keys, "TUNING_WORKERS": str(workers), "MAX_EVALUATIONS": str(TRIALS)})
    run_key = f"{model}/{workers}/{turn}"
    training_set = get_training_set(stack.warehouse_url, version)
    job = json.dumps(make_job(settings, get_model(model).family, run_key, training_set).to_dict())
    command = [sys.executable, "-c", WORKER, stack.warehouse_url, json.dumps(keys), job, model]
    processes = [subprocess.Popen(command) for _ in range(workers)]
    for process in processes:
        if process.wait():
            raise RuntimeError(f"A worker of {run_key} ended with {process.returncode}.")
    with psycopg.connect(stack.warehouse_url) as connection:
        return connection.execute(_TRIALS, [run_key]).fetchall()
