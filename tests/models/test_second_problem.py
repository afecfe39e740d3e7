"""A model of a problem that is declared and has no code: texts, flags, and values that are missing."""

import json
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from include.errors import ModelInvalid
from include.models.artifact import Model, _load_pyfunc
from include.models.encoder import Encoder, Encoding
from include.models.evaluation import measure_slices
from include.models.explanation import explain
from include.models.fitting import Fitted, encode, fit
from include.models.table import MODELS
from include.problem.data import Split, columns_of_records, make_any_rows
from include.problem.declaration import Problem
from tests.bikes import ADDRESS, BIKES, WEATHERS, make_hours, make_split
from tests.splits import take

TRAIN, OTHERS = make_split(600), make_split(80, seed=1)
LINEAR, BOOSTED = "linear_model.LinearRegression", "gbtree.squarederror"
EACH_FAMILY = pytest.mark.parametrize("name", [LINEAR, BOOSTED])
BOTH_ENCODINGS = pytest.mark.parametrize("encoding", ["one_hot", "native"])


def take_split(split: Split, count: int) -> Split:
    return Split(take(split.rows, slice(count)), split.target[:count])


@cache
def fit_once(name: str) -> tuple[Fitted, Model]:
    data = encode(MODELS[name], BIKES, "default", {}, TRAIN, OTHERS)
    fitted = fit(MODELS[name], MODELS[name].start, data, random_state=1, threads=1)
    return fitted, Model.of(data, fitted.estimator, {"model": name})


@cache
def save_and_load(name: str) -> Model:
    with tempfile.TemporaryDirectory() as directory:
        fit_once(name)[1].save(Path(directory))
        return Model.load(Path(directory))


@cache
def make_encoder(encoding: Encoding) -> Encoder:
    return Encoder(BIKES, "default", encoding).fit(TRAIN.rows)


def encode_one(encoding: Encoding, **record: object) -> dict[str, float]:
    """One hour, by the name of each column."""
    matrix = make_encoder(encoding).transform(columns_of_records(BIKES, [record]))
    row = matrix.toarray()[0] if sparse.issparse(matrix) else matrix[0]
    return dict(zip(make_encoder(encoding).feature_names, row.tolist(), strict=True))


@EACH_FAMILY
def test_model_learns_from_what_the_kinds_make_of_the_columns(name: str) -> None:
    # What the mean is off by, and what was added as noise.
    assert 5 < fit_once(name)[0].metrics["rmse"] < OTHERS.target.std() / 2


@EACH_FAMILY
def test_loaded_model_predicts_exactly_as_the_one_that_was_saved(name: str) -> None:
    _, model = fit_once(name)
    loaded = save_and_load(name)
    assert np.array_equal(loaded.predict(OTHERS.rows), model.predict(OTHERS.rows))


@EACH_FAMILY
def test_row_alone_is_predicted_as_within_a_batch(name: str) -> None:
    model = save_and_load(name)
    alone = [model.predict(take(OTHERS.rows, slice(at, at + 1)))[0] for at in range(len(OTHERS))]
    assert alone == pytest.approx(model.predict(OTHERS.rows).tolist(), rel=1e-6)


@EACH_FAMILY
def test_rows_without_a_column_that_the_model_learnt_from_are_refused_by_its_name(name: str) -> None:
    rows = {column: values for column, values in take(OTHERS.rows, slice(1)).items() if column != "weather"}
    with pytest.raises(ModelInvalid, match="was trained with weather.*declare it again, or train a new model"):
        fit_once(name)[1].predict(rows)


@EACH_FAMILY
def test_row_of_which_nothing_is_known_but_its_time_is_predicted(name: str) -> None:
    rows = columns_of_records(BIKES, [{"rented_at": np.datetime64("2024-03-01T08:00")}])
    assert np.isfinite(save_and_load(name).predict(rows)).all()
    assert np.isfinite(save_and_load(name).predict(make_any_rows(BIKES, 2))).all()


@EACH_FAMILY
def test_loaded_model_knows_the_problem_but_not_where_its_rows_come_from(name: str, tmp_path: Path) -> None:
    _, model = fit_once(name)
    model.save(tmp_path)
    loaded = Model.load(tmp_path)
    assert loaded.problem == Problem.from_dict(BIKES.to_dict())
    assert (loaded.problem.unit, loaded.problem.dtypes) == ("bikes", BIKES.dtypes)
    assert ADDRESS not in (tmp_path / "model.json").read_text()


def test_generic_loader_takes_frames_with_missing_values(tmp_path: Path) -> None:
    _, model = fit_once(BOOSTED)
    model.save(tmp_path)
    frame: pd.DataFrame = make_hours(80, seed=1)
    assert np.array_equal(_load_pyfunc(str(tmp_path)).predict(frame), model.predict(OTHERS.rows))


def test_texts_are_categories_when_native() -> None:
    encoder = make_encoder("native")
    types = dict(zip(encoder.feature_names, encoder.feature_types, strict=True))
    assert {name for name, kind in types.items() if kind == "c"} == {"weather", "station"}
    codes = [encode_one("native", weather=weather)["weather"] for weather in sorted(WEATHERS)]
    assert codes == [0, 1, 2, 3]


