"""Finding and ending the processes that a stack started, also those whose parent is gone."""

import os
from collections.abc import Iterable
from pathlib import Path

import psutil

MARKER = "MLTRAIN_STACK"
SECONDS_TO_END = 5.0


def find_processes(directories: Iterable[Path], stack: Path | None = None) -> list[psutil.Process]:
    """The processes that work in one of `directories` or carry the mark of `stack` in their environment.

    Programs that rewrite their title (Postgres, Airflow's workers) overwrite the memory that their environment is
    read from; the working directory stays. A terminal's processes are a person's, wherever they stand.
    """
    roots = {str(directory.resolve()) for directory in directories}
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        if process.pid in mine:
            continue
        try:
            marked = stack is not None and process.environ().get(MARKER) == str(stack)
            if marked or (process.terminal() is None and _is_below(process.cwd(), roots)):
                found.append(process)
        except psutil.Error:
            continue
    return found


def end_processes(processes: list[psutil.Process]) -> int:
    """Asks processes to end, kills those that have not after `SECONDS_TO_END`, and returns how many there were."""
    for action in ("terminate", "kill"):
        for process in processes:
            try:
                getattr(process, action)()
            except psutil.NoSuchProcess:
                continue
        processes_left = psutil.wait_procs(processes, timeout=SECONDS_TO_END)[1]
        if not processes_left:
            break
    return len(processes)


def _is_below(directory: str, roots: set[str]) -> bool:
    return any(directory == root or directory.startswith(root + os.sep) for root in roots)
