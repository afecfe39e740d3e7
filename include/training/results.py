"""What the tasks of a training hand to each other, to alerts and to asset events, as plain JSON values.

DAG files read this module: it imports nothing that takes time.
"""

from typing import Any, TypedDict

from include.models.table import Family

# The key under which the sentences on model types that the target forbids or asks for are handed on.
TYPE_NOTES = "type_notes"


class LimitValues(TypedDict):
    """The values of a `Limits`."""

    max_evaluations: int
    time_budget: float
    patience: int
    workers: int
    round_size: int


class JobValues(TypedDict):
    """The values of a `Job`."""

    run_key: str
    family: Family
    set_version: int
    feature_set: str
    limits: LimitValues
    random_state: int
    page: str


class SearchValues(TypedDict):
    """One of the workers of a model type's search, numbered from 0."""

    model: str
    worker: int


class Tuned(TypedDict):
    """The best parameters of a model type; `loss` is their validation error, `run_id` the model type's MLflow run."""

    model: str
    run_id: str
    parameters: dict[str, Any]
    loss: float
    trials: int
    stopped_by: str


class Trained(TypedDict):
    """A stored model, and how good it is by split and measure (`validation_mae`, `test_mae`, ...).

    `judged_sha256` is that of the files of its twin, see `train_model`; None where there is none.
    """

    model: str
    run_id: str
    model_uri: str
    judged_sha256: str | None
    metrics: dict[str, float]


class Registered(TypedDict):
    """A family's best model as a version of the registered model `name`; what the asset event says of it."""

    name: str
    version: int
    family: Family
    model: str
    run_id: str
    metrics: dict[str, float]
    training_set_version: int
