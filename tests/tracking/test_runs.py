import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from include.errors import SettingsError, TrackingUnavailable
from include.models.artifact import Model
from include.models.fitting import encode, fit, join_members
from include.models.manifest import read_digest
from include.models.table import MODELS, name_blend, type_of
from include.sets.examples import TrainingSet
from include.settings import ROOT, Settings
from include.tracking import model_logging, runs
from include.tracking.lineage import Lineage
from include.tracking.registry import CHAMPION, find_version, register_model
from include.tracking.runs import Tracker, open_run, open_tracker
from include.tuning.search import Trial
from include.version import VERSION
from tests.conftest import TrackingServer, find_free_port
from tests.splits import PROBLEM, REFERENCES, make_split, take

pytestmark = [
    pytest.mark.slow,
    # MLflow says so of every model: our integers are never missing, and the other is its own.
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range"),
]

LASSO, GAMMA = "linear_model.Lasso", "gbtree.gamma"
SET = TrainingSet(
    version=3,
    fingerprint="f" * 64,
    months=("2024-01", "2024-02"),
    validation_from="2024-02-01",
    test_from=None,
    counts={"train": 300, "validation": 50},
    published_at=datetime(2024, 3, 1, tzinfo=UTC),
)
LINEAGE = Lineage("sklearn_training/manual__1", SET, "rich", "c0ffee", 42)
TRIAL = Trial(
    number=0,
    parameters={"alpha": 0.25, "depth": 7, "intercept": True},
    loss=5.25,
    metrics={"rmse": 5.25, "mae": 4.5},
    error=None,
    started_at=datetime(2024, 1, 1, 12, 0, 0, tzinfo=UTC),
    finished_at=datetime(2024, 1, 1, 12, 0, 1, 500_000, tzinfo=UTC),
)
TRAIN, OTHERS = make_split(300), make_split(40, seed=5)


def configure(url: str | None, experiment: str) -> Settings:
    return Settings(mlflow_tracking_uri=url, mlflow_experiment=experiment)


@pytest.fixture
def tracker(mlflow_url: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Tracker:
    """A connection to an experiment of the test's own."""
    # MLflow writes the address that it was last given into the environment.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_url)
    return open_tracker(configure(mlflow_url, request.node.name))


def list_children(tracker: Tracker, parent: str) -> list[Any]:
    where = f"tags.mlflow.parentRunId = '{parent}'"
    return tracker.client.search_runs([tracker.experiment_id], where, order_by=["tags.trial"])


# Runs


def test_experiment_is_created_once(tracker: Tracker, mlflow_url: str, request: pytest.FixtureRequest) -> None:
    assert open_tracker(configure(mlflow_url, request.node.name)).experiment_id == tracker.experiment_id


def test_experiment_is_created_once_by_tasks_that_start_together(mlflow_url: str) -> None:
    together = Barrier(4)

    def open_at_once(_: int) -> str:
        together.wait()
        return open_tracker(configure(mlflow_url, "opened together")).experiment_id

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(open_at_once, range(4)))) == 1


def test_deleted_experiment_is_an_error_that_says_so(tracker: Tracker, request: pytest.FixtureRequest) -> None:
    tracker.client.delete_experiment(tracker.experiment_id)
    with pytest.raises(SettingsError, match="experiment '.*' has been deleted; restore it or change MLFLOW_EXPERIMENT"):
        open_tracker(configure(tracker.uri, request.node.name))


def test_missing_address_is_an_error_that_names_the_setting() -> None:
    with pytest.raises(SettingsError, match="MLFLOW_TRACKING_URI is empty"):
        open_tracker(configure(None, "any"))


def test_run_says_where_it_comes_from(tracker: Tracker) -> None:
    run = tracker.client.get_run(open_run(tracker, LINEAGE, "sklearn", LASSO))
    assert {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.")} == {
        "run_key": "sklearn_training/manual__1",
        "dag_id": "sklearn_training",
        "dag_run_id": "manual__1",
        "training_set_version": "3",
        "training_set_fingerprint": "f" * 64,
        "months": "2024-01,2024-02",
        "feature_set": "rich",
        "mltrain_version": VERSION,
        "git_commit": "c0ffee",
        "random_state": "42",
        "family": "sklearn",
        "model": LASSO,
        "role": "model",
    }


