"""Live progress of DAG runs: redrawn on a terminal, and only what changed anywhere else."""

import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from include.embedded.commands.airflow_api import ASKING, AirflowApi, Run, Task
from include.problem.objectives.objective import Objective

SECONDS_BETWEEN_LOOKS = 1.0


class Progress:
    """Shows the lines that it is given last, until it is closed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = time.monotonic()
        self._seen: set[str] = set()
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, lines: Iterable[str]) -> None:
        """Replaces what is shown by `lines`."""
        elapsed = f"{time.monotonic() - self._begun:6.1f} s  "
        if self._live:
            self._live.update(Text("\n".join([elapsed.strip(), *lines])))
            return
        for line in lines:
            if line not in self._seen:
                self._console.print(elapsed + line, markup=False, soft_wrap=True)
        self._seen = set(lines)


def watch(api: AirflowApi, runs: list[Run], more: Callable[[], list[str]], show: Progress) -> list[Run]:
    """Follows runs until each has finished, or does nothing but wait for a person's answer.

    Args:
        api: The server that knows them.
        runs: The runs to follow.
        more: Gives lines to show below those on the runs.
        show: Where the progress appears.

    Returns:
        The runs as they are then.
    """
    while True:
        runs = [run if run.is_finished else api.refresh(run) for run in runs]
        tasks = [[] if run.is_finished else api.tasks(run) for run in runs]
        show.show([*map(describe, runs, tasks), *more()])
        if all(run.is_finished or is_asking(at_work) for run, at_work in zip(runs, tasks, strict=True)):
            return runs
        time.sleep(SECONDS_BETWEEN_LOOKS)


def is_asking(tasks: list[Task]) -> bool:
    """Whether a run's active tasks do nothing but wait for a person's answer."""
    return bool(tasks) and all(task.state == ASKING for task in tasks)


def describe_trials(objective: Objective, model: str, count: int, loss: float) -> str:
    """One line on a model in tuning."""
    best = f"{objective.name} {objective.show(loss)}"
    return f"  {model}: best {best} after {count} {'trial' if count == 1 else 'trials'}"


def describe(run: Run, tasks: list[Task]) -> str:
    """One line on a run: its state, and what it works on."""
    working = [task for task in tasks if task.state != "queued"] or tasks
    states = {ASKING: "waiting for a person"}
    doing = {
        _name(task) if task.state == "running" else f"{_name(task)} ({states.get(task.state, task.state)})"
        for task in working
    }
    return f"{run.dag_id} {run.state}" + (f": {', '.join(sorted(doing))}" if doing else "")


def _name(task: Task) -> str:
    # Until its label is known, a mapped task has a number, which says nothing to a person.
    return task.task_id if task.label == str(task.map_index) else task.title
