import inspect
import json
import os
import shutil
import sys
import warnings
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from include.errors import SettingsError
from include.models.artifact import Model
from include.models.fitting import Fitted, count_threads, encode, find_rounds, fit, threads_for
from include.models.libraries.table import LIBRARIES, kind_of
from include.models.table import FAMILIES, MODELS, get_model, names_of
from include.problem.data import Split
from include.problem.features import find_feature_set
from include.settings import Settings
from tests.splits import PROBLEM, REFERENCES, make_split, make_split_for, predict_mean, problem_for

TRAIN, VALIDATION = make_split(300), make_split(100, seed=1)
FOR_FEW_ROWS = {"min_child_weight": 5.0, "min_data_in_leaf": 5, "learning_rate": 0.3}
EVERY_MODEL = pytest.mark.parametrize("name", MODELS)
PARALLEL_MODEL = pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.parallel])


def fit_small(name: str, feature_set: str = "rich", **parameters: Any) -> tuple[Fitted, Model]:
    """A model type fitted on the small splits, from its start but for `parameters` and what so few rows need."""
    start = {parameter: FOR_FEW_ROWS.get(parameter, value) for parameter, value in MODELS[name].start.items()}
    splits = make_split_for(name, 300), make_split_for(name, 100, seed=1)
    data = encode(MODELS[name], problem_for(name), feature_set, REFERENCES, *splits)
    fitted = fit(MODELS[name], start | parameters, data, random_state=7, threads=1)
    return fitted, Model.of(data, fitted.estimator, {})


fit_once = cache(fit_small)


# The small trips' durations follow from the distance, whatever the zones: without it there is nothing to learn.
WITH_DISTANCE = [
    name for name in PROBLEM.feature_set_names if "trip_distance" not in find_feature_set(PROBLEM, name).leaves_out
]


@pytest.mark.parametrize("feature_set", WITH_DISTANCE)
@EVERY_MODEL
def test_model_type_takes_its_parameters_and_beats_the_mean(name: str, feature_set: str) -> None:
    with warnings.catch_warnings():
        # A parameter that the library does not know is a warning; so are too few iterations, which are no mistake.
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        # What an earlier test left open is reported when it is collected, be it in this one.
        warnings.simplefilter("ignore", ResourceWarning)
        fitted, model = fit_once(name, feature_set)
    problem, validation = problem_for(name), make_split_for(name, 100, seed=1)
    expected = predict_mean(problem, validation.target)
    predicted = model.predict(validation.rows)
    assert (predicted.shape, predicted.dtype) == (expected.shape, np.float64)
    assert fitted.loss < problem.objective.measure_error(validation.target, expected)


@pytest.mark.parametrize("name", ["linear_model.Lasso", "gbtree.squarederror"])
def test_pickup_learns_from_the_zones_where_they_say_how_long_a_trip_takes(name: str) -> None:
    train, validation = (
        Split(split.rows, split.rows["pickup_zone"] + 5.0 * split.rows["dropoff_zone"]) for split in (TRAIN, VALIDATION)
    )
    data = encode(MODELS[name], PROBLEM, "pickup", REFERENCES, train, validation)
    fitted = fit(MODELS[name], MODELS[name].start, data, random_state=7, threads=1)
    assert fitted.metrics["rmse"] < validation.target.std() / 2


@EVERY_MODEL
def test_error_that_is_tuned_is_that_of_the_stored_model(name: str) -> None:
    fitted, model = fit_once(name, "rich")
    target = make_split_for(name, 100, seed=1).target
    error = problem_for(name).objective.measure_error(target, model.predict(VALIDATION.rows))
    assert error == pytest.approx(fitted.loss, rel=1e-5)


@EVERY_MODEL
def test_same_seed_gives_the_same_model(name: str) -> None:
    (_, first), (_, second) = fit_once(name, "rich"), fit_small(name)
    assert np.array_equal(first.predict(VALIDATION.rows), second.predict(VALIDATION.rows))


@PARALLEL_MODEL
def test_number_of_threads_does_not_change_the_model(name: str) -> None:
    splits = make_split_for(name, 300), make_split_for(name, 100, seed=1)
    data = encode(MODELS[name], problem_for(name), "rich", REFERENCES, *splits)
    parameters = {**MODELS[name].start, "n_estimators": 5}
    one, two = (fit(MODELS[name], parameters, data, random_state=7, threads=threads).loss for threads in (1, 2))
    assert one == pytest.approx(two, rel=1e-4)


