import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

from include.errors import NoTrainingSet, SettingsError, TrackingUnavailable, WarehouseUnavailable
from include.models.artifact import Model
from include.models.fitting import Fitted, encode, fit
from include.models.folds import sample
from include.models.table import MODELS
from include.problem.objectives.regression import measure
from include.problem.words import show_amount
from include.sets import build, publish
from include.sets.examples import get_training_set, load_references, load_split, read_problem_of
from include.sets.plan import Plan
from include.settings import Settings
from include.tracking import runs
from include.tracking.runs import Tracker, open_tracker
from include.training.final_model import train_model
from include.training.job import Job
from include.training.steps import describe_registered, register_best, tune_model
from include.tuning.search import Limits, Trial
from include.tuning.trials import WarehouseTrials, load_estimator_of
from tests.conftest import find_free_port
from tests.warehouse_rows import RawTrip, query, store_month

LASSO, SQUARED, GAMMA = "linear_model.Lasso", "gbtree.squarederror", "gbtree.gamma"
FOREST = "ensemble.RandomForestRegressor"
PAGE = "http://airflow/dags/sklearn_training/runs/manual__1"
# MLflow says so of every model: our integers are never missing, and the other is its own.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range"),
]


@pytest.fixture
def tracker(settings: Settings) -> Tracker:
    return open_tracker(settings)


@pytest.fixture
def job(settings: Settings, request: pytest.FixtureRequest) -> Job:
    """A run of the test's own: three trials a model type on the one training set."""
    return Job(f"sklearn_training/{request.node.name}", "sklearn", 1, "rich", Limits(3, 600, 25), 42)


def list_children(tracker: Tracker, parent: str) -> list[tuple[int, str, float]]:
    """Number, status and error of each trial's run."""
    runs = tracker.client.search_runs([tracker.experiment_id], f"tags.mlflow.parentRunId = '{parent}'")
    return sorted((int(run.data.tags["trial"]), run.info.status, run.data.metrics["validation_rmse"]) for run in runs)


def list_stored(url: str, job: Job, model: str = LASSO) -> list[tuple[int, str, float | None]]:
    with WarehouseTrials(url, job.run_key, model, job.set_version) as store:
        trials = store.load()
    return [(trial.number, "FINISHED", trial.loss) for trial in trials]


class Killed(BaseException):
    """What nothing may catch."""


def kill_after(number: int) -> Callable[[Trial], None]:
    def die(trial: Trial) -> None:
        if trial.number == number:
            raise Killed

    return die


def test_tuning_keeps_each_trial_in_the_warehouse_and_in_mlflow(
    url: str, settings: Settings, job: Job, tracker: Tracker
) -> None:
    reported: list[int] = []
    tuned = tune_model(url, settings, job, LASSO, on_trial=lambda trial: reported.append(trial.number))
    stored = list_stored(url, job)
    assert (tuned["model"], tuned["trials"], tuned["stopped_by"]) == (LASSO, 3, "max_evaluations")
    assert tuned["loss"] == min(loss for _, _, loss in stored if loss is not None)
    assert list_children(tracker, tuned["run_id"]) == stored
    assert reported == [0, 1, 2]
    json.dumps(tuned, allow_nan=False)


def test_killed_tuning_goes_on_without_doubling_anything(
    url: str, settings: Settings, job: Job, tracker: Tracker
) -> None:
    with pytest.raises(Killed):
        tune_model(url, settings, job, LASSO, on_trial=kill_after(1))
    whole = tune_model(url, settings, replace(job, run_key="uninterrupted"), LASSO)
    resumed = tune_model(url, settings, job, LASSO)
    again = tune_model(url, settings, job, LASSO)
    assert resumed == again == {**whole, "run_id": resumed["run_id"]}
    train_model(url, settings, job, resumed)
    assert list_children(tracker, resumed["run_id"]) == list_stored(url, job)
    assert len(list_stored(url, job)) == 3


