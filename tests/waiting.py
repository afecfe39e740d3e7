"""How tests wait for what other processes do."""

import time
from collections.abc import Callable
from typing import Any

# Far beyond what anything takes: it ends a wait in vain, on a machine with much else to do as well.
MOST_SECONDS = 1200
# Often at first, then less so: looks take processor time from what is waited for.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
SHARE_OF_WAIT = 0.1


def wait_until(condition: Callable[[], Any], what: str) -> None:
    """Looks again and again; an end without success is an error that says what was waited for."""
    start = time.monotonic()
    while not condition():
        waited = time.monotonic() - start
        assert waited < MOST_SECONDS, f"waited {MOST_SECONDS} s in vain until {what}"
        time.sleep(min(max(SHORTEST_PAUSE, SHARE_OF_WAIT * waited), LONGEST_PAUSE))
