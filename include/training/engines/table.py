"""Chooses the engine that fits a model."""

from collections.abc import Mapping
from typing import Any

from include.errors import SettingsError
from include.models.table import ModelType
from include.settings import Settings
from include.training.engines.dask_engine import NAME, OnDask, can_fit
from include.training.engines.in_task import InTask
from include.training.engines.protocol import Engine

IN_TASK: Engine = InTask()


def choose_engine(settings: Settings, model: ModelType) -> Engine:
    """The engine that fits a model type, as the settings say; the task where none other can."""
    if settings.training_engine != NAME or not can_fit(model):
        return IN_TASK
    return OnDask(settings.dask_scheduler_address, settings.dask_workers, settings.tuning_rows)


def engine_of(settings: Settings, fit: Mapping[str, Any]) -> Engine:
    """The engine that a version was fitted by, as its record says.

    Raises:
        SettingsError: The settings do not name one of its kind.
    """
    made_by = fit.get("engine")
    if made_by is None:
        return IN_TASK
    if settings.training_engine != made_by["name"]:
        raise SettingsError(
            f"It was fitted by {made_by['workers']} workers of a Dask cluster, and only as many build it again: set"
            f" TRAINING_ENGINE={made_by['name']} and DASK_SCHEDULER_ADDRESS, and repeat."
        )
    return OnDask(settings.dask_scheduler_address, made_by["workers"], made_by["validation_rows"])
