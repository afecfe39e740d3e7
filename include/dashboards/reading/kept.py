"""What was read a moment ago: several cards ask for the same, and a server that is away is asked once for all."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any

from include.errors import MltrainError

SECONDS_KEPT = 10
MOST_KEPT = 64

_kept: dict[Hashable, tuple[float, Any]] = {}
_locks: dict[Hashable, threading.Lock] = {}


def keep(key: Hashable, read: Callable[[], Any], seconds: float = SECONDS_KEPT) -> Any:
    """What `read` gave at most `seconds` ago; one caller reads, the others wait for it.

    An error of ours is kept, too, and raised again; what was away for a moment is asked again soon, however long an
    answer is kept.
    """
    with _locks.setdefault(key, threading.Lock()):
        found = _kept.get(key)
        if found is None or _is_old(*found, seconds):
            try:
                outcome = read()
            except MltrainError as error:
                outcome = error
            _kept[key] = found = (time.monotonic(), outcome)
            _forget_oldest()
    if isinstance(found[1], MltrainError):
        raise found[1]
    return found[1]


def _is_old(read_at: float, outcome: Any, seconds: float) -> bool:
    limit = min(seconds, SECONDS_KEPT) if isinstance(outcome, MltrainError) else seconds
    return time.monotonic() - read_at > limit


def _forget_oldest() -> None:
    # Models are large: what nobody looked at for long goes.
    for key, _ in sorted(_kept.items(), key=lambda item: item[1][0])[:-MOST_KEPT]:
        _kept.pop(key, None)
        _locks.pop(key, None)
