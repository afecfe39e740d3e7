"""What the tasks of data preparation hand to each other and to asset events, as plain JSON values.

DAG files read this module: it imports nothing that takes time.
"""

from collections.abc import Sequence
from typing import TypedDict

# Where a preparation that skips the rest hands on the version of the fresh set.
FRESH_VERSION = "fresh_version"


class PlanValues(TypedDict):
    """The values of a `Plan`."""

    months: list[str]
    validation_from: str | None
    test_from: str | None
    outdated_after: float
    force: bool


class IngestValues(TypedDict):
    """The values of an `Ingest`: what became of a month."""

    month: str
    rows: int
    rejected: int
    sha256: str
    changed: bool
    warnings: Sequence[str]


class ValidationValues(TypedDict):
    """The values of a `Validation`: a month's rows, and how many broke each rule."""

    month: str
    rows: int
    rejected: dict[str, int]


class PublishedValues(TypedDict):
    """The values of a `Published`; what the asset event says of a training set."""

    version: int
    fingerprint: str
    months: list[str]
    counts: dict[str, int]