@pytest.mark.parametrize("name", ["gbdt.squarederror", "gbdt.gamma"])
def test_leafwise_booster_is_the_same_to_the_last_digit_with_any_number_of_threads(name: str) -> None:
    data = encode(MODELS[name], PROBLEM, "rich", REFERENCES, make_split(2000), make_split(2000, seed=1))
    errors = [fit(MODELS[name], MODELS[name].start, data, random_state=7, threads=threads) for threads in (1, 2)]
    assert errors[0].metrics == errors[1].metrics


@PARALLEL_MODEL
def test_several_threads_give_the_same_errors_to_the_last_digit_every_time(name: str) -> None:
    # So many rows that threads take turns as chance has it.
    splits = make_split_for(name, 2000), make_split_for(name, 2000, seed=1)
    data = encode(MODELS[name], problem_for(name), "rich", REFERENCES, *splits)
    parameters = {**MODELS[name].start, "n_estimators": 10}
    errors = [fit(MODELS[name], parameters, data, random_state=7, threads=2).metrics for _ in range(5)]
    assert errors == [errors[0]] * 5


@pytest.mark.skipif(
    bool(shutil.which("nvidia-smi")), reason="xgboost says that it looked for a GPU where it finds none"
)
def test_booster_is_fitted_on_the_device_and_predicts_on_the_cpu() -> None:
    data = encode(MODELS["gbtree.squarederror"], PROBLEM, "rich", REFERENCES, TRAIN, VALIDATION)
    with pytest.warns(UserWarning, match="No visible GPU is found"):
        fitted = fit(
            MODELS["gbtree.squarederror"], MODELS["gbtree.squarederror"].start, data, random_state=7, device="cuda"
        )
    assert json.loads(fitted.estimator.save_config())["learner"]["generic_param"]["device"] == "cpu"


@EVERY_MODEL
def test_start_lies_inside_the_space(name: str) -> None:
    model = MODELS[name]
    assert model.start.keys() == model.space.keys()
    for parameter, value in model.start.items():
        kind, *arguments = model.space[parameter]
        if kind == "choice":
            assert value in arguments
        else:
            assert arguments[0] <= value <= arguments[1]
            assert isinstance(value, int) == (kind == "int")


@EVERY_MODEL
def test_space_and_fixed_parameters_do_not_overlap(name: str) -> None:
    assert not MODELS[name].space.keys() & MODELS[name].fixed.keys()


@pytest.mark.parametrize("name", names_of("sklearn"))
def test_sklearn_entry_says_rightly_what_its_estimator_takes(name: str) -> None:
    module, class_name = name.rsplit(".", 1)
    takes = inspect.signature(getattr(import_module(f"sklearn.{module}"), class_name)).parameters
    model = MODELS[name]
    assert model.space.keys() | model.fixed.keys() <= takes.keys()
    assert model.seeded == ("random_state" in takes)


@pytest.mark.parametrize("name", ["gbtree.squarederror", "gbdt.squarederror"])
def test_booster_stops_when_the_validation_error_no_longer_falls(name: str) -> None:
    fitted, _ = fit_once(name, "rich")
    rounds = LIBRARIES[MODELS[name].family].count_rounds(fitted.estimator)
    assert 1 <= rounds < 200
    assert find_rounds(MODELS[name], fitted.estimator) == {"n_estimators": round(1.2 * rounds)}
    # As many rounds as are asked for, where they are.
    assert LIBRARIES[MODELS[name].family].count_rounds(fit_small(name, n_estimators=7)[0].estimator) == 7


@pytest.mark.parametrize("factor", [1, 1000])
def test_robust_booster_begins_at_the_middle_of_the_targets_whatever_their_size(factor: int) -> None:
    train, validation = (Split(split.rows, split.target * factor) for split in (TRAIN, VALIDATION))
    model = MODELS["gbtree.pseudohubererror"]
    data = encode(model, PROBLEM, "rich", REFERENCES, train, validation)
    fitted = fit(model, model.start | FOR_FEW_ROWS, data, random_state=7, threads=1)
    learner = json.loads(fitted.estimator.save_config())["learner"]
    base, slope = (
        learner["learner_model_param"]["base_score"],
        learner["objective"]["pseudo_huber_param"]["huber_slope"],
    )
    assert float(base.strip("[]")) == pytest.approx(np.median(train.target), rel=1e-4)
    assert float(slope) == pytest.approx(np.subtract(*np.quantile(train.target, [0.75, 0.25])), rel=1e-4)
    assert fitted.metrics["rmse"] < validation.target.std()


