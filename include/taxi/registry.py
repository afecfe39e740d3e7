"""The model registry in MLflow: versions, aliases and the models behind them."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from include.taxi.artifact import TripModel
from include.taxi.tracking import Tracker, translate_errors

CHAMPION = "champion"
CHALLENGER = "challenger"
PREVIOUS = "previous"


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of the registered model.

    Attributes:
        tags: Lineage, `family`, `model` and `run_id`.
    """

    name: str
    version: int
    tags: Mapping[str, str]


def register_model(
    tracker: Tracker, name: str, run_id: str, model_uri: str, tags: Mapping[str, str], description: str
) -> int:
    """Registers a logged model as a new version and points the alias `challenger` at it; found again on a retry."""
    import mlflow

    with translate_errors("register the model", tracker.uri):
        found = tracker.client.search_model_versions(f"name = '{name}' AND run_id = '{run_id}'")
        if found:
            registered = int(found[0].version)
        else:
            registered = int(mlflow.register_model(model_uri, name, tags=dict(tags)).version)
            tracker.client.update_model_version(name, str(registered), description)
        tracker.client.set_registered_model_alias(name, CHALLENGER, str(registered))
    return registered


def find_version(tracker: Tracker, name: str, alias: str) -> RegisteredVersion | None:
    """The version that an alias points at, None where there is no such alias or model."""
    from mlflow.exceptions import MlflowException

    with translate_errors(f"look up {name}@{alias}", tracker.uri):
        try:
            found = tracker.client.get_model_version_by_alias(name, alias)
        except MlflowException as error:
            # A missing alias is an invalid parameter to MLflow, a missing model does not exist.
            if error.error_code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"):
                return None
            raise
    return RegisteredVersion(name, int(found.version), dict(found.tags))


def get_version(tracker: Tracker, name: str, version: int) -> RegisteredVersion:
    """The version of that number."""
    with translate_errors(f"look up {name} version {version}", tracker.uri):
        found = tracker.client.get_model_version(name, str(version))
    return RegisteredVersion(name, int(found.version), dict(found.tags))


def load_model(tracker: Tracker, version: RegisteredVersion, *, threads: int = 1) -> TripModel:
    """Downloads a version's artifact and loads it with this code.

    Raises:
        ModelInvalid: It is not a model that this code can load.
        TrackingUnavailable: The server is away.
    """
    with tempfile.TemporaryDirectory() as directory:
        return TripModel.load(download_model(tracker, version, Path(directory)), threads=threads)


def download_model(tracker: Tracker, version: RegisteredVersion, directory: Path) -> Path:
    """Downloads a version's artifact; returns the folder that `TripModel.load` reads."""
    import mlflow

    with translate_errors(f"download {version.name} version {version.version}", tracker.uri):
        uri = f"models:/{version.name}/{version.version}"
        return (
            Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(directory), tracking_uri=tracker.uri))
            / "data"
            / "model"
        )
