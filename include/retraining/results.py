"""What the tasks of a retraining hand to each other, as plain JSON values.

DAG files read this module: it imports nothing that takes time.
"""

from typing import NotRequired, TypedDict


class PreparationRequest(TypedDict):
    """Parameters of data_preparation for the months of a retraining."""

    months: list[str]
    validation_from: str | None
    test_from: NotRequired[str]


class RetrainingValues(TypedDict):
    """The values of a `Retraining`."""

    reasons: list[str]
    months: list[str]
    set_version: int | None
    preparation: PreparationRequest
    requested_at: str
    fingerprint: str


class StartedRun(TypedDict):
    """A run that a retraining has started."""

    dag_id: str
    run_id: str


class EndedRun(StartedRun):
    """A run that a retraining has started or followed, as it ended."""

    state: str
