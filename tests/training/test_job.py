"""What a training job is to do, as settings, request and target say."""

import json
from typing import Any

import pytest

from include.errors import SettingsError
from include.sets.examples import TargetShape, TrainingSet
from include.settings import Settings
from include.tracking.lineage import UNCOMMITTED
from include.training.job import SKEWED, Job, choose_models, make_job, match_target
from include.training.results import Trained
from include.training.steps import choose_best
from include.tuning.search import Limits

LASSO, SQUARED, GAMMA = "linear_model.Lasso", "gbtree.squarederror", "gbtree.gamma"
TWEEDIE, LOG = "gbtree.tweedie", "gbtree.logsquarederror"
DEFAULTS = Settings()


def make_set(**changes: Any) -> TrainingSet:
    values = {
        "version": 3, "fingerprint": "f", "months": (), "validation_from": "", "test_from": None,
        "counts": {}, "published_at": None,
    }  # fmt: skip
    return TrainingSet(**(values | changes))


def test_job_without_a_request_comes_from_the_settings() -> None:
    settings = Settings(
        max_evaluations=7, tuning_time_budget=8, tuning_patience=9, random_state=0, feature_set="reference"
    )
    assert make_job(settings, "sklearn", "dag/run", make_set()) == Job(
        "dag/run", "sklearn", 3, "reference", Limits(7, 8, 9), 0
    )


def test_request_wins_over_the_settings() -> None:
    job = make_job(
        DEFAULTS,
        "xgboost",
        "dag/run",
        make_set(),
        max_evaluations=2,
        time_budget=1.5,
        random_state=0,
        feature_set="rich",
    )
    assert job == Job("dag/run", "xgboost", 3, "rich", Limits(2, 1.5, DEFAULTS.tuning_patience), 0)


def test_job_survives_being_handed_on_as_json() -> None:
    job = make_job(DEFAULTS, "sklearn", "dag/run", make_set())
    assert Job.from_dict(json.loads(json.dumps(job.to_dict()))) == job


def test_unknown_feature_set_is_an_error_before_anything_is_trained() -> None:
    with pytest.raises(SettingsError, match="Unknown feature set 'poor'"):
        make_job(DEFAULTS, "sklearn", "dag/run", make_set(), feature_set="poor")


def test_code_that_no_commit_holds_is_an_error_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_COMMIT", "a" * 40 + UNCOMMITTED)
    with pytest.raises(SettingsError, match="set REGISTER_UNCOMMITTED=true"):
        make_job(DEFAULTS, "sklearn", "dag/run", make_set())
    make_job(DEFAULTS.change(register_uncommitted=True), "sklearn", "dag/run", make_set())


def test_models_are_those_asked_for_once_each_or_those_of_the_settings() -> None:
    assert choose_models(DEFAULTS, "sklearn", [LASSO, LASSO, "svm.LinearSVR"]) == [LASSO, "svm.LinearSVR"]
    assert choose_models(DEFAULTS, "xgboost", None) == [SQUARED, GAMMA]
    assert choose_models(DEFAULTS, "xgboost", []) == [SQUARED, GAMMA]


@pytest.mark.parametrize(
    ("lowest", "models"),
    [(0.5, [SQUARED, GAMMA, TWEEDIE]), (0.0, [SQUARED, TWEEDIE]), (-3.0, [SQUARED])],
)
def test_models_that_the_target_forbids_are_left_out_with_the_reason(lowest: float, models: list[str]) -> None:
    chosen = match_target([SQUARED, GAMMA, TWEEDIE], 3, TargetShape(lowest, 0.0))
    assert list(chosen.models) == models
    assert [line.split()[0] for line in chosen.notes] == [n for n in (GAMMA, TWEEDIE) if n not in models]
    for line in chosen.notes:
        assert f"but training set 3 has {lowest:g}." in line


@pytest.mark.parametrize(
    ("target", "add", "is_added"),
    [
        (TargetShape(0.5, 2.5), True, True),
        (TargetShape(0.5, SKEWED), True, False),
        (TargetShape(0.0, 2.5), True, False),
        (TargetShape(0.5, 2.5), False, False),
    ],
)
def test_logarithm_is_learnt_too_where_the_target_is_above_zero_and_skewed(
    target: TargetShape, add: bool, is_added: bool
) -> None:
    chosen = match_target([SQUARED], 3, target, add=add)
    assert chosen.models == ((SQUARED, LOG) if is_added else (SQUARED,))
    assert chosen.notes == ((f"{LOG} is trained, too: the target's skewness is 2.5.",) if is_added else ())


@pytest.mark.parametrize(
    ("of_log", "best"), [(97.0, SQUARED), (94.0, LOG), (float("nan"), SQUARED)], ids=["by chance", "clear", "none"]
)
def test_logarithm_is_the_best_where_its_error_is_clearly_lower(of_log: float, best: str) -> None:
    trained = [
        Trained(model=name, run_id="r", model_uri="u", metrics={"validation_rmse": rmse})
        for name, rmse in ((SQUARED, 100.0), (LOG, of_log))
    ]
    assert choose_best(DEFAULTS.problem.objective, trained)["model"] == best


def test_model_types_that_someone_has_named_are_no_default() -> None:
    assert DEFAULTS.is_default("xgboost_models")
    assert Settings(xgboost_models=",".join(DEFAULTS.xgboost_models)).is_default("xgboost_models")
    assert not Settings(xgboost_models="gbtree.gamma").is_default("xgboost_models")


def test_error_names_the_models_to_set_where_the_target_forbids_all() -> None:
    with pytest.raises(SettingsError) as error:
        match_target([GAMMA], 3, TargetShape(-1.5, 0.0))
    assert str(error.value).startswith(
        "gbtree.gamma is left out: it needs targets above zero, but training set 3 has -1.5. No model type is left to"
        " train: set XGBOOST_MODELS to one or more of gbtree.squarederror, gbtree.absoluteerror, "
    )
    assert TWEEDIE not in str(error.value)


@pytest.mark.parametrize("name", ["svm.SVR", SQUARED])
def test_unknown_model_is_an_error_before_anything_is_trained(name: str) -> None:
    with pytest.raises(SettingsError, match=f"Unknown sklearn model type '{name}'; choose from: linear_model"):
        choose_models(DEFAULTS, "sklearn", [LASSO, name])


def test_model_type_of_another_task_is_refused_with_those_that_fit() -> None:
    churn = Settings(problem="churn")  # type: ignore[arg-type]
    assert choose_models(churn, "xgboost", None) == ["gbtree.logistic"]
    with pytest.raises(SettingsError, match="gbtree.gamma does not predict 2 classes; choose from: gbtree.logistic."):
        choose_models(churn, "xgboost", ["gbtree.gamma"])
    with pytest.raises(SettingsError, match="gbdt.binary does not predict a number; choose from: gbdt.squarederror, "):
        choose_models(DEFAULTS, "lightgbm", ["gbdt.binary"])
    with pytest.raises(ValueError, match="no model type for a classification is given in SKLEARN_MODELS"):
        Settings(problem="churn", sklearn_models="linear_model.Lasso", xgboost_models="", lightgbm_models="")  # type: ignore[arg-type]
