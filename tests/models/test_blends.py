"""Blends: several estimators of a model type as one model, fitted, stored and explained like any other."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.errors import ModelInvalid
from include.models.artifact import Model
from include.models.estimator_files import dump_estimator
from include.models.explanation import can_explain, explain, is_linear
from include.models.fitting import encode, find_rounds, fit_estimator, join_members, list_members, predict_encoded
from include.models.libraries.table import blend, members_of
from include.models.manifest import MANIFEST
from include.models.table import MODELS, name_blend, type_of
from tests.models.test_artifact import DAMAGES
from tests.splits import PROBLEM, REFERENCES, make_split, take

TRAIN, OTHERS = make_split(300), make_split(50, seed=2)
LASSO, FOREST, SQUARED, LEAFWISE = (
    "linear_model.Lasso", "ensemble.ExtraTreesRegressor", "gbtree.squarederror", "gbdt.squarederror",
)  # fmt: skip
LINEAR_BOOSTER = "gblinear.squarederror"
OF_LOGARITHM = ("gbtree.gamma", "gbtree.logsquarederror", "gbdt.gamma", "gbdt.tweedie")
# Two others beside the first parameters.
CHANGES: dict[str, list[dict[str, Any]]] = {
    LASSO: [{"alpha": 0.1}, {"alpha": 0.01}],
    FOREST: [{"n_estimators": 10}, {"max_depth": 5}],
    LINEAR_BOOSTER: [{"learning_rate": 0.2}, {"reg_lambda": 1e-3}],
    SQUARED: [{"max_depth": 5}, {"learning_rate": 0.3}],
    LEAFWISE: [{"num_leaves": 8}, {"learning_rate": 0.2}],
    **{name: [{"learning_rate": 0.2}, {"learning_rate": 0.3}] for name in OF_LOGARITHM},
}
EVERY_BLEND = pytest.mark.parametrize("name", CHANGES)


@cache
def make_blend(name: str) -> Model:
    """The blend of three estimators of a model type."""
    members = [{**MODELS[name].start, **changes} for changes in ({}, *CHANGES[name])]
    data = encode(MODELS[name], PROBLEM, "rich", REFERENCES, TRAIN, OTHERS)
    parameters = join_members(members)
    estimator = fit_estimator(MODELS[name], parameters, data, random_state=1, threads=1)
    metadata: dict[str, Any] = {"model": name_blend(name), "parameters": parameters}
    if is_linear(Model.of(data, estimator, {})):
        metadata["means"] = np.asarray(data.train.mean(axis=0)).ravel().tolist()
    model = Model.of(data, estimator, metadata)
    return model.bound(OTHERS, model.predict(OTHERS.rows))


def predict_each(model: Model) -> np.ndarray:
    """The predictions of a blend's members, a row each, as if each were a model of its own."""
    return np.array(
        [Model(model.encoder, each, model.outputs, {}).predict(OTHERS.rows) for each in members_of(model.estimator)]
    )


@EVERY_BLEND
def test_prediction_is_the_mean_of_the_members_which_all_differ(name: str) -> None:
    each = predict_each(make_blend(name))
    assert len(np.unique(each, axis=0)) == 3
    mean = np.exp(np.log(each).mean(axis=0)) if name in OF_LOGARITHM else each.mean(axis=0)
    assert make_blend(name).predict(OTHERS.rows) == pytest.approx(mean, rel=1e-12)


@EVERY_BLEND
def test_members_are_what_a_fit_of_their_own_gives(name: str) -> None:
    model, data = MODELS[name], encode(MODELS[name], PROBLEM, "rich", REFERENCES, TRAIN, OTHERS)
    alone = [
        fit_estimator(model, {**model.start, **changes}, data, random_state=1, threads=1)
        for changes in ({}, *CHANGES[name])
    ]
    members = members_of(make_blend(name).estimator)
    assert [dump_estimator(member) for member in members] == [dump_estimator(each) for each in alone]


def test_row_alone_is_predicted_as_among_others_however_many_members_there_are() -> None:
    model = MODELS[LEAFWISE]
    data = encode(model, PROBLEM, "rich", REFERENCES, TRAIN, OTHERS)
    members = [
        fit_estimator(model, {**model.start, "n_estimators": 5 + at}, data, random_state=at, threads=1)
        for at in range(9)
    ]
    matrix = data.encoder.transform(OTHERS.rows)
    together = np.asarray(predict_encoded(blend(members), matrix)).tolist()
    assert [predict_encoded(blend(members), matrix[row : row + 1])[0] for row in range(len(matrix))] == together


