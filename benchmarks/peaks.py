"""Peak memory and seconds of work that is done in processes forked as the scheduler forks them."""

import importlib
import multiprocessing
import resource
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

from include.embedded.programs.airflow import PRELOADED

# Airflow's own part of the process that tasks are forked from.
SCHEDULER = (
    "airflow.executors.local_executor",
    "airflow.jobs.scheduler_job_runner",
    "airflow.sdk.execution_time.task_runner",
)
# In the units of `ru_maxrss`: bytes on macOS, else KiB.
MEGABYTE = 2**20 if sys.platform == "darwin" else 2**10


class Peak(NamedTuple):
    """The highest resident memory of a task, libraries included, and the longest time that it took."""

    megabytes: float
    seconds: float


class Peaks:
    """The peak of each task, measured in a process that is forked for it and ends with it."""

    def __init__(self) -> None:
        # As every task has loaded them by its end, they are loaded for all.
        for name in (*PRELOADED, *SCHEDULER, "include.training.steps", "include.training.final_model"):
            importlib.import_module(name)
        self.by_task: dict[str, Peak] = {}
        self.measure("(nothing)", int)

    def measure(self, name: str, work: Callable[..., Any], *arguments: Any) -> Any:
        """Does the work and returns what it returned; of several works of one name, the highest figures count."""
        with multiprocessing.get_context("fork").Pool(1) as pool:
            result, peak = pool.apply(_measured, (work, arguments))
        self.by_task[name] = Peak(*map(max, zip(peak, self.by_task.get(name, peak), strict=True)))
        return result


def _measured(work: Callable[..., Any], arguments: tuple) -> tuple[Any, Peak]:
    begun = perf_counter()
    result = work(*arguments)
    seconds = perf_counter() - begun
    return result, Peak(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE, seconds)
