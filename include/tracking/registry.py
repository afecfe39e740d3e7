"""The model registry in MLflow: versions, aliases and the models behind them."""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from include.errors import ModelInvalid, TrackingUnavailable
from include.models.artifact import Model
from include.models.manifest import MANIFEST, read_digest
from include.models.table import TRAINING_DAGS
from include.tracking.runs import Tracker, translate_errors

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"
# The digest of a version's files as they were registered: files that are exchanged later, all of them, are noticed.
DIGEST_TAG = "files_sha256"
# Of the files of its twin, in the run that has trained it. A version that has learnt from the rows that judge has one:
# the twin, which has not, is judged in its place.
JUDGED_DIGEST_TAG = "judged_sha256"
JUDGED_FOLDER = "judged"
# Within a version's artifact; the rest is for those who load it without this code.
MODEL_FOLDER = "data/model"
CHALLENGER = "challenger"
PREVIOUS = "previous"
ALIASES = (
    "`champion` is in use, `previous` was in use before it; `challenger` was registered last and has not become"
    " champion: the DAG model_promotion judges it."
)
START_TRAINING = f"start {', '.join(TRAINING_DAGS[:-1])} or {TRAINING_DAGS[-1]}"
# What every text on a champion that cannot be used says. Without a fresh training set, a training DAG prepares one.
WAYS_OUT = (
    "Restore the previous champion (`make rollback`, or the DAG model_promotion with `rollback`); if there is none,"
    f" {START_TRAINING}: a new model is judged without it."
)


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of the registered model.

    Attributes:
        tags: Lineage, `family`, `model` and `run_id`.
    """

    name: str
    version: int
    tags: Mapping[str, str]
    created_at: datetime

    @property
    def training_set(self) -> int | None:
        """Version of the training set behind it, None where it was registered by other means."""
        named = self.tags.get("training_set_version", "")
        return int(named) if re.fullmatch(r"[0-9]{1,18}", named) else None

    @property
    def digest(self) -> str | None:
        """Of its files, see `manifest.read_digest`; None where it was registered by other means."""
        return self.tags.get(DIGEST_TAG)

    @property
    def has_twin(self) -> bool:
        """Whether it has learnt from all rows of its set, and a twin, which has not, is judged in its place."""
        return JUDGED_DIGEST_TAG in self.tags


def _read_version(found: "ModelVersion") -> RegisteredVersion:
    created_at = datetime.fromtimestamp(found.creation_timestamp / 1000, UTC)
    return RegisteredVersion(found.name, int(found.version), dict(found.tags), created_at)


def register_model(
    tracker: Tracker, name: str, run_id: str, model_uri: str, tags: Mapping[str, str], description: str, about: str = ""
) -> int:
    """Registers a logged model as a new version and points the alias `challenger` at it; found again on a retry.

    Args:
        description: Of the version.
        about: What the model predicts, a sentence.
    """
    import mlflow

    with translate_errors("register the model", tracker.uri):
        found = tracker.client.search_model_versions(f"name = '{name}' AND run_id = '{run_id}'")
        made = found[0] if found else mlflow.register_model(model_uri, name, tags=dict(tags))
        registered = int(made.version)
        # One that was killed after the version was made has not described it.
        tracker.client.update_model_version(name, str(registered), description)
        if registered == 1 and not tracker.client.get_registered_model(name).description:
            tracker.client.update_registered_model(name, f"{about} {ALIASES}".lstrip())
        if not found or DIGEST_TAG not in found[0].tags:
            digest = _find_digest(name, registered, tracker.uri)
            tracker.client.set_model_version_tag(name, str(registered), DIGEST_TAG, digest)
        tracker.client.set_registered_model_alias(name, CHALLENGER, str(registered))
    return registered


def _find_digest(name: str, version: int, uri: str) -> str:
    import mlflow

    manifest = f"models:/{name}/{version}/{MODEL_FOLDER}/{MANIFEST}"
    with tempfile.TemporaryDirectory() as directory:
        path = mlflow.artifacts.download_artifacts(manifest, dst_path=directory, tracking_uri=uri)
        return read_digest(Path(path).parent)


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
    return _read_version(found)


def get_version(tracker: Tracker, name: str, version: int) -> RegisteredVersion:
    """The version of that number.

    Raises:
        ModelInvalid: There is none.
    """
    from mlflow.exceptions import MlflowException

    with translate_errors(f"look up {name} version {version}", tracker.uri):
        try:
            return _read_version(tracker.client.get_model_version(name, str(version)))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
    known = ", ".join(str(found.version) for found in list_versions(tracker, name))
    raise ModelInvalid(f"The model '{name}' has no version {version}; it has {known or 'none yet'}.")


def list_versions(tracker: Tracker, name: str) -> list[RegisteredVersion]:
    """All versions, ascending; none where there is no such model."""
    versions: list[RegisteredVersion] = []
    token = None
    with translate_errors(f"list the versions of {name}", tracker.uri):
        while True:
            page = tracker.client.search_model_versions(f"name = '{name}'", max_results=1000, page_token=token)
            versions += map(_read_version, page)
            token = page.token
            if not token:
                return sorted(versions, key=lambda version: version.version)


def set_alias(tracker: Tracker, name: str, alias: str, version: int) -> None:
    """Points an alias at a version."""
    with translate_errors(f"point {name}@{alias} at version {version}", tracker.uri):
        tracker.client.set_registered_model_alias(name, alias, str(version))


def remove_alias(tracker: Tracker, name: str, alias: str) -> None:
    """Lets an alias point at nothing, as it may already."""
    with translate_errors(f"remove {name}@{alias}", tracker.uri):
        tracker.client.delete_registered_model_alias(name, alias)


def tag_version(tracker: Tracker, name: str, version: int, tags: Mapping[str, str]) -> None:
    """Writes tags on a version."""
    with translate_errors(f"tag {name} version {version}", tracker.uri):
        for key, value in tags.items():
            tracker.client.set_model_version_tag(name, str(version), key, value)


def load_model(tracker: Tracker, version: RegisteredVersion) -> Model:
    """Downloads a version's artifact and loads it with this code.

    Raises:
        ModelInvalid: It is not a model that this code can load.
        TrackingUnavailable: The server is away.
    """
    with tempfile.TemporaryDirectory() as directory:
        folder = download_model(tracker, version, Path(directory))
        return Model.load(folder, digest=version.digest)


def load_twin(tracker: Tracker, version: RegisteredVersion) -> Model:
    """Downloads the twin of a version and loads it with this code.

    Raises:
        ModelInvalid: It is not there, or not a model that this code can load.
        TrackingUnavailable: The server is away.
    """
    with tempfile.TemporaryDirectory() as directory:
        uri = f"runs:/{version.tags['run_id']}/{JUDGED_FOLDER}"
        folder = _download(tracker, version, uri, Path(directory))
        return Model.load(folder, digest=version.tags[JUDGED_DIGEST_TAG])


def download_model(tracker: Tracker, version: RegisteredVersion, directory: Path) -> Path:
    """Downloads a version's artifact; returns the folder that `Model.load` reads.

    Raises:
        ModelInvalid: The registry has the version, but no such artifact.
        TrackingUnavailable: The server is away.
    """
    return _download(tracker, version, f"models:/{version.name}/{version.version}/{MODEL_FOLDER}", directory)


def _download(tracker: Tracker, version: RegisteredVersion, uri: str, directory: Path) -> Path:
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        with translate_errors(f"download {version.name} version {version.version}", tracker.uri):
            path = mlflow.artifacts.download_artifacts(uri, dst_path=str(directory), tracking_uri=tracker.uri)
    except (MlflowException, OSError) as error:
        raise ModelInvalid(f"{uri} cannot be downloaded from {tracker.uri}: {error}") from error
    except TrackingUnavailable as error:
        # MLflow reports files that are gone as an error of its own.
        if _is_gone(tracker, version, uri):
            raise ModelInvalid(f"{uri} is no longer among the artifacts of {tracker.uri}.") from error
        raise
    return Path(path)


def _is_gone(tracker: Tracker, version: RegisteredVersion, uri: str) -> bool:
    """Whether MLflow answers that there are no files of the version at an address."""
    import mlflow

    with translate_errors(f"list the files of {version.name} version {version.version}", tracker.uri):
        return not mlflow.artifacts.list_artifacts(uri, tracking_uri=tracker.uri)