def test_run_is_told_apart_by_its_training_set_and_leads_to_the_pipeline_run(tracker: Tracker) -> None:
    note = "Trained by [this Airflow run](http://airflow/dags/sklearn_training/runs/manual__1)."
    run = tracker.client.get_run(open_run(tracker, LINEAGE, "sklearn", LASSO, note))
    assert run.info.run_name == f"{LASSO} · set 3"
    assert run.data.tags["mlflow.note.content"] == note


def test_run_has_the_training_set_as_its_input(tracker: Tracker) -> None:
    (found,) = tracker.client.get_run(open_run(tracker, LINEAGE, "sklearn", LASSO)).inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.digest) == ("training-set-3", "f" * 36)
    assert json.loads(found.dataset.source) == {"table": "training.examples_3"}
    assert json.loads(found.dataset.profile) == {"train": 300, "validation": 50}


def test_retry_finds_the_run_again(tracker: Tracker) -> None:
    first, again = (open_run(tracker, LINEAGE, "sklearn", LASSO) for _ in range(2))
    assert first == again
    assert len(tracker.client.get_run(first).inputs.dataset_inputs) == 1


def test_retry_completes_a_run_that_was_killed_before_it_had_its_input(tracker: Tracker) -> None:
    tags = {**LINEAGE.tags, "family": "sklearn", "model": LASSO, "role": "model"}
    killed = tracker.client.create_run(tracker.experiment_id, tags=tags).info.run_id
    assert open_run(tracker, LINEAGE, "sklearn", LASSO) == killed
    assert len(tracker.client.get_run(killed).inputs.dataset_inputs) == 1


def test_other_model_types_and_other_pipeline_runs_have_runs_of_their_own(tracker: Tracker) -> None:
    other_run = replace(LINEAGE, run_key="sklearn_training/manual__2")
    runs = [open_run(tracker, *of, "sklearn", model) for *of, model in ((LINEAGE, LASSO), (LINEAGE, "svm.LinearSVR"))]
    assert len({*runs, open_run(tracker, other_run, "sklearn", LASSO)}) == 3


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"training_set": replace(SET, version=4, fingerprint="e" * 64)},
            "training set 3 instead of 4, the set's fingerprint ffffffffffff instead of eeeeeeeeeeee",
        ),
        ({"feature_set": "reference"}, "feature set rich instead of reference"),
        ({"random_state": 7}, "random state 42 instead of 7"),
    ],
)
def test_run_that_was_made_of_something_else_is_refused_with_the_way_out(
    tracker: Tracker, asked: dict[str, Any], message: str
) -> None:
    found = open_run(tracker, LINEAGE, "sklearn", LASSO)
    before = tracker.client.get_run(found).to_dictionary()
    with pytest.raises(SettingsError) as error:
        open_run(tracker, replace(LINEAGE, **asked), "sklearn", LASSO)
    assert str(error.value) == (
        f"sklearn_training/manual__1 has a run of {LASSO} in MLflow already, of {message}: what was found there cannot"
        " be used. Start a new run of sklearn_training instead of clearing this one."
    )
    assert tracker.client.get_run(found).to_dictionary() == before
    assert len(tracker.client.search_runs([tracker.experiment_id])) == 1


def test_retry_after_a_commit_finds_the_run_again(tracker: Tracker) -> None:
    first = open_run(tracker, LINEAGE, "sklearn", LASSO)
    assert open_run(tracker, replace(LINEAGE, commit="decaf"), "sklearn", LASSO) == first


@pytest.mark.parametrize("version", [101, 102, 103])
def test_tasks_that_log_the_same_new_training_set_at_once_all_succeed(tracker: Tracker, version: int) -> None:
    together = Barrier(4)
    lineage = replace(LINEAGE, training_set=replace(SET, version=version, fingerprint=f"{version}" * 20))

    def open_at_once(model: str) -> str:
        together.wait()
        return open_run(tracker, lineage, "xgboost", model)

    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(open_at_once, [name for name in MODELS if name.startswith("gbtree")][:4]))
    assert len(set(runs)) == 4
    assert [len(tracker.client.get_run(run).inputs.dataset_inputs) for run in runs] == [1] * 4


# Trials


def test_trial_is_a_child_run_with_its_parameters_and_errors(tracker: Tracker) -> None:
    parent = open_run(tracker, LINEAGE, "sklearn", LASSO)
    runs.log_trial(tracker, parent, LASSO, TRIAL)
    (child,) = list_children(tracker, parent)
    assert child.data.params == {"alpha": "0.25", "depth": "7", "intercept": "True"}
    assert child.data.metrics == {"validation_rmse": 5.25, "validation_mae": 4.5}
    assert (child.data.tags["trial"], child.data.tags["role"], child.info.status) == ("0", "trial", "FINISHED")
    assert child.info.end_time - child.info.start_time == 1500


