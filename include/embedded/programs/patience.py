"""How long a program that comes up is waited for: while it is seen at work."""

import time
from pathlib import Path

import psutil

# Less than that is what an idle program needs to look whether there is something to do.
SECONDS_OF_WORK = 1.0
# However busy it seems: what works for ever without coming up is broken.
MOST_TIMES = 10


class Patience:
    """Watches one program: its log, and the processor time of its processes.

    Args:
        seconds: How long the program may show no sign of work, at most.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._begun = self._last = time.monotonic()
        self._log_bytes = 0
        self._work = 0.0

    def look(self, process: int, log: Path) -> bool:
        """Checks what the program has done since the last sign of work, and returns whether waiting is still worth it.

        Args:
            process: Id of its first process; 0 where there is none.
            log: Its log.
        """
        now, size, work = time.monotonic(), log.stat().st_size if log.exists() else 0, measure_work(process)
        # A process of its own log and time may have taken the place of the one before.
        if size != self._log_bytes or not 0 <= work - self._work < SECONDS_OF_WORK:
            self._last, self._log_bytes, self._work = now, size, work
        return now < self._last + self._seconds and now < self._begun + MOST_TIMES * self._seconds


def measure_work(process: int) -> float:
    """Seconds of processor time that a process and its descendants have used; 0 where there is none."""
    try:
        first = psutil.Process(process)
        times = [one.cpu_times() for one in (first, *first.children(recursive=True))] if process else []
    except psutil.Error:
        return 0.0
    return sum(one.user + one.system for one in times)
