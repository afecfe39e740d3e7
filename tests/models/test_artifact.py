import json
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
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

from include.errors import ModelInvalid
from include.models.artifact import Model, PyfuncModel, _load_pyfunc
from include.models.fitting import encode, fit
from include.models.manifest import MANIFEST, check_files, read_digest, write_manifest
from include.models.table import MODELS
from include.problem import data, mapped
from include.problem.parts import Slice
from include.settings import ROOT
from tests.splits import PROBLEM, REFERENCES, make_split, make_split_for, problem_for, take

TRAIN, OTHERS = make_split(300), make_split(50, seed=2)
METADATA = {"model": "some model", "parameters": {"alpha": 0.1, "depth": 3}, "lineage": {"run_key": "dag/run"}}
EVERY_MODEL = pytest.mark.parametrize("name", MODELS)
LINEAR, BOOSTED = "linear_model.LinearRegression", "gbtree.squarederror"


@cache
def make_model(name: str, feature_set: str = "rich") -> Model:
    train, others = make_split_for(name, 300), make_split_for(name, 50, seed=2)
    encoded = encode(MODELS[name], problem_for(name), feature_set, REFERENCES, train, others)
    fitted = fit(MODELS[name], MODELS[name].start, encoded, random_state=1, threads=1)
    model = Model.of(encoded, fitted.estimator, METADATA)
    return model.bound(others, model.predict(others.rows))


def save_model(name: str, directory: Path, feature_set: str = "rich") -> Model:
    model = make_model(name, feature_set)
    model.save(directory)
    return model


@EVERY_MODEL
def test_loaded_model_predicts_exactly_as_the_one_that_was_saved(name: str, tmp_path: Path) -> None:
    model = save_model(name, tmp_path)
    loaded = Model.load(tmp_path)
    assert np.array_equal(loaded.predict(OTHERS.rows), model.predict(OTHERS.rows))
    assert loaded.metadata == METADATA


