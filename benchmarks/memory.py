"""Peak memory of each task of the main job, in processes forked as the scheduler forks them."""

import importlib
import multiprocessing
import resource
import sys
import warnings
from collections.abc import Callable
from typing import Any

from benchmarks.report import Report
from benchmarks.running import running_stack, settings_of
from benchmarks.trip_data import MONTHS, find_trips
from include.embedded.programs.scheduler import PRELOADED

GOAL_MB = 600
EVALUATIONS = 2
# Airflow's own part of the process that tasks are forked from.
SCHEDULER = (
    "airflow.executors.local_executor",
    "airflow.jobs.scheduler_job_runner",
    "airflow.sdk.execution_time.task_runner",
)
# In the units of `ru_maxrss`: bytes on macOS, else KiB.
MEGABYTE = 2**20 if sys.platform == "darwin" else 2**10


class Peaks:
    """The peak of each task, measured in a process that is forked for it and ends with it."""

    def __init__(self) -> None:
        self.by_task: dict[str, float] = {}

    def measure(self, name: str, work: Callable[..., Any], *arguments: Any) -> Any:
        """Does the work and returns what it returned."""
        with multiprocessing.get_context("fork").Pool(1) as pool:
            result, peak = pool.apply(_measured, (work, arguments))
        self.by_task[name] = max(peak, self.by_task.get(name, 0.0))
        return result


def run() -> Report:
    """Runs the main job's tasks one by one on five months, and notes the highest peak of each."""
    warnings.simplefilter("ignore")
    for name in (*PRELOADED, *SCHEDULER):
        importlib.import_module(name)
    # As every task has loaded them by its end, they are loaded for all.
    from include.models.table import FAMILIES
    from include.sets import build, preparation, publish
    from include.sets.examples import get_training_set
    from include.training import final_model, steps
    from include.training.job import choose_models, make_job

    trips, peaks = find_trips(), Peaks()
    with running_stack(("postgres", "mlflow")) as stack:
        url = stack.warehouse_url
        settings = settings_of(
            trips.settings, months=MONTHS, mlflow_tracking_uri=stack.mlflow_address, max_evaluations=EVALUATIONS
        )
        peaks.measure("(nothing)", int)
        peaks.measure("load_references", preparation.load_references, url, settings)
        plan = peaks.measure("plan", preparation.plan, url, settings, {}).plan.to_dict()
        for month in MONTHS:
            peaks.measure("ingest", preparation.ingest, url, settings, month)
        peaks.measure("validate_raw", preparation.validate_raw, url, settings, plan)
        version = peaks.measure("transform", preparation.transform, url, settings, plan, "benchmark")
        counts = peaks.measure("build", build.build, url, version)
        peaks.measure("validate_training_set", build.validate, url, settings, version)
        peaks.measure("publish", publish.publish, url, version, settings.keep_versions)
        for family in FAMILIES:
            made = get_training_set(url, version)
            job = make_job(settings, family, f"{family}_training/benchmark", made)
            trained = []
            for model in choose_models(settings, family, None):
                tuned = peaks.measure(f"tune {model}", steps.tune_model, url, settings, job, model)
                trained.append(peaks.measure(f"train {model}", final_model.train_model, url, settings, job, tuned))
            peaks.measure(f"register {family}", steps.register_best, url, settings, job, trained)
    base = peaks.by_task["(nothing)"]
    return Report(
        "Peak memory by task",
        f"at most {GOAL_MB} MB in any task",
        ["task", "peak", "beyond what it inherits"],
        [[name, f"{peak:.0f} MB", f"{peak - base:.0f} MB"] for name, peak in peaks.by_task.items()],
        [
            (
                f"{trips.label}: {len(MONTHS)} months; training split {counts['train']:,} rows, "
                f"validation {counts['validation']:,}"
            ),
            f"{EVALUATIONS} trials a model; of tasks mapped over months the highest",
            "resident memory, the libraries included that the tasks share with the scheduler, once for all of them",
        ],
    )


def _measured(work: Callable[..., Any], arguments: tuple) -> tuple[Any, float]:
    result = work(*arguments)
    return result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE
