"""Work that outlives its caller: a task waits a moment for it and then goes its way.

A thread would end with the task, in the middle of a mail that is then lost or sent twice. A process of its own goes on
until the mail server has answered.
"""

import json
import os
import select
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

# Longer than any mail server may take; then something hangs.
SECONDS_TO_LIVE = 800
LONGEST_LINE = 4000


def run_detached(work: Callable[[], list[str]], seconds: float) -> list[str] | None:
    """Starts `work` in a process of its own and waits for it, but never for longer than `seconds`.

    Returns:
        What it returned, or a line that says how it failed; None if it goes on behind the caller's back.
    """
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        _become_worker(work, writer)
    os.close(writer)
    try:
        answer = _read(reader, seconds)
    finally:
        os.close(reader)
    if answer is None:
        return None
    os.waitpid(process, 0)
    return json.loads(answer) if answer else ["the process that sends alerts ended without reporting anything"]


def _read(reader: int, seconds: float) -> bytes | None:
    """Everything from the pipe until its other end is closed; None if that takes too long."""
    deadline, answer = time.monotonic() + seconds, b""
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        part = os.read(reader, 65536)
        if not part:
            return answer
        answer += part


def _become_worker(work: Callable[[], list[str]], writer: int) -> NoReturn:
    status = 1
    try:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        signal.alarm(SECONDS_TO_LIVE)
        _let_go_of_files(writer)
        try:
            answer = work()
        except BaseException:
            answer = [f"alerts could not be sent: {traceback.format_exc()}"]
        # Whoever waits no longer has closed the pipe.
        os.write(writer, json.dumps([line[:LONGEST_LINE] for line in answer]).encode())
        status = 0
    finally:
        # Not `sys.exit`: the handlers at exit are the caller's, who has not ended.
        os._exit(status)


def _let_go_of_files(kept: int) -> None:
    """Leads what the caller has open to nowhere: whoever supervises it takes an open pipe for a sign of life.

    Nothing is closed: a new connection would get the number of a closed file, into which a logger may still write.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for file in [int(path.name) for path in Path("/dev/fd").iterdir()]:
        if file not in (kept, nothing):
            # The listing's own file is closed by now.
            with suppress(OSError):
                os.dup2(nothing, file)
