"""When Python looks for objects that only refer to each other."""

import gc

NEW_OBJECTS = 50_000


def collect_seldom() -> None:
    """Has this process look for them after 50,000 new objects, not after 700.

    For programs that import much: a third of the time in which Airflow's API server starts would go to looking through
    what it has just imported. Not for what holds matrices in such objects, whose memory would be free late.
    """
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