def test_failed_trial_is_a_failed_run_with_its_error(tracker: Tracker) -> None:
    parent = open_run(tracker, LINEAGE, "sklearn", LASSO)
    error = "ValueError: " + "x" * 10_000
    runs.log_trial(tracker, parent, LASSO, replace(TRIAL, loss=None, metrics={}, error=error))
    (child,) = list_children(tracker, parent)
    assert (child.info.status, child.data.metrics) == ("FAILED", {})
    assert child.data.tags["error"] == error[:1000]


class RecordingClient(MlflowClient):
    """Writes down which requests that change something are made."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith(("create", "log", "set", "update", "delete")):
            REQUESTS.append(name)
        return super().__getattribute__(name)


REQUESTS: list[str] = []


def test_trial_takes_one_batch_and_no_request_for_each_value(tracker: Tracker) -> None:
    parent = open_run(tracker, LINEAGE, "sklearn", LASSO)
    REQUESTS.clear()
    runs.log_trial(replace(tracker, client=RecordingClient(tracker.uri)), parent, LASSO, TRIAL)
    assert REQUESTS == ["create_run", "log_batch", "set_terminated"]


def test_half_written_trials_are_deleted_and_complete_ones_listed(tracker: Tracker) -> None:
    parent = open_run(tracker, LINEAGE, "sklearn", LASSO)
    for number in (0, 1):
        runs.log_trial(tracker, parent, LASSO, replace(TRIAL, number=number))
    runs.log_trial(tracker, parent, LASSO, replace(TRIAL, number=2, loss=None, error="ValueError"))
    half = tracker.client.create_run(tracker.experiment_id, tags={"mlflow.parentRunId": parent, "trial": "3"})
    assert runs.list_tracked_trials(tracker, parent) == {0, 1, 2}
    assert half.info.run_id not in [child.info.run_id for child in list_children(tracker, parent)]


def test_trial_that_two_have_written_is_kept_once(tracker: Tracker) -> None:
    parent = open_run(tracker, LINEAGE, "sklearn", LASSO)
    for number in (0, 1, 0):
        runs.log_trial(tracker, parent, LASSO, replace(TRIAL, number=number))
    assert runs.list_tracked_trials(tracker, parent) == {0, 1}
    assert len(list_children(tracker, parent)) == 2


def test_trials_on_several_pages_are_all_found_though_some_are_deleted(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "RUNS_A_PAGE", 2)
    parent = open_run(tracker, LINEAGE, "sklearn", LASSO)
    for number in range(5):
        runs.log_trial(tracker, parent, LASSO, replace(TRIAL, number=number))
    # The newest runs come first.
    for number in (5, 6):
        tracker.client.create_run(tracker.experiment_id, tags={"mlflow.parentRunId": parent, "trial": str(number)})
    assert runs.list_tracked_trials(tracker, parent) == set(range(5))
    assert len(list_children(tracker, parent)) == 5


def test_run_can_be_marked_as_failed(tracker: Tracker) -> None:
    run_id = open_run(tracker, LINEAGE, "sklearn", LASSO)
    runs.fail_run(tracker, run_id)
    assert tracker.client.get_run(run_id).info.status == "FAILED"


# Models


def make_model(name: str) -> Model:
    """A model type with its first parameters, or the blend of two fits with them."""
    model = MODELS[type_of(name)]
    data = encode(model, PROBLEM, "rich", REFERENCES, TRAIN, OTHERS)
    parameters = join_members([dict(model.start)] * (1 if name == model.name else 2))
    estimator = fit(model, parameters, data, random_state=1, threads=1).estimator
    return Model.of(data, estimator, {"model": name, "parameters": parameters})


def log_small_model(tracker: Tracker, name: str = LASSO, lineage: Lineage = LINEAGE) -> tuple[str, str, Model]:
    """The run's id, the model's address, and the model."""
    family = MODELS[type_of(name)].family
    run_id, model = open_run(tracker, lineage, family, name), make_model(name)
    uri = model_logging.log_model(
        tracker,
        run_id,
        family,
        model,
        metrics={"validation_rmse": 5.5},
        tables={"slices": [{"slicing": "hour", "rows": 3}]},
        figures={"summary.png": Figure()},
        example=take(OTHERS.rows, slice(0, 3)),
    )
    return run_id, uri, model


def test_logged_model_ends_its_run_with_metrics_parameters_tables_and_figures(tracker: Tracker) -> None:
    run_id, uri, _ = log_small_model(tracker)
    run = tracker.client.get_run(run_id)
    assert (run.info.status, run.data.metrics, run.data.params) == (
        "FINISHED",
        {"validation_rmse": 5.5},
        {"alpha": "0.001"},
    )
    assert {file.path for file in tracker.client.list_artifacts(run_id)} >= {"slices.json", "summary.png"}
    table = mlflow.artifacts.load_dict(f"runs:/{run_id}/slices.json")
    assert table == {"rows": [{"slicing": "hour", "rows": 3}]}
    assert mlflow.models.get_model_info(uri).signature.inputs.input_names() == list(OTHERS.rows)


def test_logged_model_names_the_exact_packages_that_it_needs(tracker: Tracker) -> None:
    _, uri, _ = log_small_model(tracker)
    requirements = Path(mlflow.pyfunc.get_model_dependencies(uri)).read_text().split()
    assert {line.partition("==")[0] for line in requirements} == {
        "mlflow", "numpy", "pandas", "pydantic", "scipy", "tzdata", "scikit-learn", "skops",
    }  # fmt: skip
    assert all("==" in line for line in requirements)


def test_model_can_be_logged_again_on_a_retry(tracker: Tracker) -> None:
    (first, *_), (again, uri, model) = log_small_model(tracker), log_small_model(tracker)
    assert first == again
    predicted = mlflow.pyfunc.load_model(uri).predict(pd.DataFrame(dict(OTHERS.rows)))
    assert np.array_equal(predicted, model.predict(OTHERS.rows))


PREDICT = """
import importlib.util, json, sys
import mlflow, pandas as pd

