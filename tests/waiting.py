"""How tests wait for what other processes do."""

import time
from collections.abc import Callable
from typing import Any

# Far beyond what anything takes: it ends a wait in vain, on a machine with much else to do as well.
MOST_SECONDS = 1200
SECONDS_BETWEEN_LOOKS = 0.3


def wait_until(condition: Callable[[], Any], what: str) -> None:
    """Looks again and again; an end without success is an error that says what was waited for."""
    deadline = time.monotonic() + MOST_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {MOST_SECONDS} s in vain until {what}"
        time.sleep(SECONDS_BETWEEN_LOOKS)
