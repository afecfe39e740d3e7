"""What was read a moment ago: several cards ask for the same, and a server that is away is asked once for all."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any

from include.errors import MltrainError

SECONDS_KEPT = 10
MOST_KEPT = 64

# When it was read, for how many seconds it is kept, and what it is.
_kept: dict[Hashable, tuple[float, float, Any]] = {}
_locks: dict[Hashable, threading.Lock] = {}


def keep(key: Hashable, read: Callable[[], Any], seconds: float = SECONDS_KEPT) -> Any:
    """What `read` gave at most `seconds` ago; one caller reads, the others wait for it.

    An error of ours is kept, too, and raised again; what was away for a moment is asked again soon, however long an
    answer is kept.
    """
    with _locks.setdefault(key, threading.Lock()):
        found = _kept.get(key)
        if found is None or _is_old(found[0], seconds, found[2]):
            try:
                outcome = read()
            except MltrainError as error:
                outcome = error
            _kept[key] = found = (time.monotonic(), seconds, outcome)
            _forget_old()
    if isinstance(found[2], MltrainError):
        raise found[2]
    return found[2]


def _is_old(read_at: float, seconds: float, outcome: Any) -> bool:
    limit = min(seconds, SECONDS_KEPT) if isinstance(outcome, MltrainError) else seconds
    return time.monotonic() - read_at > limit


def _forget_old() -> None:
    """Models are large: what would be read again anyway goes, and of the rest the oldest beyond so many."""
    newest_first = sorted(_kept.items(), key=lambda item: -item[1][0])
    for place, (key, found) in enumerate(newest_first):
        lock = _locks.get(key)
        # Whoever holds the lock reads it again, for all others that wait.
        if (place >= MOST_KEPT or _is_old(*found)) and not (lock and lock.locked()):
            _kept.pop(key, None)
            _locks.pop(key, None)
