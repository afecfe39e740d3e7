"""Registered models and what was stored beside them, from MLflow, kept for a few seconds.

An MLflow server that is unavailable costs one short wait; for the next seconds this is reported at once, so that cards
that need it never delay the others.
"""

import json
import os
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from include.dashboards.context import Context
from include.dashboards.drawing.figures import short
from include.dashboards.reading.kept import keep
from include.errors import MltrainError
from include.tracking.registry import CHALLENGER, CHAMPION, JUDGED_DIGEST_TAG, PREVIOUS
from include.tracking.runs import NO_EXPERIMENT, Tracker, open_tracker, translate_errors

MOST_VERSIONS = 50
LOOPBACK = ("127.0.0.1", "localhost", "::1")
ROLES = (CHAMPION, CHALLENGER, PREVIOUS)
# Read by MLflow's client at each request; its own defaults wait far longer. The second attempt is made at once, and is
# for connections that the server closes just when they are used again.
PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "4", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}


@dataclass(frozen=True)
class Registered:
    """One version of the registered model.

    Attributes:
        aliases: `champion`, `challenger`, `previous` or none.
        metrics: Of its run, by split and measure: `validation_mae` and so on.
        has_twin: Whether it has learnt from all rows of its set, and was judged by a twin that has not.
    """

    version: int
    model: str
    family: str
    dag_id: str
    run_id: str
    set_version: str
    aliases: tuple[str, ...]
    metrics: Mapping[str, float]
    created_at: datetime
    has_twin: bool

    @property
    def label(self) -> str:
        """Its model type and version."""
        return f"{short(self.model)} v{self.version}"

    @property
    def role(self) -> str:
        """Its first alias, else `version`."""
        return next((alias for alias in ROLES if alias in self.aliases), "version")


def warm_up() -> None:
    """Loads MLflow's client in the background: it takes seconds, which the first visitor would otherwise wait."""
    threading.Thread(target=import_module, args=["mlflow"], daemon=True).start()


def connect_tracker(context: Context) -> Tracker:
    """MLflow, with short waits.

    Raises:
        TrackingUnavailable: It does not answer.
    """
    settings = context.settings

    def open_patiently() -> Tracker:
        # In place of those that tasks have.
        os.environ.update(PATIENCE)
        return open_tracker(settings)

    key = ("tracker", settings.mlflow_tracking_uri, settings.mlflow_experiment)
    return keep(key, open_patiently, seconds=60)


def list_registered(context: Context) -> list[Registered]:
    """The newest versions of the registered model that readable DAGs made, newest first, and those with an alias.

    Behind them the one that the page is filtered to, where it is none of them.
    """
    settings = context.settings
    name = settings.registered_model
    key = ("versions", settings.mlflow_tracking_uri, name)
    versions: list[Registered] = keep(key, lambda: _read_versions(connect_tracker(context), name))
    wanted = context.filters.version
    if wanted is not None and wanted not in [version.version for version in versions]:
        versions = versions + keep((*key, wanted), lambda: _read_versions(connect_tracker(context), name, wanted))
    return [version for version in versions if version.dag_id in context.viewer.readable]


def find_registered(context: Context) -> Registered | None:
    """The version that the page is filtered to, else the champion, else the newest challenger."""
    versions = list_registered(context)
    for wanted in (lambda v: v.version == context.filters.version, lambda v: CHAMPION in v.aliases):
        for version in versions:
            if wanted(version):
                return version
    challengers = [version for version in versions if CHALLENGER in version.aliases]
    return next(iter(challengers or versions), None)


def _read_versions(tracker: Tracker, name: str, wanted: int | None = None) -> list[Registered]:
    """The newest versions and those with an alias; else the wanted one, where there is such a version."""
    client = tracker.client
    with translate_errors("list the registered models", tracker.uri):
        named = client.search_registered_models(f"name = '{name}'", max_results=1)
        if not named:
            return []
        aliases: dict[int, list[str]] = {}
        for alias, number in named[0].aliases.items():
            aliases.setdefault(int(number), []).append(alias)
        found = list(
            client.search_model_versions(
                f"name = '{name}'" + ("" if wanted is None else f" AND version_number = {wanted}"),
                max_results=MOST_VERSIONS,
                order_by=["creation_timestamp DESC"],
            )
        )
        listed = {int(version.version) for version in found}
        if wanted is None:
            found += [client.get_model_version(name, str(number)) for number in aliases if number not in listed]
        if not found:
            return []
        runs = ", ".join(f"'{version.run_id}'" for version in found)
        metrics = {
            run.info.run_id: run.data.metrics
            for run in client.search_runs([tracker.experiment_id], f"attributes.run_id IN ({runs})")
        }
    return [
        Registered(
            version=int(version.version),
            model=version.tags.get("model", "unknown"),
            family=version.tags.get("family", ""),
            dag_id=version.tags.get("dag_id", ""),
            run_id=str(version.run_id),
            set_version=version.tags.get("training_set_version", ""),
            aliases=tuple(aliases.get(int(version.version), ())),
            metrics=metrics.get(version.run_id, {}),
            created_at=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
            has_twin=JUDGED_DIGEST_TAG in version.tags,
        )
        for version in found
    ]


def list_model_runs(context: Context, run_key: str) -> list[dict[str, Any]]:
    """The MLflow runs of the model types that one pipeline run trained: run_id and model."""
    if "'" in run_key or run_key.partition("/")[0] not in context.viewer.readable:
        return []
    tracker = connect_tracker(context)

    def read() -> list[dict[str, Any]]:
        where = f"tags.role = 'model' AND tags.run_key = '{run_key}'"
        with translate_errors("list the runs of a training", tracker.uri):
            runs = tracker.client.search_runs([tracker.experiment_id], where, max_results=100)
        return [{"run_id": run.info.run_id, "model": run.data.tags["model"]} for run in runs]

    return keep(("runs", tracker.uri, tracker.experiment_id, run_key), read)


def find_tracking_page(context: Context, run_key: str) -> str:
    """Where MLflow shows the runs of a training; empty where a browser cannot reach it under the address of ours."""
    address = urlsplit(str(context.settings.mlflow_tracking_uri))
    if address.hostname not in LOOPBACK:
        return ""
    # Without the login that an address may hold: a person has one of their own.
    place = address._replace(netloc=address.netloc.rpartition("@")[2]).geturl().rstrip("/")
    try:
        tracker = connect_tracker(context)
    except MltrainError:
        return ""
    if tracker.experiment_id == NO_EXPERIMENT:
        return ""
    search = quote(f"tags.run_key = '{run_key}'", safe="")
    return f"{place}/#/experiments/{tracker.experiment_id}/runs?searchFilter={search}"


def read_table(context: Context, run_id: str, name: str) -> list[dict[str, Any]]:
    """The rows of a table that training stored with a model, `slices` or `shap_summary`; none where it has none."""
    tracker = connect_tracker(context)

    def read() -> list[dict[str, Any]]:
        with translate_errors(f"read {name} of run {run_id}", tracker.uri), tempfile.TemporaryDirectory() as directory:
            files = {file.path for file in tracker.client.list_artifacts(run_id)}
            if f"{name}.json" not in files:
                return []
            path = tracker.client.download_artifacts(run_id, f"{name}.json", directory)
            return json.loads(Path(path).read_text())["rows"]

    # What is stored beside a finished model does not change.
    return keep(("table", tracker.uri, run_id, name), read, seconds=300)