def test_workers_share_one_run_in_mlflow_and_return_the_same(
    url: str, settings: Settings, job: Job, tracker: Tracker
) -> None:
    shared = replace(job, limits=Limits(8, 600, 25, workers=3))
    with ThreadPoolExecutor(3) as pool:
        first, *others = pool.map(lambda _: tune_model(url, settings, shared, LASSO), range(3))
    alone = tune_model(url, settings, replace(shared, run_key="alone"), LASSO)
    assert others == [first, first]
    assert first == {**alone, "run_id": first["run_id"]}
    train_model(url, settings, shared, first)
    assert list_children(tracker, first["run_id"]) == list_stored(url, job)
    assert len(list_stored(url, job)) == 8


def test_search_begins_with_the_best_parameters_of_earlier_sets_and_of_the_champion(
    url: str, settings: Settings, job: Job, tracker: Tracker
) -> None:
    def begin(name: str) -> list[Any]:
        searching = replace(job, run_key=f"{name}/{job.run_key}", limits=Limits(4, 600, 25))
        tune_model(url, settings, searching, LASSO)
        with WarehouseTrials(url, searching.run_key, LASSO, 1) as store:
            return [trial.parameters for trial in store.load()]

    earlier = [replace(job, run_key=f"{job.run_key}/{number}", random_state=number) for number in range(3)]
    tuned = [tune_model(url, settings, searching, LASSO) for searching in earlier]
    oldest, middle, newest = (each["parameters"] for each in tuned)
    query(url, f"UPDATE training.tunings SET set_version = 0 WHERE starts_with(run_key, '{job.run_key}/') RETURNING 1")
    start = dict(MODELS[LASSO].start)
    assert begin("no champion")[:3] == [newest, middle, start]
    champion = register_best(url, settings, earlier[0], [train_model(url, settings, earlier[0], tuned[0])])
    tracker.client.set_registered_model_alias(champion["name"], "champion", str(champion["version"]))
    assert begin("a champion") == [newest, middle, oldest, start]


