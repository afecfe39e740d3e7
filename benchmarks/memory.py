"""Peak memory of each task of the main job, in processes forked as the scheduler forks them."""

import warnings

from benchmarks.peaks import Peaks
from benchmarks.published import publish_set
from benchmarks.report import Report
from benchmarks.running import running_stack, settings_of
from benchmarks.trip_data import MONTHS, find_trips
from include.models.table import FAMILIES
from include.sets.examples import get_training_set
from include.training import final_model, steps
from include.training.job import choose_models, make_job

GOAL_MB = 600
EVALUATIONS = 2


def run() -> Report:
    """Runs the main job's tasks one by one on five months, and notes the highest peak of each."""
    warnings.simplefilter("ignore")
    trips, peaks = find_trips(), Peaks()
    with running_stack(("postgres", "mlflow")) as stack:
        url = stack.warehouse_url
        settings = settings_of(
            trips.settings, months=MONTHS, mlflow_tracking_uri=stack.mlflow_address, max_evaluations=EVALUATIONS
        )
        version = publish_set(url, settings, peaks.measure)
        made = get_training_set(url, version)
        for family in FAMILIES:
            job = make_job(settings, family, f"{family}_training/benchmark", made)
            trained = []
            for model in choose_models(settings, family, None):
                tuned = peaks.measure(f"tune {model}", steps.tune_model, url, settings, job, model)
                trained.append(peaks.measure(f"train {model}", final_model.train_model, url, settings, job, tuned))
            peaks.measure(f"register {family}", steps.register_best, url, settings, job, trained)
    base = peaks.by_task["(nothing)"].megabytes
    return Report(
        "Peak memory by task",
        f"at most {GOAL_MB} MB in any task",
        ["task", "peak", "beyond what it inherits"],
        [[name, f"{peak.megabytes:.0f} MB", f"{peak.megabytes - base:.0f} MB"] for name, peak in peaks.by_task.items()],
        [
            (
                f"{trips.label}: {len(MONTHS)} months; training split {made.counts['train']:,} rows, "
                f"validation {made.counts['validation']:,}"
            ),
            f"{EVALUATIONS} trials a model; of tasks mapped over months the highest",
            "resident memory, the libraries included that the tasks share with the scheduler, once for all of them",
        ],
    )
