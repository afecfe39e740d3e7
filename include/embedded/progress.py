"""Live progress of DAG runs: redrawn on a terminal, and only what changed anywhere else."""

import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from include.embedded.airflow_api import AirflowApi, Run, Task

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


def watch(
    api: AirflowApi, runs: list[Run], trials: Callable[[], list[tuple[str, int, float]]], show: Progress
) -> list[Run]:
    """Follows runs until all have finished.

    Args:
        api: The server that knows them.
        runs: The runs to follow.
        trials: Gives model, trials so far and least error of each model in tuning.
        show: Where the progress appears.

    Returns:
        The runs as they ended.
    """
    while True:
        runs = [run if run.is_finished else api.refresh(run) for run in runs]
        lines = [describe(run, [] if run.is_finished else api.tasks(run)) for run in runs]
        lines += [f"  {model}: best error {loss:.4g} after {count} trials" for model, count, loss in trials()]
        show.show(lines)
        if all(run.is_finished for run in runs):
            return runs
        time.sleep(SECONDS_BETWEEN_LOOKS)


def describe(run: Run, tasks: list[Task]) -> str:
    """One line on a run: its state, and what it works on."""
    working = [task for task in tasks if task.state != "queued"] or tasks
    doing = {_name(task) if task.state == "running" else f"{_name(task)} ({task.state})" for task in working}
    return f"{run.dag_id} {run.state}" + (f": {', '.join(sorted(doing))}" if doing else "")


def _name(task: Task) -> str:
    # Until its label is known, a mapped task has a number, which says nothing to a person.
    return task.task_id if task.label == str(task.map_index) else task.title
