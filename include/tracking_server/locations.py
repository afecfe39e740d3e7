"""Where MLflow may keep and find artifacts: below the served root, and nowhere else.

Twice: a location that a request names is refused, and one that stands in the database, however it came there, is not
opened.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mlflow.entities import FileInfo
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.server import handlers
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_registered_artifact_repositories
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.store.db.db_types import DATABASE_ENGINES
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as ModelStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as RunStore
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import get_uri_scheme

SERVED = "mlflow-artifacts"
LOCAL_SCHEMES = ("", "file")
# What a model version may be made of: a logged model or another version, a run's artifacts, a path below the root.
SOURCES = ("models", "runs", SERVED)


def confine(destination: str) -> None:
    """Confines this process's MLflow to the artifacts below `destination`, a directory or an object store's address."""
    for engine in DATABASE_ENGINES:
        handlers._tracking_store_registry.register(engine, _open_runs)
        handlers._model_registry_store_registry.register(engine, _open_models)
    repositories: dict[str, Any] = get_registered_artifact_repositories()
    scheme = get_uri_scheme(destination)
    if scheme in LOCAL_SCHEMES:
        root = Path(local_file_uri_to_path(destination)).resolve()
        confined = dict.fromkeys(LOCAL_SCHEMES, _below_directory(root))
    else:
        confined = {scheme: _below_address(destination.rstrip("/"), repositories[scheme])}
    repositories.clear()
    repositories.update(confined)


class _ConfinedRuns(RunStore):
    """Experiments, whose runs, logged models and traces are kept below the experiment's location."""

    def create_experiment(self, name: str, artifact_location: str | None = None, tags: Any = None) -> str:
        """Creates an experiment whose artifacts are kept below the served root."""
        if artifact_location and not _is_served(artifact_location):
            raise refuse(artifact_location, "leave artifact_location out")
        return super().create_experiment(name, artifact_location, tags)


class _ConfinedModels(ModelStore):
    """Registered models, whose versions name the artifacts that they are made of."""

    def create_model_version(self, name: str, source: str, *args: Any, **kwargs: Any) -> ModelVersion:
        """Creates a model version of artifacts that this server keeps."""
        if urlsplit(source).scheme not in SOURCES or (urlsplit(source).scheme == SERVED and not _is_served(source)):
            raise refuse(source, "name a logged model (models:/...) or a run's artifacts (runs:/...) as source")
        return super().create_model_version(name, source, *args, **kwargs)


class _ServedDirectory(LocalArtifactRepository):
    """A directory of the root, or the root; links that lead out of the root lead nowhere."""

    def __init__(self, root: Path, artifact_uri: str, tracking_uri: str | None, registry_uri: str | None) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._root = root
        self._check("")

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """The files and directories in `path`, without what leads out of the root."""
        self._check(path or "")
        return [info for info in super().list_artifacts(path) if self._holds(info.path)]

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Deletes a file, or a directory with all that is in it."""
        self._check(artifact_path or "")
        super().delete_artifacts(artifact_path)

    def get_local_path(self, artifact_path: str) -> str:
        """The path of a file as the file system knows it."""
        self._check(artifact_path)
        return super().get_local_path(artifact_path)

    def _check(self, path: str) -> None:
        if not self._holds(path):
            raise refuse(path or self.artifact_uri, "name artifacts by their path below the root")

    def _holds(self, path: str) -> bool:
        return (Path(self.artifact_dir) / path).resolve().is_relative_to(self._root)


def refuse(location: str, remedy: str) -> MlflowException:
    """The error for a location that is not below the root."""
    message = f"Artifacts are kept below this server's own root alone, and '{location}' is not there: {remedy}."
    return MlflowException(message, error_code=INVALID_PARAMETER_VALUE)


def _open_runs(store_uri: str, artifact_uri: str) -> _ConfinedRuns:
    return _ConfinedRuns(store_uri, artifact_uri)


def _open_models(store_uri: str) -> _ConfinedModels:
    return _ConfinedModels(store_uri)


def _below_directory(root: Path) -> Callable[..., ArtifactRepository]:
    def open_repository(
        artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> ArtifactRepository:
        return _ServedDirectory(root, artifact_uri, tracking_uri, registry_uri)

    return open_repository


def _below_address(root: str, repository: Callable[..., ArtifactRepository]) -> Callable[..., ArtifactRepository]:
    def open_repository(
        artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> ArtifactRepository:
        if artifact_uri.rstrip("/") != root and not (artifact_uri.startswith(f"{root}/") and not _climbs(artifact_uri)):
            raise refuse(artifact_uri, "name artifacts by their path below the root")
        return repository(artifact_uri, tracking_uri=tracking_uri, registry_uri=registry_uri)

    return open_repository


def _is_served(location: str) -> bool:
    """Whether a location is a path below this server's root rather than another server's, or a way out of it."""
    parts = urlsplit(location)
    return parts.scheme == SERVED and not (parts.netloc or parts.query or parts.fragment or _climbs(parts.path))


def _climbs(path: str) -> bool:
    return ".." in unquote(unquote(path)).replace("\\", "/").split("/")
