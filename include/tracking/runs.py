"""Runs, trials and models in MLflow; with `registry`, all that speaks to it."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from include.errors import SettingsError, TrackingUnavailable
from include.sets.examples import TrainingSet
from include.settings import Settings
from include.tracking.lineage import Lineage
from include.tuning.search import Trial

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

log = logging.getLogger(__name__)
# No experiment has this number: what is looked for in it is not found.
NO_EXPERIMENT = "-1"
RUNS_A_PAGE = 5_000
# The tags that say what the trials and models of a run are made of, and what a person calls them.
_MADE_OF = {
    "training_set_version": "training set",
    "training_set_fingerprint": "the set's fingerprint",
    "feature_set": "feature set",
    "random_state": "random state",
}
_STATUS_OF_TRIAL = {True: "FINISHED", False: "FAILED"}


@contextmanager
def translate_errors(what: str, uri: str) -> Iterator[None]:
    """Turns a server that is away or in trouble into a `TrackingUnavailable` that says what was being done."""
    import requests
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, requests.RequestException) as error:
        code = getattr(error, "error_code", None)
        if code == "UNAUTHENTICATED":
            raise SettingsError(
                f"MLflow at {uri} requires a login to {what}: MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in"
                " the environment are missing or wrong."
            ) from error
        # A request that MLflow refuses will be refused again; all else is a server that is away or in trouble.
        if code not in (None, "INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"):
            raise
        raise TrackingUnavailable(f"MLflow at {uri} could not {what}: {error}") from error


@dataclass(frozen=True)
class Tracker:
    """A connection to MLflow, for one experiment; `NO_EXPERIMENT` where none was looked for, or there is none yet."""

    client: "MlflowClient"
    uri: str
    experiment_id: str


def open_registry(settings: Settings) -> Tracker:
    """Connects for the registered models alone: a request less than to find the experiment, which they do not need.

    Raises:
        SettingsError: There is no address.
    """
    import mlflow
    from mlflow import environment_variables

    uri = settings.mlflow_tracking_uri
    if not uri:
        raise SettingsError("MLFLOW_TRACKING_URI is empty; name the MLflow server, e.g. http://127.0.0.1:5000.")
    mlflow.set_tracking_uri(uri)
    # Each run that ends would be fetched once more, to print its address.
    environment_variables.MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT.set(True)
    return Tracker(mlflow.MlflowClient(uri), uri, NO_EXPERIMENT)


def open_tracker(settings: Settings) -> Tracker:
    """Connects, and creates the experiment where it is missing and the login may do that.

    Raises:
        SettingsError: There is no address, or the experiment was deleted.
        TrackingUnavailable: The server does not answer.
    """
    tracker, name = open_registry(settings), settings.mlflow_experiment
    with translate_errors("open the experiment", tracker.uri):
        found = tracker.client.get_experiment_by_name(name) or _create_experiment(tracker.client, name)
    if found is None:
        return tracker
    if found.lifecycle_stage == "deleted":
        raise SettingsError(f"The MLflow experiment '{name}' has been deleted; restore it or change MLFLOW_EXPERIMENT.")
    return replace(tracker, experiment_id=found.experiment_id)


def _create_experiment(client: "MlflowClient", name: str) -> "Experiment | None":
    from mlflow.exceptions import MlflowException

    try:
        return client.get_experiment(client.create_experiment(name))
    except MlflowException as error:
        if error.error_code == "PERMISSION_DENIED":
            return None
        # Mapped tasks start at once: another one was faster.
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        found = client.get_experiment_by_name(name)
        assert found is not None  # it was there already
        return found


def open_run(tracker: Tracker, lineage: Lineage, family: str, model: str, note: str = "") -> str:
    """The id of the run that stands for this model type in this pipeline run: found on a retry, else created.

    Args:
        note: Markdown that MLflow shows as the run's description.

    Raises:
        SettingsError: The run that is found is of another training set, feature set or random state.
    """
    where = f"tags.run_key = '{lineage.run_key}' AND tags.model = '{model}' AND tags.role = 'model'"
    with translate_errors(f"open the run of {model}", tracker.uri):
        found = tracker.client.search_runs([tracker.experiment_id], where, max_results=1)
        if found:
            run = found[0]
            _check_same(run.data.tags, lineage, model)
        else:
            tags = {**lineage.tags, "family": family, "model": model, "role": "model"}
            tags |= {"mlflow.note.content": note} if note else {}
            name = f"{model} · set {lineage.training_set.version}"
            run = tracker.client.create_run(tracker.experiment_id, tags=tags, run_name=name)
        if not (run.inputs and run.inputs.dataset_inputs):
            _log_training_set(tracker, run.info.run_id, lineage.training_set)
    return run.info.run_id


def _check_same(tags: Mapping[str, str], lineage: Lineage, model: str) -> None:
    """Refuses a run whose trials and models are not of what is asked for: they would be taken for it."""
    asked = lineage.tags
    differs = [
        f"{name} {tags[tag]:.12} instead of {asked[tag]:.12}"
        for tag, name in _MADE_OF.items()
        if tags.get(tag, asked[tag]) != asked[tag]
    ]
    if differs:
        raise SettingsError(
            f"{lineage.run_key} has a run of {model} in MLflow already, of {', '.join(differs)}: what was found there"
            f" cannot be used. Start a new run of {asked['dag_id']} instead of clearing this one."
        )


def _log_training_set(tracker: Tracker, run_id: str, training_set: TrainingSet) -> None:
    from mlflow.entities import Dataset, DatasetInput
    from mlflow.exceptions import MlflowException

    dataset = Dataset(
        name=f"training-set-{training_set.version}",
        # MLflow keeps 36 characters.
        digest=training_set.fingerprint[:36],
        source_type="postgres",
        source=json.dumps({"table": f"training.examples_{training_set.version}"}),
        profile=json.dumps(training_set.counts),
    )
    try:
        tracker.client.log_inputs(run_id, [DatasetInput(dataset)])
    except MlflowException as error:
        # Two tasks that log the same new dataset at once: the server looks, then inserts, and fails the slower one,
        # for which the dataset is there now.
        if "UniqueViolation" not in str(error):
            raise
        tracker.client.log_inputs(run_id, [DatasetInput(dataset)])


def list_tracked_trials(tracker: Tracker, parent: str) -> set[int]:
    """Numbers of the trials whose runs are complete, once nobody writes any more.

    Half-written ones, left by a kill, are deleted, and so are those of a trial that was written twice, but for one.
    """
    tracked: set[int] = set()
    found: list[Any] = []
    where, token = f"tags.mlflow.parentRunId = '{parent}'", None
    with translate_errors("list the trials", tracker.uri):
        # A page begins after so many runs: those that are deleted meanwhile would hide others.
        while True:
            page = tracker.client.search_runs([tracker.experiment_id], where, max_results=RUNS_A_PAGE, page_token=token)
            found += page
            if not (token := page.token):
                break
        for run in found:
            number = int(run.data.tags["trial"])
            if run.info.status == "RUNNING" or number in tracked:
                tracker.client.delete_run(run.info.run_id)
            else:
                tracked.add(number)
    return tracked


def log_trial(tracker: Tracker, parent: str, model: str, trial: Trial) -> None:
    """Writes one trial as a child run, its parameters and metrics in a single batch."""
    import mlflow.entities as entities

    def stamp(moment: Any) -> int:
        return int(moment.timestamp() * 1000)

    tags = {"mlflow.parentRunId": parent, "role": "trial", "model": model, "trial": str(trial.number)}
    if trial.error:
        tags["error"] = trial.error[:1000]
    if trial.has_ended:
        tags["ended"] = "early: it could not win any more"
    metrics = [
        entities.Metric(f"validation_{name}", value, stamp(trial.finished_at), 0)
        for name, value in trial.metrics.items()
    ]
    parameters = [entities.Param(name, str(value)) for name, value in trial.parameters.items()]
    with translate_errors(f"log trial {trial.number} of {model}", tracker.uri):
        run = tracker.client.create_run(
            tracker.experiment_id,
            start_time=stamp(trial.started_at),
            tags=tags,
            run_name=f"{model} trial {trial.number}",
        )
        tracker.client.log_batch(run.info.run_id, metrics=metrics, params=parameters)
        tracker.client.set_terminated(
            run.info.run_id, _STATUS_OF_TRIAL[trial.loss is not None], stamp(trial.finished_at)
        )


def fail_run(tracker: Tracker, run_id: str) -> None:
    """Marks a model type's run as failed."""
    with translate_errors("mark a run as failed", tracker.uri):
        tracker.client.set_terminated(run_id, "FAILED")


def get_metrics(tracker: Tracker, run_id: str) -> dict[str, float]:
    """The newest value of each of a run's metrics."""
    with translate_errors(f"read the metrics of run {run_id}", tracker.uri):
        return dict(tracker.client.get_run(run_id).data.metrics)


def log_text(tracker: Tracker, run_id: str, text: str, name: str) -> None:
    """Writes a text as an artifact of a run, over one of the same name."""
    with translate_errors(f"store {name}", tracker.uri):
        tracker.client.log_text(run_id, text, name)
