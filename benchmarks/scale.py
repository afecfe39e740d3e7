"""Peak memory and seconds of each task of the main job, by the number of rows."""

import os
import warnings

from benchmarks.peaks import Peak, Peaks
from benchmarks.published import publish_set
from benchmarks.report import Report
from benchmarks.running import running_stack, settings_of
from include.models.table import get_model
from include.monitoring.watch import measure_drift
from include.prediction import batch
from include.promotion import judging
from include.sets.examples import get_training_set
from include.training import final_model, steps
from include.training.job import make_job

MONTHS = ("2024-01", "2024-02")
MODELS = ("linear_model.LinearRegression", "gbtree.squarederror", "gbdt.squarederror")
DEFAULT_ROWS = "100000;1000000;4000000"
# Of each booster that is trained: as many whatever the rows, so that its seconds can be compared.
DEFAULT_ROUNDS = "20"


def run() -> Report:
    """Runs the main job's tasks one by one on synthetic rows, with one trial of each model type."""
    warnings.simplefilter("ignore")
    rows = [int(number) for number in (os.environ.get("SCALE_ROWS") or DEFAULT_ROWS).split(";")]
    rounds = int(os.environ.get("SCALE_ROUNDS") or DEFAULT_ROUNDS)
    measured = {number: _measure(number, rounds) for number in rows}
    tasks = [name for name in measured[rows[0]] if name != "(nothing)"]
    return Report(
        "Memory and time by number of rows",
        "1 GB in any task at 10 million rows, without pages of files",
        ["task", *(f"{number / 1e6:g} million" for number in rows), "a million more"],
        [[task, *(_show(measured[number][task]) for number in rows), _slope(measured, task)] for task in tasks],
        [
            (
                f"synthetic sample in {len(MONTHS)} months, of which a task loads one; boosters are trained for"
                f" {rounds} rounds, and for a fifth more to all rows"
            ),
            "tune: one trial, whose booster stops early: its rounds, and so its seconds, depend on the rows too",
            (
                "memory that the task holds, in parentheses with pages of files, which the system can take away; of the"
                f" former, {measured[rows[0]]['(nothing)'].held:.0f} MB are libraries that all tasks share"
            ),
        ],
    )


def _measure(rows: int, rounds: int) -> dict[str, Peak]:
    peaks = Peaks()
    with running_stack(("postgres", "mlflow")) as stack:
        url = stack.warehouse_url
        settings = settings_of(
            {"SOURCE": "sample", "ZONES_SOURCE": "sample", "SAMPLE_ROWS": str(rows // len(MONTHS))},
            months=MONTHS,
            mlflow_tracking_uri=stack.mlflow_address,
            max_evaluations=1,
            register_uncommitted=True,
        )
        version = publish_set(url, settings, peaks.measure)
        for model in MODELS:
            family = get_model(model).family
            job = make_job(settings, family, f"{family}_training/benchmark", get_training_set(url, version))
            tuned = peaks.measure(f"tune {model}", steps.tune_model, url, settings, job, model)
            if get_model(model).stops_early:
                tuned["parameters"]["n_estimators"] = rounds
            trained = peaks.measure(f"train {model}", final_model.train_model, url, settings, job, tuned)
            registered = peaks.measure("register", steps.register_best, url, settings, job, [trained])
            number = registered["version"]
            # The first is judged against the best baseline, each later one against the champion.
            peaks.measure("judge", judging.judge, url, settings, number, f"model_promotion/{number}")
            peaks.measure("promote", judging.promote, url, settings, [number], f"model_promotion/{number}")
        peaks.measure("measure drift and errors", measure_drift, url, settings)
        for scored in batch.plan(url, settings):
            peaks.measure("score a month", batch.score, url, settings, scored)
    return peaks.by_task


def _show(peak: Peak) -> str:
    return f"{peak.held:,.0f} MB ({peak.megabytes:,.0f} MB), {peak.seconds:.1f} s"


def _slope(measured: dict[int, dict[str, Peak]], task: str) -> str:
    """Between the two largest numbers of rows."""
    if len(measured) < 2:
        return ""
    low, high = list(measured)[-2:]
    more, less, millions = measured[high][task], measured[low][task], (high - low) / 1e6
    return f"{(more.held - less.held) / millions:.0f} MB, {(more.seconds - less.seconds) / millions:.1f} s"
