"""What the tasks of a training hand to each other, to alerts and to asset events, as plain JSON values.

DAG files read this module: it imports nothing that takes time.
"""

from typing import Any, NotRequired, TypedDict

from include.models.table import Family

# The key under which sentences are handed on: on model types that the target forbids or asks for, and on the blend.
TYPE_NOTES = "type_notes"


class LimitValues(TypedDict):
    """The values of a `Limits`."""

    max_evaluations: int
    time_budget: float
    patience: int
    workers: int
    concurrency: int


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


class Candidate(TypedDict):
    """What is to be trained: a model type with its best parameters, or a blend with those of its members as lists.

    `run_id` is its MLflow run.
    """

    model: str
    run_id: str
    parameters: dict[str, Any]


class Tuned(Candidate):
    """The best parameters of a model type; `loss` is their error on validation."""

    loss: float
    trials: int
    stopped_by: str


class Trained(TypedDict):
    """A stored model, and how good it is by split and measure (`validation_mae`, `test_mae`, ...).

    `judged_sha256` is that of the files of its twin, see `train_model`; None where there is none. `fitted_to` says how
    many rows of all it is fitted to; empty: to all.
    """

    model: str
    run_id: str
    model_uri: str
    judged_sha256: str | None
    metrics: dict[str, float]
    fitted_to: NotRequired[str]


class Registered(TypedDict):
    """A family's best model as a version of the registered model `name`; what the asset event says of it."""

    name: str
    version: int
    family: Family
    model: str
    run_id: str
    metrics: dict[str, float]
    training_set_version: int
