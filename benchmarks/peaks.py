"""Peak memory and seconds of work that is done in processes forked as the scheduler forks them."""

import importlib
import multiprocessing
import re
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
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
SAMPLED_EVERY = 0.02


class Peak(NamedTuple):
    """The highest resident memory of a task, libraries included, and the longest time that it took.

    Attributes:
        held: Without pages of files, which the system can take away at any time; where it does not tell, with them.
    """

    megabytes: float
    held: float
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
        with multiprocessing.get_context("fork").Pool(1) as pool, _watch() as held:
            result, megabytes, seconds = pool.apply(_measured, (work, arguments))
        peak = Peak(megabytes, max(held, default=megabytes), seconds)
        self.by_task[name] = Peak(*map(max, zip(peak, self.by_task.get(name, peak), strict=True)))
        return result


def _measured(work: Callable[..., Any], arguments: tuple) -> tuple[Any, float, float]:
    begun = perf_counter()
    result = work(*arguments)
    seconds = perf_counter() - begun
    return result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE, seconds


@contextmanager
def _watch() -> Iterator[list[float]]:
    """What the child of this process holds without pages of files, again and again, in megabytes.

    Empty where there is no /proc.
    """
    held: list[float] = []
    ended = Event()

    def follow() -> None:
        while not ended.wait(SAMPLED_EVERY):
            for child in multiprocessing.active_children():
                with suppress(OSError):  # it has ended
                    status = Path(f"/proc/{child.pid}/status").read_text(encoding="utf-8")
                    kinds = re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+) kB", status, re.MULTILINE)
                    held.append(sum(map(int, kinds)) / 2**10)

    follower = Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield held
    finally:
        ended.set()
        follower.join()
