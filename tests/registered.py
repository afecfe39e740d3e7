"""Small registered models for tests, in a real MLflow."""

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.exceptions import MlflowException

from include.models.artifact import Model
from include.models.fitting import encode, fit, join_members
from include.models.table import get_model, name_blend, type_of
from include.settings import Settings
from include.tracking import model_logging, registry, runs
from include.tracking.registry import CHAMPION, RegisteredVersion
from include.tracking.runs import Tracker
from tests.splits import PROBLEM, REFERENCES, make_split, take

LASSO, BOOSTER, FOREST = "linear_model.Lasso", "gbtree.squarederror", "ensemble.RandomForestRegressor"
LEAFWISE = "gbdt.gamma"
# A blend of boosters, and one whose members' margins are logarithms.
BLEND, LOG_BLEND = name_blend(BOOSTER), name_blend(LEAFWISE)
TRAIN, VALIDATION = make_split(300), make_split(60, seed=3)


def configure(mlflow_url: str | None, name: str = "trip-duration", **others: Any) -> Settings:
    """Settings of the tests' own, with a registered model of that name."""
    return Settings(mlflow_tracking_uri=mlflow_url, registered_model=name, **others)


@cache
def make_model(model: str, feature_set: str = "rich") -> Model:
    """A model type with its first parameters, or a blend of two fits, fitted to seeded trips."""
    model_type = get_model(type_of(model))
    data = encode(model_type, PROBLEM, feature_set, REFERENCES, TRAIN, VALIDATION)
    start = dict(model_type.start)
    parameters = start if model == model_type.name else join_members([start, {**start, "learning_rate": 0.3}])
    fitted = fit(model_type, parameters, data, random_state=1, threads=1)
    metadata: dict[str, Any] = {
        "family": model_type.family,
        "model": model,
        "parameters": parameters,
        "lineage": {"training_set_version": "3", "git_commit": "c0ffee"},
    }
    if hasattr(fitted.estimator, "coef_"):
        metadata["means"] = np.asarray(data.train.mean(axis=0)).ravel().tolist()
    model = Model.of(data, fitted.estimator, metadata)
    return model.bound(VALIDATION, model.predict(VALIDATION.rows))


@cache
def log_once(mlflow_url: str, model: str) -> tuple[str, str]:
    """Logs a model in a run of its own; run id and the model's URI."""
    tracker = runs.open_tracker(configure(mlflow_url))
    run_id = tracker.client.create_run(tracker.experiment_id).info.run_id
    made = make_model(model)
    example = take(VALIDATION.rows, slice(3))
    options: dict[str, Any] = {"metrics": {"validation_rmse": 1.25}, "tables": {}, "figures": {}, "example": example}
    return run_id, model_logging.log_model(tracker, run_id, made.metadata["family"], made, **options)


def register(tracker: Tracker, name: str, model: str, alias: str | None = CHAMPION) -> RegisteredVersion:
    """Registers a model as the next version of `name`, and points the alias at it."""
    run_id, uri = log_once(tracker.uri, model)
    tags = {"run_id": run_id, "model": model}
    # Another test may have had to do with a server that is away.
    mlflow.set_tracking_uri(tracker.uri)
    version = int(mlflow.register_model(uri, name, tags=tags).version)
    if alias:
        tracker.client.set_registered_model_alias(name, alias, str(version))
    return registry.get_version(tracker, name, version)


def register_damaged(tracker: Tracker, name: str, model: str, file: str, directory: Path) -> RegisteredVersion:
    """Registers a model as the next version and the champion, one of whose stored files has a byte that differs."""
    _, uri = log_once(tracker.uri, model)
    folder = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(directory), tracking_uri=tracker.uri))
    path = folder / "data" / "model" / file
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2] ^= 1
    path.write_bytes(contents)
    run_id = tracker.client.create_run(tracker.experiment_id).info.run_id
    tracker.client.log_artifacts(run_id, str(folder), "model")
    source = f"{tracker.client.get_run(run_id).info.artifact_uri}/model"
    with suppress(MlflowException):
        tracker.client.create_registered_model(name)
    version = tracker.client.create_model_version(name, source, run_id, tags={"run_id": run_id}).version
    tracker.client.set_registered_model_alias(name, CHAMPION, version)
    return registry.get_version(tracker, name, int(version))
