"""What the tasks of monitoring hand to each other and to asset events, as plain JSON values.

DAG files read this module: it imports nothing that takes time.
"""

from collections.abc import Sequence
from typing import TypedDict


class WindowValues(TypedDict):
    """The values of a `Window`; its first day is in ISO form."""

    start: str
    days: int


class DriftValues(TypedDict):
    """The values of a `DriftReport`."""

    name: str
    champion_version: int
    windows: list[WindowValues]
    drifted: dict[str, Sequence[bool]]
    alarming: Sequence[str]
    shares: dict[str, str]
    errors: Sequence[str]
    requests: str


class AlarmValues(TypedDict):
    """The values of an `Alarm`; what the asset event says of it."""

    champion_version: int
    columns: list[str]
    errors: list[str]
    windows: list[str]
