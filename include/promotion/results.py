"""What the tasks of a promotion hand to each other and to asset events, as plain JSON values.

DAG files read this module: it imports nothing that takes time.
"""

from typing import TypedDict


class Winner(TypedDict):
    """A version that beat the champion and may take its place, with the sentence that says why."""

    version: int
    reason: str


class NewChampion(TypedDict):
    """A version that became champion; what the asset event says of it."""

    name: str
    version: int
    previous_version: int | None
    family: str | None
    model: str | None
