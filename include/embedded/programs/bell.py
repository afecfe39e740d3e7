"""Wakes the scheduler when there is something for it to do, so that it need not look several times a second.

Whatever starts work goes by Airflow's API server: a person or a program that changes something by its REST API, a task
that has ended and says so. Behind each such request the server rings a bell, a named pipe beside the scheduler.
"""

import os
import re
import select
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

# Names the pipe, for those programs of the embedded stack that are Airflow's.
BELL = "SCHEDULER_BELL"
READS = frozenset(("GET", "HEAD", "OPTIONS"))
MAKES_WORK = re.compile(r"/api/v2/|/execution/(dag-runs/|task-instances/[^/]+/state$)")


class Bell:
    """The scheduler's end of the pipe, which is created if it is missing."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            os.mkfifo(path, 0o600)
        # A writer as well: without one, a pipe whose last writer has gone looks rung for ever.
        self._pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def wait(self, seconds: float) -> bool:
        """Waits until the bell is rung, at most so many seconds, and returns whether it was; rings add up to one."""
        if not select.select([self._pipe], [], [], seconds)[0]:
            return False
        with suppress(BlockingIOError):
            while os.read(self._pipe, select.PIPE_BUF):
                pass
        return True


def ring(path: Path) -> None:
    """Rings the bell; without a scheduler that listens, nothing happens."""
    with suppress(OSError):
        pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(pipe, b"\0")
        finally:
            os.close(pipe)


class Ringing:
    """An ASGI application in front of Airflow's: rings the bell once a request that makes work has been answered.

    Args:
        app: Airflow's.
        path: The bell.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], path: Path) -> None:
        self._app, self._path = app, path

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers one request."""
        await self._app(scope, receive, send)
        if scope["type"] == "http" and scope["method"] not in READS and MAKES_WORK.search(scope["path"]):
            ring(self._path)
