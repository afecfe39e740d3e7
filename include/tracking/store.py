"""Registered models on this machine: looked up in the registry, kept as local copies, loaded from there.

A version never changes once it is registered, so that a copy is downloaded once; the last champion's is what a process
starts from while the registry is away.

<store>/<model name>/<version>-<run>/   model/, the artifact; version.json, tags and metrics; and both's manifest.json
<store>/<model name>/champion           name of the directory that held the champion when it was last looked up
"""

import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from include.errors import ModelInvalid, NoChampion
from include.models.artifact import Model
from include.models.manifest import check_files, write_manifest
from include.settings import HOME
from include.tracking.registry import (
    CHAMPION,
    START_TRAINING,
    WAYS_OUT,
    RegisteredVersion,
    download_model,
    find_version,
)
from include.tracking.runs import Tracker, get_metrics

log = logging.getLogger(__name__)
STORE = HOME / "models"
COPIES_TO_KEEP = 5
POINTER = "champion"
_COPY_NAME = re.compile(r"\d+-\w+")


@dataclass(frozen=True)
class LoadedModel:
    """A registered version in memory.

    Attributes:
        metrics: What it was evaluated to when it was trained (`validation_mae`, ...).
    """

    version: RegisteredVersion
    metrics: Mapping[str, float]
    model: Model


def find_champion(tracker: Tracker, name: str) -> RegisteredVersion:
    """The version that the registry calls champion.

    Raises:
        NoChampion: There is none.
        TrackingUnavailable: MLflow is away.
    """
    found = find_version(tracker, name, CHAMPION)
    if found is None:
        raise NoChampion(
            f"The model '{name}' has no version with the alias '{CHAMPION}' at {tracker.uri}: {START_TRAINING}, "
            "whose model becomes champion if it is good enough."
        )
    return found


def load_version(tracker: Tracker, version: RegisteredVersion, *, store: Path = STORE, threads: int = 1) -> LoadedModel:
    """Loads a version from its local copy, which is made where it is missing or damaged.

    Raises:
        ModelInvalid: It is not a model that this code can load.
        TrackingUnavailable: MLflow is away, and there is no copy.
    """
    directory = _place(store, version)
    if directory.exists() or directory.is_symlink():
        try:
            return _load(directory, version.digest, threads)
        except ModelInvalid as error:
            # A copy can be damaged where the registry's original is not.
            log.warning("The local copy is fetched again: %s", error)
            _remove(directory)
    try:
        return _fetch(tracker, version, directory, threads)
    except ModelInvalid as error:
        raise ModelInvalid(
            f"Version {version.version} of '{version.name}' cannot be loaded: {error} If it is the champion: {WAYS_OUT}"
        ) from error


def load_champion(tracker: Tracker, name: str, *, store: Path) -> LoadedModel:
    """Looks up and loads the champion, see `find_champion` and `load_version`, and remembers which it was."""
    loaded = load_version(tracker, find_champion(tracker, name), store=store)
    remember(loaded.version, store)
    return loaded


def remember(version: RegisteredVersion, store: Path) -> None:
    """Marks a version's copy as the one to start from while the registry is away."""
    directory = _place(store, version)
    temporary = directory.parent / f".{POINTER}.{os.getpid()}"
    temporary.write_text(directory.name)
    temporary.replace(directory.parent / POINTER)


def load_remembered(name: str, *, store: Path) -> LoadedModel | None:
    """The copy that was the champion when it was last looked up; None where there is none that can be loaded."""
    directory = _read_pointer(store / name)
    if directory is None:
        return None
    try:
        return _load(directory, None, threads=1)
    except ModelInvalid as error:
        log.warning("The local copy cannot be used: %s", error)
        return None


def _read_pointer(copies: Path) -> Path | None:
    try:
        name = (copies / POINTER).read_text()
    # Damaged like any other file, it may be no text.
    except (OSError, ValueError):
        return None
    return copies / name if _COPY_NAME.fullmatch(name) else None


def _place(store: Path, version: RegisteredVersion) -> Path:
    # The run makes it another directory where a new registry counts from 1 again; a tag can be any text.
    run = re.sub(r"\W", "", version.tags.get("run_id", ""))[:12] or "unknown"
    return store / version.name / f"{version.version}-{run}"


def _load(directory: Path, digest: str | None, threads: int) -> LoadedModel:
    check_files(directory)
    try:
        kept = json.loads((directory / "version.json").read_text())
        created_at = datetime.fromisoformat(kept["created_at"])
        version = RegisteredVersion(kept["name"], kept["version"], kept["tags"], created_at)
        metrics: Mapping[str, float] = kept["metrics"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelInvalid(f"{directory}: version.json cannot be read ({error}).") from error
    model = Model.load(directory / "model", threads=threads, digest=digest or version.digest)
    return LoadedModel(version, metrics, model)


def _fetch(tracker: Tracker, version: RegisteredVersion, directory: Path, threads: int) -> LoadedModel:
    """Downloads and loads a version, and keeps it only if it can be loaded."""
    metrics = get_metrics(tracker, version.tags["run_id"]) if "run_id" in version.tags else {}
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".copy-") as temporary:
        folder = Path(temporary) / "copy"
        folder.mkdir()
        download_model(tracker, version, Path(temporary)).rename(folder / "model")
        kept = {
            "name": version.name,
            "version": version.version,
            "tags": dict(version.tags),
            "created_at": version.created_at.isoformat(),
            "metrics": dict(metrics),
        }
        (folder / "version.json").write_text(json.dumps(kept))
        write_manifest(folder)
        loaded = _load(folder, version.digest, threads)
        try:
            folder.rename(directory)
        except OSError:
            # Another process was faster.
            if not directory.exists():
                raise
    _prune(directory)
    return loaded


def _remove(directory: Path) -> None:
    """Takes a copy away at once, however many processes read it; what is left of it goes then."""
    aside = Path(tempfile.mkdtemp(dir=directory.parent, prefix=".damaged-"))
    with suppress(OSError):
        directory.rename(aside / "copy")
    shutil.rmtree(aside, ignore_errors=True)


def _prune(newest: Path) -> None:
    kept = {newest, _read_pointer(newest.parent)}
    copies = [path for path in newest.parent.iterdir() if path.is_dir() and not path.name.startswith(".")]
    copies.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in copies[COPIES_TO_KEEP:]:
        if path not in kept:
            shutil.rmtree(path, ignore_errors=True)
