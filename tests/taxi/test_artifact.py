import json
import os
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone
from sklearn.datasets import make_regression
from sklearn.preprocessing import FunctionTransformer

from include.taxi.artifact import PyfuncModel, TripModel, _load_pyfunc
from include.taxi.errors import ModelInvalid
from include.taxi.fitting import encode, fit
from include.taxi.models import MODELS
from tests.taxi.splits import POSITIONS, make_split, take

TRAIN, OTHERS = make_split(300), make_split(50, seed=2)
METADATA = {"model": "some model", "parameters": {"alpha": 0.1, "depth": 3}, "lineage": {"run_key": "dag/run"}}
EVERY_MODEL = pytest.mark.parametrize("name", MODELS)
LINEAR, BOOSTED = "linear_model.LinearRegression", "gbtree.squarederror"


@cache
def make_model(name: str, feature_set: str = "rich") -> TripModel:
    data = encode(name, feature_set, POSITIONS, TRAIN, OTHERS)
    fitted = fit(name, MODELS[name].start, data, random_state=1, threads=1)
    return TripModel(data.encoder, fitted.estimator, METADATA)


def save_model(name: str, directory: Path, feature_set: str = "rich") -> TripModel:
    model = make_model(name, feature_set)
    model.save(directory)
    return model


@EVERY_MODEL
def test_loaded_model_predicts_exactly_as_the_one_that_was_saved(name: str, tmp_path: Path) -> None:
    model = save_model(name, tmp_path)
    loaded = TripModel.load(tmp_path)
    assert np.array_equal(loaded.predict(OTHERS.trips), model.predict(OTHERS.trips))
    assert loaded.metadata == METADATA


@pytest.mark.parametrize("name", [LINEAR, BOOSTED])
def test_reference_features_survive_too(name: str, tmp_path: Path) -> None:
    model = save_model(name, tmp_path, "reference")
    assert np.array_equal(TripModel.load(tmp_path).predict(OTHERS.trips), model.predict(OTHERS.trips))


@EVERY_MODEL
def test_one_trip_is_predicted_as_within_a_batch(name: str, tmp_path: Path) -> None:
    save_model(name, tmp_path)
    model = TripModel.load(tmp_path)
    batch = model.predict(OTHERS.trips)
    alone = [model.predict(take(OTHERS.trips, slice(row, row + 1)))[0] for row in range(len(OTHERS))]
    assert alone == pytest.approx(batch.tolist(), rel=1e-6)


def test_booster_uses_as_many_threads_as_it_is_given(tmp_path: Path) -> None:
    save_model(BOOSTED, tmp_path)
    config = json.loads(TripModel.load(tmp_path, threads=2).estimator.save_config())
    assert int(config["learner"]["generic_param"]["nthread"]) == 2


def test_forest_predicts_by_one_thread_however_it_was_stored(tmp_path: Path) -> None:
    model = make_model("ensemble.RandomForestRegressor")
    TripModel(model.encoder, clone(model.estimator).set_params(n_jobs=2).fit(*make_regression()), {}).save(tmp_path)
    assert TripModel.load(tmp_path, threads=2).estimator.n_jobs == 1


def test_zone_that_the_model_never_saw_is_predicted(tmp_path: Path) -> None:
    trips = {**take(OTHERS.trips, slice(0, 2)), "pickup_zone": np.array([999, -1])}
    for name in (LINEAR, BOOSTED):
        directory = tmp_path / name
        directory.mkdir()
        save_model(name, directory)
        assert np.isfinite(TripModel.load(directory).predict(trips)).all()


def test_generic_loader_takes_frames(tmp_path: Path) -> None:
    model = save_model(LINEAR, tmp_path)
    loaded = _load_pyfunc(str(tmp_path))
    assert isinstance(loaded, PyfuncModel)
    frame = pd.DataFrame(dict(OTHERS.trips)).assign(fare=1.0)
    assert np.array_equal(loaded.predict(frame), model.predict(OTHERS.trips))


class Intruder:
    """A type that no model is made of."""

    def __init__(self) -> None:
        self.coef_ = np.zeros(3)


@pytest.mark.parametrize("estimator", [Intruder(), {"nested": [Intruder()]}])
def test_type_that_is_not_allowed_is_refused_by_name(estimator: Any, tmp_path: Path) -> None:
    save_model(LINEAR, tmp_path)
    skops.io.dump(estimator, tmp_path / "estimator.skops")
    with pytest.raises(ModelInvalid, match=r"estimator.skops holds types that are not allowed: .*Intruder"):
        TripModel.load(tmp_path)


@pytest.mark.parametrize("function", [os.system, np.save])
def test_function_that_a_model_would_call_is_refused_by_name(function: Any, tmp_path: Path) -> None:
    save_model(LINEAR, tmp_path)
    skops.io.dump(FunctionTransformer(function), tmp_path / "estimator.skops")
    with pytest.raises(ModelInvalid, match=f"types that are not allowed: .*{function.__name__}"):
        TripModel.load(tmp_path)


def test_missing_directory_is_invalid_and_named(tmp_path: Path) -> None:
    with pytest.raises(ModelInvalid, match=f"{tmp_path}/nowhere: not a model that this code can load"):
        TripModel.load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", [LINEAR, BOOSTED])
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "other contents"])
@pytest.mark.parametrize("which", ["model.json", "estimator"])
def test_damaged_file_is_invalid(name: str, which: str, damage: str, tmp_path: Path) -> None:
    save_model(name, tmp_path)
    (path,) = (path for path in tmp_path.iterdir() if path.name.startswith(which))
    contents = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "truncated": contents[: len(contents) // 2], "other contents": b"[1]"}[damage])
    with pytest.raises(ModelInvalid, match=str(tmp_path)):
        TripModel.load(tmp_path)


def test_archive_that_holds_no_estimator_is_invalid(tmp_path: Path) -> None:
    save_model(LINEAR, tmp_path)
    with zipfile.ZipFile(tmp_path / "estimator.skops", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(ModelInvalid, match="not a model that this code can load"):
        TripModel.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2, but this code reads format 1"),
        ({"estimator": "../../etc/passwd"}, "not a model that this code can load"),
        ({"encoder": {}}, "not a model that this code can load"),
        ({"encoder": None}, "not a model that this code can load"),
    ],
)
def test_document_of_another_kind_is_invalid(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    save_model(LINEAR, tmp_path)
    path = tmp_path / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelInvalid, match=message):
        TripModel.load(tmp_path)


def test_metadata_that_is_no_json_cannot_be_saved(tmp_path: Path) -> None:
    model = make_model(LINEAR)
    with pytest.raises(ValueError, match="not JSON compliant"):
        TripModel(model.encoder, model.estimator, {"rmse": float("nan")}).save(tmp_path)