def test_texts_are_a_column_each_when_one_hot() -> None:
    found = encode_one("one_hot", weather="rain")
    weathers = {name.partition("=")[2]: value for name, value in found.items() if name.startswith("weather=")}
    assert weathers == {"fog": 0, "rain": 1, "sun": 0, "Regen, stürmisch": 0}


@pytest.mark.parametrize("record", [{}, {"weather": "hail", "station": 99}])
def test_missing_and_unseen_categories_are_the_same(record: dict[str, object]) -> None:
    native, one_hot = encode_one("native", **record), encode_one("one_hot", **record)
    assert np.isnan([native["weather"], native["station"]]).all()
    assert {value for name, value in one_hot.items() if name.startswith(("weather=", "station="))} == {0}


def test_missing_numbers_stay_so_when_native_and_are_like_the_median_when_one_hot() -> None:
    assert np.isnan([encode_one("native")[name] for name in ("temperature", "holiday", "inspected_at_day")]).all()
    median = float(np.nanmedian(TRAIN.rows["temperature"]))
    assert encode_one("one_hot")["temperature"] == encode_one("one_hot", temperature=median)["temperature"]


@BOTH_ENCODINGS
def test_column_without_one_value_is_left_out(encoding: Encoding) -> None:
    nothing = columns_of_records(BIKES, [{"rented_at": np.datetime64("2024-03-01T08:00")}] * 3)
    encoder = Encoder(BIKES, "default", encoding).fit({**nothing, "temperature": np.array([1.0, np.nan, 2.0])})
    features = {name.partition("=")[0] for name in encoder.feature_names}
    assert {name for name in features if not name.startswith("rented_at_")} == {"temperature"}
    assert encoder.transform(nothing).shape == (3, len(encoder.feature_names))


@BOTH_ENCODINGS
def test_encoder_restored_from_json_encodes_identically(encoding: Encoding) -> None:
    encoder = make_encoder(encoding)
    restored = Encoder.from_dict(BIKES, json.loads(json.dumps(encoder.to_dict(), allow_nan=False)))
    assert restored.feature_names == encoder.feature_names
    first, second = (each.transform(OTHERS.rows) for each in (encoder, restored))
    if sparse.issparse(first):
        first, second = first.toarray(), second.toarray()
    assert np.array_equal(first, second, equal_nan=True)


@EACH_FAMILY
def test_text_moves_predictions_and_is_explained_as_one_column(name: str) -> None:
    draw = np.random.default_rng(3)
    makers = draw.choice(["Maruti Swift", "BMW 320d", "Tata Nano"], 600)
    notes = np.array([f"{maker} {number}" for maker, number in zip(makers, draw.integers(0, 99, 600), strict=True)])
    target = 50 + 40.0 * np.char.startswith(notes, "BMW")
    train = Split({**TRAIN.rows, "note": notes.astype(object)}, target)
    data = encode(MODELS[name], BIKES, "default", {}, train, take_split(train, 80))
    fitted = fit(MODELS[name], MODELS[name].start, data, random_state=1, threads=1)
    model = Model.of(data, fitted.estimator, {})
    rows = columns_of_records(BIKES, [{"note": note} for note in ("bmw  320D 55", "TATA nano 55", None)])
    dear, cheap, unknown = model.predict(rows)
    assert dear > 70 > cheap
    assert np.isfinite(unknown)
    found = explain(model, rows)
    assert found.features[0] == "note"
    assert not [feature for feature in found.features if "=" in feature]


def test_slices_are_those_that_are_declared_and_what_is_in_none() -> None:
    rows = columns_of_records(
        BIKES,
        [
            {"rented_at": np.datetime64("2024-01-01T08:00"), "temperature": 9.5, "weather": "sun", "holiday": 1.0},
            {"rented_at": np.datetime64("2024-01-01T23:00"), "temperature": 10.0, "weather": "sun", "holiday": 0.0},
            {"rented_at": np.datetime64("2024-01-01T03:00"), "weather": "rain", "holiday": 0.0},
            {"rented_at": np.datetime64("2024-01-01T09:00")},
            {"rented_at": np.datetime64("2024-01-01T10:00")},
        ],
    )
    found = measure_slices(BIKES, rows, np.full(5, 10.0), np.full(5, 12.0))
    assert {(row["slicing"], row["value"]): row["rows"] for row in found} == {
        ("hour", "by day"): 3, ("hour", "by night"): 1, ("hour", "other"): 1,
        ("temperature", "cold"): 1, ("temperature", "warm"): 1, ("temperature", "missing"): 3,
        ("weather", "sun"): 2, ("weather", "missing"): 2, ("weather", "other"): 1,
        ("holiday", "0"): 2, ("holiday", "missing"): 2, ("holiday", "other"): 1,
    }  # fmt: skip
    json.dumps(found, allow_nan=False)


def test_contributions_are_in_the_unit_of_the_target() -> None:
    booster, linear = explain(fit_once(BOOSTED)[1], OTHERS.rows), explain(fit_once(LINEAR)[1], OTHERS.rows)
    assert (booster.unit, linear.unit) == ("bikes", "bikes")
    assert {"weather", "holiday", "temperature", "rented_at_hour"} <= set(booster.features) & set(linear.features)
