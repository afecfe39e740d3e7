"""Versions to judge: how they are registered, judged and broken, and which one is champion."""

from typing import Any

import mlflow
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from include.models.artifact import Model
from include.problem.data import Split
from include.promotion import decisions, judging
from include.sets.examples import TrainingSet, get_training_set
from include.settings import Settings
from include.tracking import model_logging, registry, runs
from include.tracking.lineage import Lineage
from include.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS

LASSO, LINEAR, FOREST = "linear_model.Lasso", "linear_model.LinearRegression", "ensemble.ExtraTreesRegressor"
SMALL_FOREST = {"n_estimators": 30, "max_depth": 12}
WEAK = {"alpha": 5.0}
RUN = "model_promotion/manual__1"
# How a model was fitted -> where its files are. Each test's set is a copy of one, and to fit and write a model takes a
# second: versions of one fit share its files.
LOGGED: dict[tuple[Any, ...], str] = {}


def find_files(settings: Settings, version: int) -> str:
    """The address of a version's files."""
    return str(runs.open_tracker(settings).client.get_model_version(settings.registered_model, str(version)).source)


# As training measures them: with the distance of the meter, and with the usual one.
METRICS = {"validation_rmse": 4.5, "validation_rmse_estimated": 5.25}


def store(
    url: str,
    settings: Settings,
    trained: Model | str,
    model: str,
    split: Split,
    twin: Model | None = None,
    *,
    family: str = "sklearn",
    set_version: int = 1,
) -> int:
    """Registers a model, or the files of one, as the next version."""
    training_set: TrainingSet = get_training_set(url, set_version)
    tracker = runs.open_tracker(settings)
    run_key = f"{family}_training/{len(registry.list_versions(tracker, settings.registered_model))}"
    lineage = Lineage(run_key, training_set, "rich", "c0ffee", 42)
    run_id = runs.open_run(tracker, lineage, family, model)
    example = {name: values[:2] for name, values in split.rows.items()}
    if isinstance(trained, str):
        uri = trained
        for name, value in METRICS.items():
            tracker.client.log_metric(run_id, name, value)
    else:
        uri = model_logging.log_model(
            tracker, run_id, "sklearn", trained, metrics=METRICS, tables={}, figures={}, example=example
        )
    tags = {**lineage.tags, "family": family, "model": model, "run_id": run_id}
    if twin:
        tags[registry.JUDGED_DIGEST_TAG] = model_logging.log_twin(tracker, run_id, twin)
    return registry.register_model(tracker, settings.registered_model, run_id, uri, tags, "")


def read_aliases(settings: Settings) -> dict[str, int]:
    tracker = runs.open_tracker(settings)
    found = {
        alias: registry.find_version(tracker, settings.registered_model, alias)
        for alias in (CHAMPION, PREVIOUS, CHALLENGER)
    }
    return {alias: version.version for alias, version in found.items() if version}


def judge_and_promote(url: str, settings: Settings, version: int) -> str:
    """The state that a version ends in."""
    judging.judge(url, settings, version, RUN)
    judging.promote(url, settings, [version], RUN)
    found = decisions.find_judgement(url, settings.registered_model, version)
    assert found
    return found.state


def break_model(settings: Settings, version: int) -> None:
    """Deletes a version's files."""
    location = mlflow.get_logged_model(find_files(settings, version).removeprefix("models:/")).artifact_location
    get_artifact_repository(location).delete_artifacts("data")
