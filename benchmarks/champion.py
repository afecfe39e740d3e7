"""A champion for the benchmarks of predictions: a booster with native categories, on two months, registered."""

from dataclasses import dataclass
from typing import Any

import mlflow

from benchmarks.plain_script import find_references, split_trips
from benchmarks.running import settings_of
from benchmarks.trip_data import find_trips
from include.embedded.stack import Stack
from include.models.artifact import Model
from include.models.estimator_files import dump_estimator, parse_estimator
from include.models.fitting import encode, fit
from include.models.libraries.table import LIBRARIES
from include.models.table import MODELS
from include.problem.data import Split
from include.sets.plan import make_plan
from include.settings import Settings
from include.tracking import model_logging, runs
from include.tracking.registry import CHAMPION
from include.tracking.runs import Tracker

# What wins the main job.
MODEL = "gbdt.squarederror"
MONTHS = ("2024-01", "2024-02")


@dataclass(frozen=True)
class Trained:
    """The model, the trips that it was validated on, and what trips they are."""

    model: Model
    validation: Split
    label: str

    @property
    def size(self) -> str:
        """How large the model is."""
        estimator = self.model.estimator
        library = LIBRARIES[self.model.metadata["family"]]
        return f"{self.model.metadata['model']}, {library.count_rounds(estimator)} trees"


def train(model: str = MODEL, **changes: Any) -> Trained:
    """Fits a booster with its first parameters, but for `changes`, as training does; it predicts by one thread."""
    trips = find_trips()
    settings = settings_of(trips.settings, months=MONTHS)
    splits = split_trips(settings, make_plan(settings, validation_from=f"{MONTHS[1]}-01"))
    data = encode(MODELS[model], settings.problem, "rich", find_references(settings), *splits)
    parameters = {**MODELS[model].start, **changes}
    fitted = fit(MODELS[model], parameters, data, random_state=settings.random_state, threads=2)
    metadata = {"family": MODELS[model].family, "model": model, "parameters": parameters, "lineage": {}}
    estimator = parse_estimator(*dump_estimator(fitted.estimator), threads=1)
    return Trained(Model.of(data, estimator, metadata), splits[1], trips.label)


def register(stack: Stack, trained: Trained, versions: int = 1) -> tuple[Settings, Tracker]:
    """Registers the model so many times in the stack's registry; the first version is champion."""
    settings = settings_of({}, mlflow_tracking_uri=stack.mlflow_address)
    tracker = runs.open_tracker(settings)
    run_id = tracker.client.create_run(tracker.experiment_id).info.run_id
    example = {name: values[:3] for name, values in trained.validation.rows.items()}
    family = trained.model.metadata["family"]
    uri = model_logging.log_model(
        tracker, run_id, family, trained.model, metrics={}, tables={}, figures={}, example=example
    )
    name = settings.registered_model
    for _ in range(versions):
        mlflow.register_model(uri, name, tags={"run_id": run_id})
    tracker.client.set_registered_model_alias(name, CHAMPION, "1")
    return settings, tracker