assert importlib.util.find_spec("include") is None, "the project must not be importable here"
uri, path = sys.argv[1:]
predicted = mlflow.pyfunc.load_model(uri).predict(pd.read_parquet(path))
module = sys.modules["mltrain_model.models.artifact"].__file__
print(json.dumps({"predicted": predicted.tolist(), "module": module}))
"""


@pytest.mark.parametrize("name", [LASSO, GAMMA, name_blend(GAMMA)])
def test_model_carries_its_code_and_loads_where_the_project_is_not(tracker: Tracker, name: str, tmp_path: Path) -> None:
    _, uri, model = log_small_model(tracker, name)
    pd.DataFrame(dict(OTHERS.rows)).to_parquet(tmp_path / "trips.parquet")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, uri, tmp_path / "trips.parquet"],
        cwd=tmp_path,
        env=environment | {"MLFLOW_TRACKING_URI": tracker.uri},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["predicted"] == model.predict(OTHERS.rows).tolist()
    assert not Path(answer["module"]).is_relative_to(ROOT)


# Registry


def test_registered_version_has_its_lineage_and_is_the_challenger(
    tracker: Tracker, request: pytest.FixtureRequest
) -> None:
    run_id, uri, _ = log_small_model(tracker)
    name, tags = request.node.name, {**LINEAGE.tags, "family": "sklearn"}
    version = register_model(tracker, name, run_id, uri, tags, "the best")
    found = tracker.client.get_model_version_by_alias(name, "challenger")
    assert (int(found.version), found.run_id, found.description) == (version, run_id, "the best")
    digest = read_digest(Path(mlflow.artifacts.download_artifacts(f"models:/{name}/1/data/model")))
    assert found.tags == {**tags, "files_sha256": digest}
    assert "`champion` is in use" in tracker.client.get_registered_model(name).description


def test_description_that_a_person_gave_the_model_stays(tracker: Tracker, request: pytest.FixtureRequest) -> None:
    name = request.node.name
    for number in (1, 2):
        run_id, uri, _ = log_small_model(tracker, lineage=replace(LINEAGE, run_key=f"dag/{number}"))
        register_model(tracker, name, run_id, uri, {}, "")
        if number == 1:
            tracker.client.update_registered_model(name, "ours")
    assert tracker.client.get_registered_model(name).description == "ours"


def test_version_that_was_made_right_before_a_kill_is_described_when_it_is_registered_again(
    tracker: Tracker, request: pytest.FixtureRequest
) -> None:
    class Killed(BaseException):
        pass

    class DyingClient(MlflowClient):
        def update_model_version(self, *_: Any, **__: Any) -> Any:
            raise Killed

    name = request.node.name
    run_id, uri, _ = log_small_model(tracker)
    with pytest.raises(Killed):
        register_model(replace(tracker, client=DyingClient(tracker.uri)), name, run_id, uri, {}, "the best")
    assert register_model(tracker, name, run_id, uri, {}, "the best") == 1
    assert tracker.client.get_model_version(name, "1").description == "the best"
    assert "`champion` is in use" in tracker.client.get_registered_model(name).description


def test_registering_twice_makes_one_version(tracker: Tracker, request: pytest.FixtureRequest) -> None:
    run_id, uri, _ = log_small_model(tracker)
    versions = [register_model(tracker, request.node.name, run_id, uri, {}, "") for _ in range(2)]
    assert versions == [1, 1]
    assert len(tracker.client.search_model_versions(f"name = '{request.node.name}'")) == 1


def test_next_run_makes_the_next_version_and_takes_the_alias(tracker: Tracker, request: pytest.FixtureRequest) -> None:
    for number in (1, 2):
        run_id, uri, _ = log_small_model(tracker, lineage=replace(LINEAGE, run_key=f"dag/{number}"))
        assert register_model(tracker, request.node.name, run_id, uri, {}, "") == number
    assert tracker.client.get_model_version_by_alias(request.node.name, "challenger").version in (2, "2")


# A server that is away, or that refuses

STEPS: Mapping[str, Callable[[Tracker], Any]] = {
    "open the experiment": lambda tracker: open_tracker(configure(tracker.uri, "any")),
    "open the run of linear_model.Lasso": lambda tracker: open_run(tracker, LINEAGE, "sklearn", LASSO),
    "list the trials": lambda tracker: runs.list_tracked_trials(tracker, "parent"),
    "log trial 0 of linear_model.Lasso": lambda tracker: runs.log_trial(tracker, "parent", LASSO, TRIAL),
    "mark a run as failed": lambda tracker: runs.fail_run(tracker, "run"),
    "store the model": lambda tracker: model_logging.log_model(
        tracker,
        "run",
        "sklearn",
        make_model(LASSO),
        metrics={},
        tables={},
        figures={},
        example=take(OTHERS.rows, slice(0, 3)),
    ),
    "register the model": lambda tracker: register_model(tracker, "name", "run", "models:/m-1", {}, ""),
}


@pytest.mark.parametrize("step", STEPS)
def test_server_that_is_away_is_named_with_what_could_not_be_done(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"http://127.0.0.1:{find_free_port()}"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    with pytest.raises(TrackingUnavailable, match=f"MLflow at {uri} could not {step}: "):
        STEPS[step](Tracker(MlflowClient(uri), uri, "0"))


@pytest.mark.parametrize("password", [None, "not the one"])
def test_login_that_is_missing_or_wrong_is_a_setting_to_mend(
    mlflow_url: str, monkeypatch: pytest.MonkeyPatch, password: str | None
) -> None:
    if password:
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    else:
        monkeypatch.delenv("MLFLOW_TRACKING_USERNAME")
        monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD")
    with pytest.raises(
        SettingsError, match=f"{mlflow_url} requires a login .* MLFLOW_TRACKING_PASSWORD in the environment"
    ):
        open_tracker(configure(mlflow_url, "never opened"))


def test_login_that_only_reads_finds_nothing_where_there_is_nothing_yet_and_makes_nothing(
    mlflow_server: TrackingServer, mlflow_url: str, request: pytest.FixtureRequest
) -> None:
    settings = configure(mlflow_url, request.node.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", "reader")
        patch.setenv("MLFLOW_TRACKING_PASSWORD", mlflow_server.reader_password)
        reader = open_tracker(settings)
        assert find_version(reader, "no-such-model", CHAMPION) is None
        assert reader.client.search_runs([reader.experiment_id]) == []
        assert reader.client.get_experiment_by_name(request.node.name) is None
    writer = open_tracker(settings)
    assert writer.experiment_id != reader.experiment_id
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", "reader")
        patch.setenv("MLFLOW_TRACKING_PASSWORD", mlflow_server.reader_password)
        assert open_tracker(settings).experiment_id == writer.experiment_id


def test_request_that_is_refused_is_no_server_that_is_away(tracker: Tracker) -> None:
    with pytest.raises(MlflowException, match="no-such-run"):
        runs.get_metrics(tracker, "no-such-run")
