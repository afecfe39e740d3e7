"""A search of the family that wins most often beside FLAML's, in as many seconds, on the same features and rows.

C. Wang et al., "FLAML: A Fast and Lightweight AutoML Library", MLSys 2021. It needs an environment of its own, as its
libraries are older than ours: it is made beside the benchmark, and takes packages from an index.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.plain_script import KeptTrials
from benchmarks.published import Rows, publish_all
from benchmarks.report import Report
from include.models.encoder import Encoder
from include.models.fitting import Fitted, encode, find_rounds, fit_estimator, predict_encoded, threads_for
from include.models.folds import ENOUGH_ROWS, encode_folds, fit_folds
from include.models.table import MODELS
from include.problem.data import Split
from include.problem.declaration import Problem
from include.problem.objectives.regression import measure
from include.tuning.curves import Watch
from include.tuning.search import Best, Limits, tune

REQUIREMENT = "flaml[automl]==2.7.0"
# What the family trains by default; of those that the target allows, all are tuned at once, as a run does it.
TYPES = ("gbdt.squarederror", "gbdt.gamma")
SEED = 42
SECONDS = "60"


def run() -> Report:
    """Both by turns; AUTOML_SECONDS says how long each searches, several numbers for several tables of figures."""
    budgets = [int(each) for each in os.environ.get("AUTOML_SECONDS", SECONDS).split(",")]
    lines = []
    with tempfile.TemporaryDirectory() as directory:
        python = _make_environment(Path(directory))
        for rows in publish_all():
            for seconds in budgets:
                ours = _search(rows, seconds)
                theirs = _search_elsewhere(rows, seconds, python, Path(directory))
                lines.append([rows.name, f"{seconds} s", *_show(ours), *_show(theirs), f"{ours[1] / theirs[1]:.3f}"])
    return Report(
        "Searches beside FLAML",
        "no higher error at 60 and at 300 seconds",
        ["table", "search", "model type", "RMSE", "seconds", "FLAML", "its RMSE", "its seconds", "RMSE / its RMSE"],
        lines,
        [
            (
                f"RMSE on the rows that judge, after a last fit to all others; seconds with that fit; {threads_for(0)}"
                " cores, of which each of our fits uses as many as make it quicker; our model types are tuned at once"
            ),
            f"{REQUIREMENT}, every learner that it chooses by default; both have the columns of our encoder",
        ],
    )


def _show(found: tuple[str, float, float]) -> list[str]:
    return [found[0], f"{found[1]:,.4g}", f"{found[2]:.0f}"]


def _search(rows: Rows, seconds: int) -> tuple[str, float, float]:
    """Model type, RMSE and seconds."""
    begun = time.perf_counter()
    lowest = float(min(rows.train.target.min(), rows.validation.target.min()))
    names = [name for name in TYPES if MODELS[name].allows(lowest)]
    # A thread of LightGBM does not survive a fork.
    with ProcessPoolExecutor(len(names), get_context("spawn")) as pool:
        found = dict(zip(names, pool.map(partial(_tune, rows, seconds), names), strict=True))
    name = min(found, key=lambda each: found[each].loss)
    model, parameters = MODELS[name], found[name].parameters
    of_set = _describe(rows)
    data = encode(model, *of_set, rows.train, rows.validation)
    rounds = find_rounds(model, fit_estimator(model, parameters, data, random_state=SEED))
    data = encode(model, *of_set, rows.train + rows.validation, rows.validation)
    estimator = fit_estimator(model, {**parameters, **rounds}, data, random_state=SEED)
    predicted = predict_encoded(estimator, data.encoder.transform(rows.test.rows))
    return name, measure(rows.test.target, predicted)["rmse"], time.perf_counter() - begun


def _tune(rows: Rows, seconds: int, name: str) -> Best:
    """One model type's search, as a task does it."""
    model = MODELS[name]
    folds = encode_folds(model, *_describe(rows), rows.train, rows.validation, random_state=SEED)

    def fit_trial(parameters: Mapping[str, Any], watch: Watch) -> Fitted:
        return fit_folds(model, parameters, folds, watch=watch, random_state=SEED)

    return tune(model, fit_trial, KeptTrials(), Limits(10_000, seconds, 10_000), random_state=SEED)


def _describe(rows: Rows) -> tuple[Problem, str, Mapping[str, Any]]:
    return rows.problem, rows.problem.feature_set_names[0], rows.references


def _make_environment(directory: Path) -> Path:
    """Installs FLAML; returns the environment's interpreter."""
    uv = str(Path(sys.executable).parent / "uv")
    python = directory / "environment" / "bin" / "python"
    for words in (("venv", "--python", sys.executable, python.parent.parent), ("pip", "install", "--python", python)):
        packages = (REQUIREMENT, "pandas", "pyarrow") if words[0] == "pip" else ()
        subprocess.run([uv, *map(str, words), *packages], check=True, capture_output=True)
    return python


def _search_elsewhere(rows: Rows, seconds: int, python: Path, directory: Path) -> tuple[str, float, float]:
    """FLAML's learner, RMSE and seconds."""
    encoder = Encoder(rows.problem, rows.problem.feature_set_names[0], "native", rows.references).fit(rows.train.rows)
    parts = {"train": rows.train, "validation": rows.validation, "test": rows.test}
    for name, split in parts.items():
        _make_frame(encoder, split).to_parquet(directory / f"{name}.parquet")
    job = {
        "seconds": seconds,
        "threads": threads_for(0),
        "seed": SEED,
        "categories": [f"c{at}" for at, kind in enumerate(encoder.feature_types) if kind == "c"],
        "validates": len(rows.validation) >= ENOUGH_ROWS,
    }
    script = Path(__file__).with_name("flaml_script.py")
    command = [str(python), str(script), str(directory), json.dumps(job)]
    begun = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    learner, error = json.loads(done.stdout.splitlines()[-1])
    return learner, error, time.perf_counter() - begun


def _make_frame(encoder: Encoder, split: Split) -> pd.DataFrame:
    matrix = encoder.transform(split.rows)
    return pd.DataFrame({f"c{at}": column for at, column in enumerate(matrix.T)}).assign(target=split.target)