@EVERY_MODEL
def test_many_rows_are_predicted_piece_by_piece_as_all_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(name)
    whole = model.predict(OTHERS.rows)
    monkeypatch.setattr(data, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(mapped, "MOST_BYTES", 0)
    assert np.array_equal(model.predict(OTHERS.rows), whole)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_loaded_model_has_the_intervals_of_the_one_that_was_saved(tmp_path: Path, level: float) -> None:
    model = save_model(LINEAR, tmp_path)
    predicted = model.predict(OTHERS.rows)
    low, high = np.array(Model.load(tmp_path).outputs.find_intervals(predicted, OTHERS.rows, level))
    assert np.array_equal([low, high], model.outputs.find_intervals(predicted, OTHERS.rows, level))
    assert (low < high).all()


def test_intervals_by_category_leave_times_out(tmp_path: Path) -> None:
    slices = tuple(Slice(column=name, most_frequent=3) for name in ("pickup_at", "pickup_zone"))
    model = make_model(LINEAR)
    model = replace(model, encoder=replace(model.encoder, problem=PROBLEM.model_copy(update={"slices": slices})))
    calibrated = model.bound(OTHERS, model.predict(OTHERS.rows))
    assert calibrated.outputs.intervals is not None
    assert set(calibrated.outputs.intervals.wider) == {"pickup_zone"}
    calibrated.save(tmp_path)


def test_interval_of_a_duration_never_begins_below_zero() -> None:
    model = make_model(LINEAR)
    rows = {name: values[:2] for name, values in OTHERS.rows.items()}
    ends = model.outputs.find_intervals(np.array([0.5, 30.0]), rows)
    assert ends
    assert ends[0][0] == 0
    assert ends[0][1] > 0


def test_model_that_was_calibrated_on_no_rows_has_no_intervals(tmp_path: Path) -> None:
    model = make_model(LINEAR)
    replace(model, outputs=replace(model.outputs, intervals=None)).save(tmp_path)
    assert Model.load(tmp_path).outputs.find_intervals(np.array([9.0]), {}) is None


@pytest.mark.parametrize("name", [LINEAR, BOOSTED])
def test_reference_features_survive_too(name: str, tmp_path: Path) -> None:
    model = save_model(name, tmp_path, "reference")
    assert np.array_equal(Model.load(tmp_path).predict(OTHERS.rows), model.predict(OTHERS.rows))


@EVERY_MODEL
def test_one_trip_is_predicted_as_within_a_batch(name: str, tmp_path: Path) -> None:
    save_model(name, tmp_path)
    model = Model.load(tmp_path)
    batch = model.predict(OTHERS.rows)
    alone = [model.predict(take(OTHERS.rows, slice(row, row + 1)))[0] for row in range(len(OTHERS))]
    assert np.array(alone) == pytest.approx(batch, rel=1e-6)


def test_booster_uses_as_many_threads_as_it_is_given(tmp_path: Path) -> None:
    save_model(BOOSTED, tmp_path)
    config = json.loads(Model.load(tmp_path, threads=2).estimator.save_config())
    assert int(config["learner"]["generic_param"]["nthread"]) == 2


def test_forest_predicts_by_one_thread_however_it_was_stored(tmp_path: Path) -> None:
    model = make_model("ensemble.RandomForestRegressor")
    Model(model.encoder, clone(model.estimator).set_params(n_jobs=2).fit(*make_regression()), model.outputs, {}).save(
        tmp_path
    )
    assert Model.load(tmp_path, threads=2).estimator.n_jobs == 1


def test_zone_that_the_model_never_saw_is_predicted(tmp_path: Path) -> None:
    trips = {**take(OTHERS.rows, slice(0, 2)), "pickup_zone": np.array([999, -1])}
    for name in (LINEAR, BOOSTED):
        directory = tmp_path / name
        directory.mkdir()
        save_model(name, directory)
        assert np.isfinite(Model.load(directory).predict(trips)).all()


def test_generic_loader_takes_frames(tmp_path: Path) -> None:
    model = save_model(LINEAR, tmp_path)
    loaded = _load_pyfunc(str(tmp_path))
    assert isinstance(loaded, PyfuncModel)
    frame = pd.DataFrame(dict(OTHERS.rows)).assign(fare=1.0)
    assert np.array_equal(loaded.predict(frame), model.predict(OTHERS.rows))


class Intruder:
    """A type that no model is made of."""

    def __init__(self) -> None:
        self.coef_ = np.zeros(3)


@pytest.mark.parametrize("estimator", [Intruder(), {"nested": [Intruder()]}])
def test_type_that_is_not_allowed_is_refused_by_name(estimator: Any, tmp_path: Path) -> None:
    save_model(LINEAR, tmp_path)
    skops.io.dump(estimator, tmp_path / "estimator.skops")
    write_manifest(tmp_path)
    with pytest.raises(ModelInvalid, match=r"estimator.skops contains types that are not allowed: .*Intruder"):
        Model.load(tmp_path)


@pytest.mark.parametrize("function", [os.system, np.save])
def test_function_that_a_model_would_call_is_refused_by_name(function: Any, tmp_path: Path) -> None:
    save_model(LINEAR, tmp_path)
    skops.io.dump(FunctionTransformer(function), tmp_path / "estimator.skops")
    write_manifest(tmp_path)
    with pytest.raises(ModelInvalid, match=f"types that are not allowed: .*{function.__name__}"):
        Model.load(tmp_path)


def test_missing_directory_is_invalid_and_named(tmp_path: Path) -> None:
    with pytest.raises(ModelInvalid, match=f"{tmp_path}/nowhere: not a model that this code can load"):
        Model.load(tmp_path / "nowhere")


def flip(contents: bytes) -> bytes:
    place = random.Random(len(contents)).randrange(len(contents))
    return contents[:place] + bytes([contents[place] ^ 0x41]) + contents[place + 1 :]


def overwrite(contents: bytes) -> bytes:
    place = random.Random(7).randrange(len(contents) // 2)
    return contents[:place] + random.Random(place).randbytes(50) + contents[place + 50 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "one byte": flip,
    "fifty bytes": overwrite,
    "cut": lambda contents: contents[: len(contents) // 2],
    "cut by one": lambda contents: contents[:-1],
    "appended": lambda contents: contents + b" ",
    "empty": lambda contents: b"",
    "other contents": lambda contents: b"[1]",
}
FILES = [(LINEAR, "estimator.skops"), (BOOSTED, "estimator.ubj")]
FILES += [(name, file) for name in (LINEAR, BOOSTED) for file in ("model.json", MANIFEST)]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("name", "file"), FILES)
def test_damaged_file_is_invalid(name: str, file: str, damage: str, tmp_path: Path) -> None:
    save_model(name, tmp_path)
    path = tmp_path / file
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    # A hash that is damaged looks like the file that it is of.
    named = file if file != MANIFEST else ""
    with pytest.raises(ModelInvalid, match=rf"{tmp_path}: .*{named}"):
        Model.load(tmp_path)


@pytest.mark.parametrize(("name", "file"), FILES)
def test_missing_file_is_invalid_and_named(name: str, file: str, tmp_path: Path) -> None:
    save_model(name, tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(ModelInvalid, match=rf"{tmp_path}: .*\b{file}"):
        Model.load(tmp_path)


@pytest.mark.parametrize("name", ["estimator.pkl", "sub/model.json", ".hidden"])
def test_file_that_was_added_is_invalid_and_named(name: str, tmp_path: Path) -> None:
    save_model(LINEAR, tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    with pytest.raises(ModelInvalid, match=f"damaged, not listed: {name}"):
        Model.load(tmp_path)


@pytest.mark.parametrize("file", ["estimator.ubj", "model.json", MANIFEST])
def test_link_is_invalid_even_to_the_very_same_file(file: str, tmp_path: Path) -> None:
    model, elsewhere = tmp_path / "model", tmp_path / "elsewhere"
    for directory in (model, elsewhere):
        directory.mkdir()
        save_model(BOOSTED, directory)
    (model / file).unlink()
    (model / file).symlink_to(elsewhere / file)
    with pytest.raises(ModelInvalid, match=f"{file} is not a plain file"):
        Model.load(model)


def test_other_whole_model_in_its_place_is_invalid_where_the_digest_is_known(tmp_path: Path) -> None:
    save_model(LINEAR, tmp_path)
    digest = read_digest(tmp_path)
    assert Model.load(tmp_path, digest=digest).metadata == METADATA
    for path in tmp_path.iterdir():
        path.unlink()
    save_model(BOOSTED, tmp_path)
    check_files(tmp_path)
    with pytest.raises(ModelInvalid, match="not the files that were registered under this version"):
        Model.load(tmp_path, digest=digest)


LOAD_DAMAGED = """
import random, sys
from pathlib import Path
from include.models.artifact import Model
from include.errors import ModelInvalid

directory, generator, refused = Path(sys.argv[1]), random.Random(7), 0
for path in sorted(directory.iterdir()):
    whole = path.read_bytes()
    for attempt in range(24):
        damaged = bytearray(whole)
        for _ in range(generator.randint(1, 50)):
            damaged[generator.randrange(len(whole))] = generator.randrange(256)
        if attempt % 4 == 0:
            del damaged[generator.randrange(len(whole)):]
        path.write_bytes(damaged)
        try:
            Model.load(directory)
        except ModelInvalid:
            refused += damaged != whole
    path.write_bytes(whole)
Model.load(directory)
print(refused)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", [LINEAR, BOOSTED])
def test_process_that_loads_damaged_files_lives_on(name: str, tmp_path: Path) -> None:
    save_model(name, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", LOAD_DAMAGED, tmp_path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, str(3 * 24)), done.stderr


def test_archive_that_holds_no_estimator_is_invalid(tmp_path: Path) -> None:
    save_model(LINEAR, tmp_path)
    with zipfile.ZipFile(tmp_path / "estimator.skops", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    write_manifest(tmp_path)
    with pytest.raises(ModelInvalid, match="not a model that this code can load"):
        Model.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 1}, "format 1, but this code reads format 6"),
        ({"estimator": "../../etc/passwd"}, "not a model that this code can load"),
        ({"encoder": {}}, "not a model that this code can load"),
        ({"encoder": None}, "not a model that this code can load"),
    ],
)
def test_document_of_another_kind_is_invalid(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    save_model(LINEAR, tmp_path)
    path = tmp_path / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    write_manifest(tmp_path)
    with pytest.raises(ModelInvalid, match=message):
        Model.load(tmp_path)


def test_metadata_that_is_no_json_cannot_be_saved(tmp_path: Path) -> None:
    model = make_model(LINEAR)
    with pytest.raises(ValueError, match="not JSON compliant"):
        Model(model.encoder, model.estimator, model.outputs, {"rmse": float("nan")}).save(tmp_path)
