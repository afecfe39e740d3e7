"""LocalExecutor that gives the scheduler pauses as long as there is nothing to do, and ends them when there is.

Airflow's own pause has one length: short, it costs a tenth of a core on an idle stack; long, each run begins late. An
executor is asked for its results once in each round of the scheduler, outside of any transaction, so that it can hold
the round up.
"""

import os
import time
from pathlib import Path
from typing import Any

from airflow.executors.local_executor import LocalExecutor

from include.embedded.programs.bell import BELL, Bell

# In seconds. The first is the pause after something has happened: what follows from it may take the scheduler another
# round. The last is how late it finds what nothing wakes it for: a schedule, a retry, a trigger that has fired.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
SECONDS_BETWEEN_LOOKS = 0.1


class PausingExecutor(LocalExecutor):
    """Pauses until a task has ended or the bell is rung; each pause in which nothing happens doubles the next."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._pause = SHORTEST_PAUSE

    def start(self) -> None:
        """Starts the workers, and listens."""
        super().start()
        self._bell = Bell(Path(os.environ[BELL]))

    def sync(self) -> None:
        """Takes the results of tasks, for which it waits a while."""
        super().sync()
        # What has ended is told first.
        if not self.event_buffer:
            self._pause = SHORTEST_PAUSE if self._wait() else min(2 * self._pause, LONGEST_PAUSE)
            super().sync()

    def _wait(self) -> bool:
        """Waits for as long as a pause lasts, and returns whether something happened."""
        end = time.monotonic() + self._pause
        while (left := end - time.monotonic()) > 0:
            if self._bell.wait(min(left, SECONDS_BETWEEN_LOOKS)) or not self.result_queue.empty():
                return True
        return False
