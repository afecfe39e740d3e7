import json

import numpy as np
import pytest
from sklearn.calibration import _sigmoid_calibration

from include.models.outputs.calibration import LEAST_ROWS, METHODS, Calibration, calibrate
from include.problem.objectives.classification import find_losses

COUNT = 4_000


def draw(count: int = COUNT, classes: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Actual classes and their true probabilities, (n, k)."""
    generator = np.random.default_rng(seed)
    scores = np.exp(generator.normal(size=(count, classes)))
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    actual = (probabilities.cumsum(axis=1) < generator.uniform(size=(count, 1))).sum(axis=1).astype("float64")
    return actual, probabilities


def sharpen(probabilities: np.ndarray, power: float) -> np.ndarray:
    """What an estimator would say that is too sure of itself, for a power above 1."""
    powers = probabilities**power
    return powers / powers.sum(axis=1, keepdims=True)


def measure(actual: np.ndarray, predicted: np.ndarray) -> float:
    return float(find_losses(actual, predicted).mean())


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("power", [3.0, 0.4])
def test_probabilities_that_are_too_sure_or_not_sure_enough_become_right(classes: int, power: float) -> None:
    calibration, across = calibrate(*_given(draw(classes=classes), power))
    actual, right = draw(classes=classes, seed=1)
    found = calibration.apply(sharpen(right, power))
    assert found.sum(axis=1) == pytest.approx(1)
    best, worst = measure(actual, right), measure(actual, sharpen(right, power))
    assert measure(actual, found) - best < 0.1 * (worst - best)
    assert across.shape == (COUNT, classes)


def _given(drawn: tuple[np.ndarray, np.ndarray], power: float) -> tuple[np.ndarray, np.ndarray]:
    return drawn[0], sharpen(drawn[1], power)


def test_curve_that_is_no_sigmoid_is_followed_by_steps() -> None:
    actual, right = draw(20_000)
    given = np.where(right < 0.5, right / 4, 0.25 + 1.5 * (right - 0.5) / 2)[:, 1]
    calibration, _ = calibrate(actual, np.column_stack([1 - given, given]))
    assert calibration.method == "isotonic"
    assert np.abs(calibration.apply(np.column_stack([1 - given, given]))[:, 1] - right[:, 1]).mean() < 0.02


@pytest.mark.parametrize("classes", [2, 3])
def test_right_probabilities_stay_as_they_are(classes: int) -> None:
    methods = [calibrate(*draw(1_000, classes, seed))[0].method for seed in range(10)]
    assert methods.count("none") >= 8


def test_few_rows_change_nothing() -> None:
    actual, given = _given(draw(LEAST_ROWS - 1), 3.0)
    calibration, across = calibrate(actual, given)
    assert (calibration.method, across.tolist()) == ("none", given.tolist())


@pytest.mark.parametrize("missing", [0, 1])
def test_rows_of_one_class_alone_are_no_error(missing: int) -> None:
    _, given = draw(500)
    alike = np.full(500, 1.0 - missing)
    calibration, across = calibrate(alike, given)
    assert np.isfinite(calibration.apply(given)).all()
    assert np.isfinite(find_losses(alike, across)).all()


def test_class_that_hardly_ever_happens_keeps_a_probability() -> None:
    actual = (np.arange(1_000) == 7).astype("float64")
    given = np.column_stack([np.full(1_000, 0.9), np.full(1_000, 0.1)])
    calibration, _ = calibrate(actual, given)
    assert 0.0005 < calibration.apply(given)[0, 1] < 0.003


def test_platt_is_that_of_scikit_learn() -> None:
    actual, given = _given(draw(), 3.0)
    odds = np.log(given[:, 1] / given[:, 0])
    slope, intercept = _sigmoid_calibration(odds, actual)
    points = METHODS["platt"](odds, actual == 1)
    found = Calibration("platt", (points,)).apply(given)[:, 1]
    assert found == pytest.approx(1 / (1 + np.exp(slope * odds + intercept)), abs=2e-3)


def test_each_row_is_measured_without_itself() -> None:
    # What a map knows by heart is of no use: noise is not calibrated to the rows' own classes.
    actual = np.random.default_rng(0).integers(0, 2, 300).astype("float64")
    noise = np.random.default_rng(1).uniform(size=300)
    _, across = calibrate(actual, np.column_stack([1 - noise, noise]))
    assert measure(actual, across) > 0.66


@pytest.mark.parametrize("power", [1.0, 3.0])
def test_stored_map_is_the_same(power: float) -> None:
    calibration, _ = calibrate(*_given(draw(classes=3), power))
    again = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict())))
    given = draw(10, 3, seed=3)[1]
    assert again.apply(given).tolist() == calibration.apply(given).tolist()


@pytest.mark.parametrize("method", METHODS)
def test_class_that_no_row_has_is_not_taken_for_impossible(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.models.outputs.calibration.METHODS", {method: METHODS[method]})
    actual, right = draw(classes=3)
    is_late, given = actual == 2, sharpen(right, 4.0)
    found, _ = calibrate(actual[~is_late], given[~is_late])
    assert found.method == method
    assert measure(actual[is_late], found.apply(given[is_late])) < 3
