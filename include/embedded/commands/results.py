"""What the main job has produced: trials and training sets in the warehouse, models in MLflow."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import psycopg

from include.embedded.errors import StackError
from include.embedded.stack import Stack
from include.embedded.usage import name_command
from include.settings import Settings
from include.tracking.registry import CHAMPION
from include.tracking_server.routes import READER

SECONDS_TO_ANSWER = 30.0
RUN_TAG, SET_TAG = "dag_run_id", "training_set_version"


@dataclass(frozen=True)
class TrainedModel:
    """A model that was trained to its end.

    Attributes:
        metrics: How good it is, by split and measure: `validation_mae` and so on.
    """

    dag_run_id: str
    family: str
    model: str
    metrics: Mapping[str, float]
    version: str | None
    aliases: tuple[str, ...]
    training_set: int | None = None


@dataclass(frozen=True)
class Reign:
    """The champion, and how it came to be that.

    Attributes:
        since: When it became champion; None where it was made that by other means than promotion.
        after: The version that a rollback replaced by this one; None if it was no rollback.
    """

    version: int
    since: datetime | None
    after: int | None


def best_trials(warehouse_url: str, run_keys: list[str]) -> list[tuple[str, int, float]]:
    """Model, trials so far and the least error among them, of every model that the runs tune (`DAG id/run id`)."""
    query = """
        SELECT model, count(*), min(loss) FROM training.trials
        WHERE run_key = ANY(%s) AND loss IS NOT NULL GROUP BY run_key, model ORDER BY run_key, model
    """
    with psycopg.connect(warehouse_url, connect_timeout=10) as connection:
        return connection.execute(query, [run_keys]).fetchall()


def newest_set(warehouse_url: str) -> int | None:
    """The version of the newest published training set."""
    with psycopg.connect(warehouse_url, connect_timeout=10) as connection:
        newest = connection.execute("SELECT version FROM training.newest").fetchone()
    return newest[0] if newest else None


def find_reign(warehouse_url: str, name: str, version: int) -> Reign:
    """Since when a version is champion, by the newest move that made it that."""
    query = """
        SELECT moved_at, CASE kind WHEN 'rollback' THEN champion_version END FROM training.promotions
        WHERE name = %s AND version = %s AND state = 'promoted' ORDER BY moved_at DESC LIMIT 1
    """
    with psycopg.connect(warehouse_url, connect_timeout=10) as connection:
        row = connection.execute(query, [name, version]).fetchone()
    return Reign(version, *(row or (None, None)))


def find_models(stack: Stack, settings: Settings, tag: str, values: list[str]) -> list[TrainedModel]:
    """The models whose MLflow run has the tag with one of the values, least error first.

    Args:
        stack: The stack whose MLflow server is asked.
        settings: They name the experiment and the registered model.
        tag: `RUN_TAG` or `SET_TAG`.
        values: DAG run ids, or versions of training sets.

    Raises:
        StackError: MLflow does not answer or refuses.
    """
    with _open_mlflow(stack) as api:
        experiment = _call(
            api, "GET", "experiments/get-by-name", params={"experiment_name": settings.mlflow_experiment}
        )
        if not experiment:
            return []
        registered = _registered(api, settings.registered_model)
        found: dict[str, TrainedModel] = {}
        error = f"validation_{settings.problem.objective.key}"
        for value in values:
            body = {
                "experiment_ids": [experiment["experiment"]["experiment_id"]],
                "filter": f"tags.{tag} = '{value}' AND metrics.{error} >= 0",
                "max_results": 1000,
            }
            for run in _call(api, "POST", "runs/search", json=body).get("runs", []):
                model = _model(run, registered)
                if model:
                    found[run["info"]["run_id"]] = model
    return sorted(found.values(), key=lambda model: model.metrics[error])


def find_champion(stack: Stack, settings: Settings) -> int | None:
    """The version that MLflow's alias `champion` points at.

    Raises:
        StackError: MLflow does not answer or refuses.
    """
    with _open_mlflow(stack) as api:
        model = _call(api, "GET", "registered-models/get", params={"name": settings.registered_model})
    aliases = {entry["alias"]: int(entry["version"]) for entry in model.get("registered_model", {}).get("aliases", [])}
    return aliases.get(CHAMPION)


def _open_mlflow(stack: Stack) -> httpx.Client:
    address = f"{stack.mlflow_address}/api/2.0/mlflow"
    login = stack.mlflow_login(READER)
    return httpx.Client(base_url=address, auth=login, timeout=SECONDS_TO_ANSWER, trust_env=False)


def _model(run: dict[str, Any], registered: dict[str, tuple[str, tuple[str, ...]]]) -> TrainedModel | None:
    tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", [])}
    metrics = {metric["key"]: metric["value"] for metric in run["data"].get("metrics", [])}
    if "mlflow.parentRunId" in tags or "model" not in tags:
        return None  # A trial, not a model.
    version, aliases = registered.get(run["info"]["run_id"], (None, ()))
    return TrainedModel(
        dag_run_id=tags.get(RUN_TAG, ""),
        family=tags.get("family", ""),
        model=tags["model"],
        metrics=metrics,
        version=version,
        aliases=aliases,
        training_set=int(tags[SET_TAG]) if SET_TAG in tags else None,
    )


def _registered(api: httpx.Client, name: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """MLflow run id -> version and aliases of the registered model that came of it."""
    model = _call(api, "GET", "registered-models/get", params={"name": name}).get("registered_model", {})
    aliases: dict[str, list[str]] = {}
    for entry in model.get("aliases", []):
        aliases.setdefault(entry["version"], []).append(entry["alias"])
    parameters = {"filter": f"name = '{name}'", "max_results": 1000}
    versions = _call(api, "GET", "model-versions/search", params=parameters).get("model_versions", [])
    return {
        entry["run_id"]: (entry["version"], tuple(aliases.get(entry["version"], ())))
        for entry in versions
        if entry.get("run_id")
    }


def _call(api: httpx.Client, method: str, path: str, **arguments: Any) -> dict[str, Any]:
    try:
        response = api.request(method, path, **arguments)
    except httpx.HTTPError as error:
        raise StackError(
            f"MLflow does not answer ({method} {path}): {error}; see `{name_command('status')}`"
        ) from error
    if response.status_code == httpx.codes.NOT_FOUND:
        return {}
    if response.is_error:
        raise StackError(f"MLflow refused {method} {path}: {response.status_code} {response.text[:1000]}")
    return response.json()
