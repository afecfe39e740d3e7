"""The blend of a run: of which trials it is, and how it is trained, stored and registered."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

from include.models.artifact import Model
from include.models.fitting import encode, fit_estimator
from include.models.libraries.table import members_of
from include.models.table import FAMILIES, MODELS, name_blend
from include.sets.examples import load_references, load_split, read_problem_of
from include.settings import Settings
from include.tracking.runs import open_tracker
from include.training.blending import add_blend
from include.training.final_model import train_model
from include.training.job import Job
from include.training.steps import choose_best, register_best, tune_model
from include.tuning.search import Limits
from include.tuning.trials import list_best
from tests.training.test_steps import Killed, kill_after

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range"),
]
LASSO, SQUARED, LOG, LEAFWISE = "linear_model.Lasso", "gbtree.squarederror", "gbtree.logsquarederror", "gbdt.gamma"


@pytest.fixture
def blending(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings that blend three trials, which are scored on one split, as on larger sets."""
    monkeypatch.setattr("include.models.folds.ENOUGH_ROWS", 100)
    return settings.model_copy(update={"blend_trials": 3, "threads_per_model": 1})


def make_job(request: pytest.FixtureRequest, model: str, trials: int = 5) -> Job:
    """A run of the test's own."""
    family = MODELS[model].family
    return Job(f"{family}_training/{request.node.name}", family, 1, "rich", Limits(trials, 600, 25), 42)


def refuse(*_: Any, **__: Any) -> None:
    raise AssertionError("fitted again")


def load_stored(trained: Any, folder: str = "") -> Model:
    uri = f"runs:/{trained['run_id']}/{folder}" if folder else trained["model_uri"]
    directory = Path(mlflow.artifacts.download_artifacts(uri))
    return Model.load(directory if folder else directory / "data" / "model")