def test_parameters_of_members_are_lists_and_those_of_one_estimator_are_not() -> None:
    members = [{"alpha": 0.1, "depth": 3}, {"alpha": 0.2, "depth": 4}]
    assert join_members(members) == {"alpha": [0.1, 0.2], "depth": [3, 4]}
    assert list_members(join_members(members)) == members
    assert join_members(members[:1]) == members[0]
    assert list_members(members[0]) == members[:1]


def test_one_estimator_is_no_blend() -> None:
    assert blend(["estimator"]) == "estimator"
    assert members_of("estimator") == ("estimator",)


@pytest.mark.parametrize("name", MODELS)
def test_name_of_a_blend_says_of_which_model_type_it_is(name: str) -> None:
    assert name_blend(name) not in MODELS
    assert type_of(name_blend(name)) == type_of(name) == name


@pytest.mark.parametrize("name", [SQUARED, LEAFWISE])
def test_rounds_of_each_member_are_found(name: str) -> None:
    estimator = make_blend(name).estimator
    found = find_rounds(MODELS[name], estimator)
    alone = [find_rounds(MODELS[name], member)["n_estimators"] for member in members_of(estimator)]
    assert found == {"n_estimators": alone}
    assert len(set(alone)) > 1


# Stored


@EVERY_BLEND
def test_loaded_blend_predicts_exactly_as_the_one_that_was_saved(name: str, tmp_path: Path) -> None:
    model = make_blend(name)
    model.save(tmp_path)
    loaded = Model.load(tmp_path)
    assert np.array_equal(loaded.predict(OTHERS.rows), model.predict(OTHERS.rows))
    assert loaded.metadata == model.metadata
    alone = [loaded.predict(take(OTHERS.rows, slice(row, row + 1)))[0] for row in range(5)]
    assert alone == pytest.approx(model.predict(OTHERS.rows)[:5].tolist(), rel=1e-6)


def test_blend_is_one_directory_with_a_file_for_each_member(tmp_path: Path) -> None:
    make_blend(SQUARED).save(tmp_path)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    members = {f"members/{number}/estimator.ubj" for number in ("01", "02", "03")}
    assert files == {"model.json", MANIFEST, *members}
    assert json.loads((tmp_path / MANIFEST).read_text())["sha256"].keys() == files - {MANIFEST}


def test_every_member_predicts_with_as_many_threads_as_the_blend_is_given(tmp_path: Path) -> None:
    make_blend(LEAFWISE).save(tmp_path)
    loaded = Model.load(tmp_path, threads=2)
    assert [member.params["num_threads"] for member in members_of(loaded.estimator)] == [2, 2, 2]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [LASSO, SQUARED, LEAFWISE])
def test_blend_with_a_damaged_member_is_refused_by_the_members_name(name: str, damage: str, tmp_path: Path) -> None:
    make_blend(name).save(tmp_path)
    [path] = (tmp_path / "members" / "02").iterdir()
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(ModelInvalid, match=re.escape(f"changed: members/02/{path.name}")):
        Model.load(tmp_path)


def test_blend_with_a_member_missing_or_one_too_many_is_refused(tmp_path: Path) -> None:
    make_blend(LASSO).save(tmp_path)
    (tmp_path / "members" / "03").rename(tmp_path / "members" / "04")
    with pytest.raises(ModelInvalid, match="missing: members/03/estimator.skops; not listed: members/04/"):
        Model.load(tmp_path)


# Explained


@pytest.mark.parametrize("name", [SQUARED, LINEAR_BOOSTER, LEAFWISE, *OF_LOGARITHM])
def test_contributions_add_up_to_the_prediction_and_are_the_means_of_the_members(name: str) -> None:
    model = make_blend(name)
    found = explain(model, OTHERS.rows)
    total = found.contributions.sum(axis=1) + found.base
    assert found.multiplies == (name in OF_LOGARITHM)
    assert (np.exp(total) if found.multiplies else total) == pytest.approx(model.predict(OTHERS.rows), rel=1e-4)
    each = [
        explain(Model(model.encoder, member, model.outputs, {}), OTHERS.rows) for member in members_of(model.estimator)
    ]
    of_feature = [one.contributions[:, one.features.index(found.features[0])] for one in each]
    assert found.contributions[:, 0] == pytest.approx(np.mean(of_feature, axis=0), abs=1e-9)


def test_blend_of_linear_models_is_a_linear_model() -> None:
    model = make_blend(LASSO)
    found = explain(model, OTHERS.rows)
    assert found.contributions.sum(axis=1) + found.base == pytest.approx(model.predict(OTHERS.rows))


def test_blend_of_what_cannot_be_explained_cannot_be_either() -> None:
    assert not can_explain(make_blend(FOREST))
    assert not is_linear(make_blend(FOREST))