@EVERY_MODEL
def test_estimator_is_known_to_be_of_the_kind_of_its_family(name: str) -> None:
    assert kind_of(fit_once(name, "rich")[0].estimator) is LIBRARIES[MODELS[name].family]


def test_estimator_of_no_library_is_an_error() -> None:
    with pytest.raises(TypeError, match="object is an estimator of no family"):
        kind_of(object())


def test_lightgbm_without_the_openmp_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        def find_spec(self, name: str, *_: Any) -> None:
            if name == "lightgbm":
                raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(SettingsError, match="cannot open shared.*apt install libgomp1.*leave LIGHTGBM_MODELS empty"):
        encode(MODELS["gbdt.gamma"], PROBLEM, "rich", REFERENCES, TRAIN, VALIDATION)


def test_every_model_type_belongs_to_one_family() -> None:
    assert [name for family in FAMILIES for name in names_of(family)] == list(MODELS)


def test_models_that_the_settings_train_are_in_the_table() -> None:
    settings = Settings()
    for family in FAMILIES:
        named = settings.list_model_types(family)
        assert {get_model(name, family).family for name in named} == {family}


def test_unknown_model_type_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(SettingsError, match="Unknown model type 'svm.SVR'; choose from: linear_model.Linear"):
        get_model("svm.SVR")


def test_model_type_of_another_family_is_an_error_that_names_those_of_the_family() -> None:
    with pytest.raises(SettingsError, match="Unknown sklearn model type 'gbtree.gamma'; choose from: ") as error:
        get_model("gbtree.gamma", "sklearn")
    assert "dart.squarederror" not in str(error.value)


def test_a_fit_may_use_all_cores_that_it_is_given_unless_the_settings_say_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert threads_for(0) == joblib.cpu_count() <= len(os.sched_getaffinity(0))
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert threads_for(0) == 1
    assert threads_for(3) == 3


def test_fit_of_few_values_has_no_threads_that_would_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)

    def count(name: str, rows: int, threads: int = 0) -> int:
        data = encode(MODELS[name], PROBLEM, "rich", REFERENCES, TRAIN)
        many = replace(data, train_target=np.broadcast_to(1.0, rows))
        return count_threads(threads, MODELS[name], many)

    assert [count(name, 1_000) for name in ("gbtree.gamma", "gbdt.gamma", "ensemble.ExtraTreesRegressor")] == [1, 1, 8]
    assert count("gbtree.gamma", 1_000, threads=3) == 3
    assert 1 == count("gbdt.gamma", 100_000) < count("gbtree.gamma", 100_000) < 8
    assert count("gbdt.gamma", 10_000_000) == 8


def test_entries_cannot_be_changed_by_accident() -> None:
    model = MODELS["gbtree.gamma"]
    with pytest.raises(AttributeError):
        model.family = "sklearn"  # type: ignore[misc]
    with pytest.raises(TypeError):
        MODELS["new"] = model  # type: ignore[index]


SCALED = pytest.mark.parametrize(
    "name",
    ["linear_model.Lasso", "svm.LinearSVR", "gbtree.squarederror", "gbtree.pseudohubererror", "gbdt.squarederror"],
)


@SCALED
@pytest.mark.parametrize("scale", [1e-2, 1e5])
def test_model_of_a_target_in_another_unit_is_as_good(name: str, scale: float) -> None:
    model = MODELS[name]
    splits = [Split(split.rows, split.target * scale) for split in (TRAIN, VALIDATION)]
    start = {parameter: FOR_FEW_ROWS.get(parameter, value) for parameter, value in model.start.items()}
    data = encode(model, PROBLEM, "rich", REFERENCES, *splits)
    fitted = fit(model, start, data, random_state=7, threads=1)
    expected = fit_once(name, "rich")[0].metrics["rmse"] * scale
    assert fitted.metrics["rmse"] == pytest.approx(expected, rel=0.05)