@pytest.mark.parametrize("model", [LASSO, SQUARED, LEAFWISE])
def test_blend_is_the_mean_of_the_best_trials_none_of_which_is_fitted_again_even_after_a_kill(
    url: str, blending: Settings, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    job, blending = make_job(request, model), blending.model_copy(update={"refit": False})
    for number in (1, 3):
        with pytest.raises(Killed):
            tune_model(url, blending, job, model, on_trial=kill_after(number))
    tuned = tune_model(url, blending, job, model)
    found = add_blend(url, blending, job, [tuned])
    assert (found.models[0], len(found.models), found.notes) == (tuned, 2, [])
    members = list(list_best(url, job.run_key, model, 3).values())
    assert members[0] == tuned["parameters"]
    with monkeypatch.context() as patch:
        patch.setattr("include.training.engines.in_task.fit_estimator", refuse)
        trained = train_model(url, blending, job, found.models[1])
        with pytest.raises(AssertionError, match="fitted again"):
            train_model(url, blending, replace(job, run_key="another"), found.models[1])
    stored, validation = load_stored(trained), load_split(url, 1, "validation")
    assert stored.metadata["model"] == trained["model"] == name_blend(model)
    train = load_split(url, 1, "train")
    data = encode(MODELS[model], read_problem_of(url, 1), "rich", load_references(url, 1), train, validation)
    alone = [fit_estimator(MODELS[model], each, data, random_state=42) for each in members]
    predicted = np.array([Model.of(data, each, {}).predict(validation.rows) for each in alone])
    mean = np.exp(np.log(predicted).mean(axis=0)) if model == LEAFWISE else predicted.mean(axis=0)
    assert stored.predict(validation.rows) == pytest.approx(mean, rel=1e-9)
    expected = read_problem_of(url, 1).objective.measure(validation.target, mean)
    assert {name: trained["metrics"][f"validation_{name}"] for name in expected} == pytest.approx(expected)
    json.dumps(trained, allow_nan=False)


def test_member_that_is_not_kept_is_fitted_again(url: str, settings: Settings, request: pytest.FixtureRequest) -> None:
    # Folds score the trials here: of several fits, none is the one that is wanted.
    job, blending = make_job(request, LASSO), settings.model_copy(update={"blend_trials": 2, "refit": False})
    found = add_blend(url, blending, job, [tune_model(url, blending, job, LASSO)])
    assert len(members_of(load_stored(train_model(url, blending, job, found.models[1])).estimator)) == 2


def test_blend_is_refitted_on_all_rows_each_member_with_its_own_rounds_and_its_twin_is_judged(
    url: str, blending: Settings, request: pytest.FixtureRequest
) -> None:
    job = make_job(request, SQUARED)
    found = add_blend(url, blending, job, [tune_model(url, blending, job, SQUARED)])
    trained = train_model(url, blending, job, found.models[1])
    stored, twin, test = load_stored(trained), load_stored(trained, "judged"), load_split(url, 1, "test")
    rounds = [each.num_boosted_rounds() for each in members_of(twin.estimator)]
    assert stored.metadata["fit"]["found"] == {"n_estimators": [round(1.2 * each) for each in rounds]}
    assert [each.num_boosted_rounds() for each in members_of(stored.estimator)] == [round(1.2 * r) for r in rounds]
    measure_error = stored.problem.objective.measure_error
    assert measure_error(test.target, twin.predict(test.rows)) == pytest.approx(trained["metrics"]["test_rmse"])
    assert measure_error(test.target, stored.predict(test.rows)) < trained["metrics"]["test_rmse"]
    files = {file.path for file in open_tracker(blending).client.list_artifacts(trained["run_id"])}
    assert files == {"judged", "slices.json", "shap_summary.json", "shap_summary.png"}
    assert stored.outputs.intervals is not None


def test_blend_has_a_run_of_its_own_which_says_of_which_trials_it_is_and_is_found_on_a_retry(
    url: str, blending: Settings, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    job = make_job(request, LASSO)
    tuned = tune_model(url, blending, job, LASSO)
    with caplog.at_level("INFO"):
        found, again = (add_blend(url, blending, job, [tuned]) for _ in range(2))
    assert found == again
    numbers = ", ".join(map(str, list_best(url, job.run_key, LASSO, 3)))
    assert f"linear_model.Lasso-blend: The mean of trials {numbers} of linear_model.Lasso." in caplog.text
    run = open_tracker(blending).client.get_run(found.models[1]["run_id"])
    assert run.info.run_id != tuned["run_id"]
    assert (run.data.tags["model"], run.data.tags["role"]) == ("linear_model.Lasso-blend", "model")
    assert run.data.tags["mlflow.note.content"] == f"The mean of trials {numbers} of linear_model.Lasso."
    train_model(url, blending, job, found.models[1])
    run = open_tracker(blending).client.get_run(run.info.run_id)
    assert run.info.status == "FINISHED"
    assert json.loads(run.data.params["alpha"]) == found.models[1]["parameters"]["alpha"]


def test_best_model_of_the_family_is_registered_where_it_is_the_blend(
    url: str, blending: Settings, request: pytest.FixtureRequest
) -> None:
    job = make_job(request, SQUARED)
    found = add_blend(url, blending, job, [tune_model(url, blending, job, SQUARED)])
    trained = [train_model(url, blending, job, each) for each in found.models]
    errors = [each["metrics"]["validation_rmse"] for each in trained]
    best = trained[int(np.argmin(errors))]
    assert choose_best(blending.problem.objective, trained) == best
    # Whichever it is here, the blend can be the one that is registered.
    registered = register_best(url, blending, job, trained[1:])
    assert (registered["model"], registered["run_id"]) == (f"{SQUARED}-blend", trained[1]["run_id"])
    version = open_tracker(blending).client.get_model_version_by_alias(blending.registered_model, "challenger")
    assert (version.tags["model"], version.tags["family"]) == (f"{SQUARED}-blend", "xgboost")
    assert version.tags["judged_sha256"] == trained[1]["judged_sha256"]
    assert version.description.startswith(f"{SQUARED}-blend, validation RMSE ")


def test_blend_is_of_the_best_model_type_where_the_logarithm_has_to_be_clearly_better(
    url: str, blending: Settings, request: pytest.FixtureRequest
) -> None:
    job = make_job(request, SQUARED, trials=2)
    tuned = [tune_model(url, blending, job, model) for model in (SQUARED, LOG)]
    names = {}
    for factor in (0.97, 0.94):
        tuned[1]["loss"] = tuned[0]["loss"] * factor
        names[factor] = add_blend(url, blending, job, tuned).models[2]["model"]
    assert names == {0.97: f"{SQUARED}-blend", 0.94: f"{LOG}-blend"}


@pytest.mark.parametrize("trials", [0, 1])
def test_one_trial_makes_no_blend_which_is_said(
    url: str, blending: Settings, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture, trials: int
) -> None:
    job = make_job(request, LASSO, trials)
    tuned = [tune_model(url, blending, job, LASSO)]
    found = add_blend(url, blending, job, tuned)
    assert found.models == tuned
    sentence = (
        "There is no blend: it takes two different trials of linear_model.Lasso that were fitted to their end, and"
        " there is only one."
    )
    assert found.notes == [sentence]
    assert sentence in caplog.text


def test_nothing_is_blended_by_default() -> None:
    assert (Settings().blend_trials, Settings().kept_trials) == (0, 1)
    assert all(name not in MODELS for name in map(name_blend, MODELS))
    assert not any("blend" in name for family in FAMILIES for name in Settings().list_model_types(family))