def test_search_uses_a_sample_of_large_splits_and_the_final_model_all_rows(
    url: str, settings: Settings, job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    job = replace(job, family="xgboost", limits=Limits(2, 600, 25))
    few = settings.model_copy(update={"tuning_rows": 300, "refit": False})
    with caplog.at_level("INFO"):
        tuned = tune_model(url, few, job, SQUARED)
    rows = [len(load_split(url, 1, split)) for split in ("train", "validation")]
    assert f"The search uses 600 of {sum(rows)} rows, evenly over time." in caplog.text
    assert load_estimator_of(url, job.run_key, SQUARED, tuned["parameters"], 1) is None
    trained = train_model(url, few, job, tuned)
    train, validation = (load_split(url, 1, split) for split in ("train", "validation"))
    data = encode(MODELS[SQUARED], read_problem_of(url, 1), "rich", load_references(url, 1), train, validation)
    whole = fit(MODELS[SQUARED], tuned["parameters"], data, random_state=42, threads=settings.threads_per_model)
    assert trained["metrics"]["validation_rmse"] == pytest.approx(whole.metrics["rmse"], rel=1e-6)
    assert whole.metrics["rmse"] < tuned["loss"]


@pytest.mark.parametrize("of_search", [300, 1_000_000], ids=["before the search", "since the search"])
def test_model_type_that_needs_all_rows_in_memory_is_fitted_to_those_that_its_encoder_knows(
    url: str, settings: Settings, job: Job, monkeypatch: pytest.MonkeyPatch, of_search: int
) -> None:
    monkeypatch.setattr("include.models.folds.ENOUGH_ROWS", 100)
    settings = settings.model_copy(update={"refit": False})
    few = settings.model_copy(update={"in_memory_rows": 300})
    tuned = tune_model(url, settings.model_copy(update={"in_memory_rows": of_search}), job, LASSO)
    is_kept = load_estimator_of(url, job.run_key, LASSO, tuned["parameters"], 1) is not None
    assert is_kept == (of_search > 300)
    stored = load_stored(train_model(url, few, job, tuned))
    problem, validation = read_problem_of(url, 1), load_split(url, 1, "validation")
    held = sample(problem, load_split(url, 1, "train"), most=300, random_state=job.random_state)
    data = encode(MODELS[LASSO], problem, "rich", load_references(url, 1), held, validation)
    expected = fit(MODELS[LASSO], tuned["parameters"], data, random_state=42, threads=1)
    assert stored.predict(validation.rows) == pytest.approx(
        Model.of(data, expected.estimator, {}).predict(validation.rows)
    )


def test_boosters_read_more_rows_than_memory_holds_so_that_their_estimators_are_kept(
    url: str, settings: Settings, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.models.folds.ENOUGH_ROWS", 100)
    few = settings.model_copy(update={"in_memory_rows": 300})
    tuned = tune_model(url, few, replace(job, family="xgboost", limits=Limits(1, 600, 25)), SQUARED)
    assert load_estimator_of(url, job.run_key, SQUARED, tuned["parameters"], 1) is not None


def test_cleared_run_that_would_be_of_something_else_is_refused_before_anything_is_searched(
    url: str, settings: Settings, job: Job, tracker: Tracker
) -> None:
    tuned = tune_model(url, settings, job, LASSO)
    stored = list_stored(url, job)
    with pytest.raises(SettingsError, match=r"random state 42 instead of 7: .* Start a new run of sklearn_training"):
        tune_model(url, settings, replace(job, random_state=7, limits=Limits(9, 600, 25)), LASSO)
    assert list_stored(url, job) == stored == list_children(tracker, tuned["run_id"])
    assert tracker.client.get_run(tuned["run_id"]).info.status != "FAILED"


@pytest.mark.parametrize("rows", [1, 2])
def test_model_can_be_trained_where_hardly_any_row_validates(
    warehouse_url: str, settings: Settings, job: Job, rows: int
) -> None:
    trips = [RawTrip(f"2024-01-{day:02} 0{hour}:00", 10 + day, 1 + hour) for day in range(1, 29) for hour in range(9)]
    store_month(warehouse_url, "2024-01", trips)
    store_month(warehouse_url, "2024-02", [RawTrip(f"2024-02-01 0{hour}:00", 12) for hour in range(rows)])
    few, plan = settings.change(minimum_rows=1), Plan(("2024-01", "2024-02"), "2024-02-01", None, outdated_after=168)
    version = build.transform(warehouse_url, few, plan, "run")
    build.build(warehouse_url, version)
    build.validate(warehouse_url, few, version)
    assert publish.publish(warehouse_url, version, 5)
    trained = train_model(warehouse_url, few, job, tuned_by_hand(few, warehouse_url, job, LASSO, {"alpha": 0.01}))
    assert trained["metrics"]["validation_rmse"] >= 0


def test_no_evaluations_fit_the_last_best_parameters_again(url: str, settings: Settings, job: Job) -> None:
    before = tune_model(url, settings, replace(job, run_key=f"{job.run_key}/before", random_state=5), LASSO)
    tuned = tune_model(url, settings, replace(job, limits=Limits(0, 600, 25)), LASSO)
    assert (tuned["parameters"], tuned["loss"], tuned["trials"]) == (before["parameters"], before["loss"], 1)


def test_trials_that_were_stored_but_not_tracked_are_tracked_before_the_final_model_is(
    url: str, settings: Settings, job: Job, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(runs, "log_trial", die)
        with pytest.raises(Killed):
            tune_model(url, settings, job, LASSO)
    # The first one's failure is met when the second is to be tracked.
    assert len(list_stored(url, job)) == 2
    tuned = tune_model(url, settings, job, LASSO)
    train_model(url, settings, job, tuned)
    assert list_children(tracker, tuned["run_id"]) == list_stored(url, job)


def test_trial_that_was_half_tracked_is_tracked_anew(url: str, settings: Settings, job: Job, tracker: Tracker) -> None:
    with pytest.raises(Killed):
        tune_model(url, settings, job, LASSO, on_trial=kill_after(0))
    (parent,) = tracker.client.search_runs([tracker.experiment_id], "tags.role = 'model'")
    (child,) = tracker.client.search_runs([tracker.experiment_id], "tags.role = 'trial'")
    tracker.client.update_run(child.info.run_id, status="RUNNING")
    train_model(url, settings, job, tune_model(url, settings, job, LASSO))
    assert list_children(tracker, parent.info.run_id) == list_stored(url, job)


def test_tuning_without_one_success_fails_its_run_and_says_why(
    url: str, settings: Settings, job: Job, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Fitted:
        raise ValueError("no such solver")

    monkeypatch.setattr("include.training.steps.fit_folds", refuse)
    with pytest.raises(RuntimeError, match="None of 3 trials could be fitted: ValueError: no such solver"):
        tune_model(url, settings, job, LASSO)
    (parent,) = tracker.client.search_runs([tracker.experiment_id], "tags.role = 'model'")
    assert parent.info.status == "FAILED"


def tuned_by_hand(settings: Settings, url: str, job: Job, model: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """What `tune_model` hands on, without a search."""
    lineage = runs.Lineage(job.run_key, get_training_set(url, 1), job.feature_set, "c0ffee", job.random_state)
    run_id = runs.open_run(open_tracker(settings), lineage, job.family, model)
    return {"model": model, "run_id": run_id, "parameters": parameters}


BOOSTED = {"max_depth": 5, "learning_rate": 0.3, "min_child_weight": 1.0}


@pytest.mark.parametrize(("model", "parameters"), [(LASSO, {"alpha": 0.01}), (GAMMA, BOOSTED)])
def test_trained_model_is_stored_with_its_errors_on_all_held_out_splits(
    url: str, settings: Settings, job: Job, tracker: Tracker, model: str, parameters: dict[str, Any]
) -> None:
    job = replace(job, family="sklearn" if model == LASSO else "xgboost")
    trained = train_model(url, settings, job, tuned_by_hand(settings, url, job, model, parameters))
    train, validation, test = (load_split(url, 1, split) for split in ("train", "validation", "test"))
    stored = load_stored(trained)
    # What is stored has learnt from all splits; the errors are those of its twin, which has learnt from the first one.
    of_set = (read_problem_of(url, 1), job.feature_set, load_references(url, 1))
    data = encode(MODELS[model], *of_set, train, validation)
    before = fit(MODELS[model], parameters, data, random_state=job.random_state, threads=settings.threads_per_model)
    assert {name: trained["metrics"][f"validation_{name}"] for name in before.metrics} == pytest.approx(before.metrics)
    twin = load_twin(trained)
    assert np.array_equal(twin.predict(test.rows), Model.of(data, before.estimator, {}).predict(test.rows))
    expected = measure(test.target, twin.predict(test.rows))
    assert {name: trained["metrics"][f"test_{name}"] for name in expected} == pytest.approx(expected, rel=1e-6)
    assert stored.metadata["splits"] == ["train", "validation", "test"]
    # The rows that judge have calibrated its intervals, by the twin's predictions of them.
    calibrated = twin.bound(test, twin.predict(test.rows)).outputs.intervals
    assert calibrated is not None
    assert stored.outputs.intervals is not None
    assert set(calibrated.wider) == {"pickup_zone"}
    assert stored.outputs.intervals.to_dict() == calibrated.to_dict()
    assert measure(test.target, stored.predict(test.rows))["rmse"] < expected["rmse"]
    run = tracker.client.get_run(trained["run_id"])
    assert (run.info.status, run.data.metrics) == ("FINISHED", pytest.approx(trained["metrics"]))
    assert run.data.params == {name: str(value) for name, value in parameters.items()}
    json.dumps(trained, allow_nan=False)


def load_stored(trained: dict[str, Any]) -> Model:
    directory = Path(mlflow.artifacts.download_artifacts(trained["model_uri"]))
    return Model.load(directory / "data" / "model")


def load_twin(trained: dict[str, Any]) -> Model:
    directory = Path(mlflow.artifacts.download_artifacts(f"runs:/{trained['run_id']}/judged"))
    return Model.load(directory, digest=trained["judged_sha256"])


def test_without_a_refit_the_best_trial_is_what_is_stored(url: str, settings: Settings, job: Job) -> None:
    settings = settings.model_copy(update={"refit": False})
    trained = train_model(url, settings, job, tuned_by_hand(settings, url, job, LASSO, {"alpha": 0.01}))
    assert trained["judged_sha256"] is None
    test, stored = load_split(url, 1, "test"), load_stored(trained)
    assert "splits" not in stored.metadata
    assert measure(test.target, stored.predict(test.rows))["rmse"] == trained["metrics"]["test_rmse"]


@pytest.mark.parametrize("model", [LASSO, GAMMA])
def test_best_trial_is_not_fitted_a_second_time_even_after_a_kill(
    url: str, settings: Settings, job: Job, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("fitted again")

    # With as few rows as here, folds would score.
    monkeypatch.setattr("include.models.folds.ENOUGH_ROWS", 100)
    settings = settings.model_copy(update={"refit": False})
    job = replace(job, family="sklearn" if model == LASSO else "xgboost")
    with pytest.raises(Killed):
        tune_model(url, settings, job, model, on_trial=kill_after(1))
    tuned = tune_model(url, settings, job, model)
    monkeypatch.setattr("include.training.engines.in_task.fit_estimator", refuse)
    trained = train_model(url, settings, job, tuned)
    assert trained["metrics"]["validation_rmse"] == tuned["loss"]
    with pytest.raises(AssertionError, match="fitted again"):
        train_model(url, settings, replace(job, run_key="another"), tuned)


def test_stored_model_says_what_it_was_made_of(url: str, settings: Settings, job: Job) -> None:
    trained = train_model(url, settings, job, tuned_by_hand(settings, url, job, LASSO, {"alpha": 0.01}))
    metadata = load_stored(trained).metadata
    assert (metadata["model"], metadata["family"], metadata["parameters"]) == (LASSO, "sklearn", {"alpha": 0.01})
    assert (metadata["lineage"]["training_set_version"], metadata["lineage"]["run_key"]) == ("1", job.run_key)


@pytest.mark.parametrize(
    ("model", "parameters", "files"),
    [
        (LASSO, {"alpha": 0.01}, {"shap_summary.json", "shap_summary.png"}),
        (GAMMA, BOOSTED, {"shap_summary.json", "shap_summary.png"}),
        (FOREST, MODELS[FOREST].start, set()),
    ],
)
def test_slices_are_stored_for_each_model_and_what_moves_its_predictions_where_that_is_known(
    url: str, settings: Settings, job: Job, tracker: Tracker, model: str, parameters: dict[str, Any], files: set[str]
) -> None:
    job = replace(job, family="xgboost" if model == GAMMA else "sklearn")
    trained = train_model(url, settings, job, tuned_by_hand(settings, url, job, model, parameters))
    run_id = trained["run_id"]
    assert {file.path for file in tracker.client.list_artifacts(run_id)} == {"judged", "slices.json", *files}
    slices = mlflow.artifacts.load_dict(f"runs:/{run_id}/slices.json")["rows"]
    by_hour = {split: sum(row["rows"] for row in slices if (row["split"], row["slicing"]) == (split, "hour"))
               for split in ("validation", "test")}  # fmt: skip
    assert by_hour == {split: len(load_split(url, 1, split)) for split in by_hour}
    if files:
        summary = mlflow.artifacts.load_dict(f"runs:/{run_id}/shap_summary.json")["rows"]
        assert {row["feature"] for row in summary} >= {"trip_distance", "pickup_zone", "hour"}


def test_training_again_on_a_retry_gives_the_same_model(url: str, settings: Settings, job: Job) -> None:
    tuned = tuned_by_hand(settings, url, job, LASSO, {"alpha": 0.01})
    first, again = (train_model(url, settings, job, tuned) for _ in range(2))
    assert (first["run_id"], first["metrics"]) == (again["run_id"], again["metrics"])
    assert first["run_id"] == tuned["run_id"]


def test_best_model_is_registered_as_challenger_with_its_lineage(
    url: str, settings: Settings, job: Job, tracker: Tracker
) -> None:
    trained = [
        train_model(url, settings, job, tuned_by_hand(settings, url, job, model, parameters))
        for model, parameters in (("svm.LinearSVR", {"C": 0.001, "epsilon": 2.0}), (LASSO, {"alpha": 0.01}))
    ]
    worst, best = sorted(trained, key=lambda model: -model["metrics"]["validation_rmse"])
    job = replace(job, page=PAGE)
    registered = register_best(url, settings, job, trained)
    assert register_best(url, settings, job, trained) == registered  # a retry
    assert registered == {
        "name": settings.registered_model,
        "version": 1,
        "family": "sklearn",
        "model": best["model"],
        "run_id": best["run_id"],
        "metrics": best["metrics"],
        "training_set_version": 1,
    }
    version = tracker.client.get_model_version_by_alias(settings.registered_model, "challenger")
    assert version.run_id == best["run_id"] != worst["run_id"]
    assert version.tags.items() >= {
        "family": "sklearn", "model": best["model"], "training_set_version": "1", "run_key": job.run_key,
        "random_state": "42", "months": "2024-01,2024-02",
    }.items()  # fmt: skip
    assert {"git_commit", "training_set_fingerprint"} <= version.tags.keys()
    assert version.description.endswith(f"Trained by [this Airflow run]({PAGE}).")
    rmse = best["metrics"]["validation_rmse"]
    assert describe_registered(settings.problem, registered) == (
        f"Best: {best['model']}, RMSE {show_amount(rmse, 'minutes')} on validation; registered as version 1 of"
        f" {settings.registered_model}, trained on set 1."
    )
    json.dumps(registered, allow_nan=False)


# Servers that are away

TUNED = {"model": LASSO, "run_id": "run", "parameters": {"alpha": 0.01}}
TRAINED = [{"model": LASSO, "run_id": "run", "model_uri": "models:/m-1", "metrics": {"validation_rmse": 5.0}}]
STEPS: dict[str, Callable[[str, Settings, Job], Any]] = {
    "tune": lambda url, settings, job: tune_model(url, settings, job, LASSO),
    "train": lambda url, settings, job: train_model(url, settings, job, TUNED),
    "register": lambda url, settings, job: register_best(url, settings, job, TRAINED),
}


@pytest.mark.parametrize("step", STEPS)
def test_mlflow_server_that_is_away_is_named(
    url: str, settings: Settings, job: Job, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"http://127.0.0.1:{find_free_port()}"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingUnavailable, match=f"MLflow at {address} could not open the experiment"):
        STEPS[step](url, settings.model_copy(update={"mlflow_tracking_uri": address}), job)


@pytest.mark.parametrize("step", STEPS)
def test_warehouse_that_is_away_is_said_to_be_so(settings: Settings, job: Job, step: str) -> None:
    port = find_free_port()
    with pytest.raises(WarehouseUnavailable, match=f"The warehouse could not be reached, or was lost: .*{port}"):
        STEPS[step](f"postgresql://taxi@127.0.0.1:{port}/warehouse", settings, job)


def test_mlflow_that_breaks_off_during_tuning_loses_no_trial(
    url: str, settings: Settings, job: Job, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    track = runs.log_trial

    def break_off(tracker: Tracker, parent: str, model: str, trial: Trial) -> None:
        if trial.number == 1:
            address = f"http://127.0.0.1:{find_free_port()}"
            tracker = Tracker(mlflow.MlflowClient(address), address, tracker.experiment_id)
        track(tracker, parent, model, trial)

    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        patch.setattr(runs, "log_trial", break_off)
        with pytest.raises(TrackingUnavailable, match="could not log trial 1"):
            tune_model(url, settings, job, LASSO)
    tuned = tune_model(url, settings, job, LASSO)
    train_model(url, settings, job, tuned)
    assert list_children(tracker, tuned["run_id"]) == list_stored(url, job)


@pytest.mark.parametrize("step", STEPS)
def test_training_set_that_is_not_there_any_more_is_named(url: str, settings: Settings, job: Job, step: str) -> None:
    with pytest.raises(NoTrainingSet, match="version 99 no longer exists"):
        STEPS[step](url, settings, replace(job, set_version=99))
