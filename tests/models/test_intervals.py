"""Intervals hold the share of actual values that they say, in each part of the predictions and on each side."""

import json
from itertools import pairwise

import numpy as np
import pytest

from include.models.intervals import BANDS, DEFAULT_LEVEL, LEAST_ROWS, LEVELS, Intervals, calibrate


def draw(seed: int, rows: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Actual values and predictions: the error grows with the prediction, and is skewed."""
    generator = np.random.default_rng(seed)
    predicted = generator.uniform(2, 60, rows)
    return predicted * generator.gamma(8, 1 / 8, rows), predicted


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95, 0.99])
def test_share_of_actual_values_is_the_level_in_each_part_of_the_predictions_and_on_each_side(level: float) -> None:
    intervals = calibrate(*draw(1), {})
    assert intervals is not None
    actual, predicted = draw(2)
    low, high = intervals.find(predicted, {}, level)
    tail = (1 - level) / 2
    for start in range(0, 60, 10):
        part = (predicted >= start) & (predicted < start + 10)
        assert np.mean(actual[part] < low[part]) == pytest.approx(tail, abs=0.02)
        assert np.mean(actual[part] > high[part]) == pytest.approx(tail, abs=0.02)
    assert np.mean((low <= actual) & (actual <= high)) == pytest.approx(level, abs=0.01)


def test_ends_are_the_order_statistics_of_the_method() -> None:
    predicted = np.full(99, 10.0)
    intervals = calibrate(predicted + np.arange(1.0, 100), predicted, {})
    assert intervals is not None
    # Of 100 rows, the one asked for among them, five are below the fifth smallest, and five above the fifth largest.
    assert intervals.find(np.array([10.0]), {}) == (pytest.approx([15.0], rel=1e-4), pytest.approx([105.0], rel=1e-4))


def test_level_between_two_is_rounded_up_and_a_higher_one_is_never_narrower() -> None:
    intervals = calibrate(*draw(1, rows=700), {})
    assert intervals is not None
    asked = np.linspace(0, 70, 50)
    ends = [intervals.find(asked, {}, level / 100) for level in LEVELS]
    for (low, high), (wider_low, wider_high) in pairwise(ends):
        assert (wider_low <= low).all()
        assert (wider_high >= high).all()
    assert np.array_equal(intervals.find(asked, {}, 0.893), intervals.find(asked, {}, DEFAULT_LEVEL))


@pytest.mark.parametrize(("rows", "bands"), [(LEAST_ROWS, 1), (1000, 5), (100_000, BANDS)])
def test_bands_have_rows_enough(rows: int, bands: int) -> None:
    intervals = calibrate(*draw(1, rows), {})
    assert intervals is not None
    assert intervals.low.shape == intervals.high.shape == (bands, len(LEVELS))
    assert intervals.edges.shape == (bands - 1,)


def test_too_few_rows_say_nothing() -> None:
    assert calibrate(*draw(1, rows=LEAST_ROWS - 1), {}) is None


def test_prediction_that_is_no_number_says_nothing() -> None:
    actual, predicted = draw(1)
    predicted[7] = np.nan
    assert calibrate(actual, predicted, {}) is None


def test_predictions_of_few_values_have_a_band_each() -> None:
    predicted = np.repeat([1.0, 1.0, 1.0, 9.0], 1000)
    intervals = calibrate(predicted + np.tile([-1.0, 1.0], 2000) * predicted, predicted, {})
    assert intervals is not None
    low, high = intervals.find(np.array([1.0, 9.0, 100.0]), {})
    assert low == pytest.approx([0.0, 0.0, 91.0], abs=1e-3)
    assert high == pytest.approx([2.0, 18.0, 109.0], abs=1e-3)


def test_written_and_read_they_are_the_same() -> None:
    intervals = calibrate(*draw(1), {})
    assert intervals is not None
    again = Intervals.from_dict(intervals.to_dict())
    asked = np.linspace(0, 70, 50)
    assert np.array_equal(again.find(asked, {}, 0.7), intervals.find(asked, {}, 0.7))


def draw_places(seed: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """As `draw`, where the actual values of one place are half again as large; another has few rows."""
    actual, predicted = draw(seed)
    places = np.random.default_rng(seed + 100).choice(["usual", "odd", "rare"], len(actual), p=[0.899, 0.1, 0.001])
    return np.where(places == "odd", 1.5 * actual, actual), predicted, {"place": places.astype(object)}


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_categories_whose_values_are_outside_have_wider_intervals_that_hold_their_share(level: float) -> None:
    intervals = calibrate(*draw_places(1))
    assert intervals is not None
    actual, predicted, rows = draw_places(2)
    low, high = intervals.find(predicted, rows, level)
    inside = (low <= actual) & (actual <= high)
    held = {place: np.mean(inside[rows["place"] == place]) for place in ("usual", "odd")}
    assert held["odd"] == pytest.approx(level, abs=0.03)
    assert held["usual"] >= level - 0.01
    assert np.mean(inside[rows["place"] == "odd"]) > 0.1 + np.mean(_without(intervals, actual, predicted, rows, level))


def _without(intervals: Intervals, actual: np.ndarray, predicted: np.ndarray, rows: dict, level: float) -> np.ndarray:
    """Which actual values of the odd place are inside of intervals that are the same for all places."""
    low, high = Intervals(intervals.edges, intervals.low, intervals.high).find(predicted, rows, level)
    return ((low <= actual) & (actual <= high))[rows["place"] == "odd"]


def test_category_with_few_rows_and_an_unknown_one_are_not_widened_by_chance() -> None:
    intervals = calibrate(*draw_places(1))
    assert intervals is not None
    predicted = np.full(4, 30.0)
    rows = {"place": np.array(["usual", "rare", "new", None], dtype=object)}
    low, high = intervals.find(predicted, rows)
    assert np.ptp(low) == np.ptp(high) == 0


def test_of_several_columns_the_widest_counts_and_all_of_it_survives_json() -> None:
    actual, predicted, rows = draw_places(1)
    intervals = calibrate(actual, predicted, {**rows, "code": np.repeat([7, 8], len(actual) // 2)})
    assert intervals is not None
    again = Intervals.from_dict(json.loads(json.dumps(intervals.to_dict())))
    asked = {"place": np.array(["odd", "usual"], dtype=object), "code": np.array([7, 7])}
    low, high = again.find(np.array([30.0, 30.0]), asked)
    assert high[0] - low[0] > 1.1 * (high[1] - low[1])
    assert np.array_equal([low, high], intervals.find(np.array([30.0, 30.0]), asked))


def test_interval_without_a_width_stays_so() -> None:
    predicted = np.repeat([1.0, 9.0], 1000)
    intervals = calibrate(predicted, predicted, {"place": np.tile(["a", "b"], 1000).astype(object)})
    assert intervals is not None
    low, high = intervals.find(np.array([9.0]), {"place": np.array(["a"], dtype=object)})
    assert high - low == pytest.approx([0.0], abs=1e-12)
    assert low < 9.0 < high


def test_values_outside_of_an_interval_without_a_width_do_not_widen_the_others() -> None:
    predicted = np.repeat([1.0, 9.0], 1000)
    actual = predicted + np.concatenate([np.zeros(1000), np.tile([-1.0, 1.0], 500)])
    places = np.tile(["a"] * 24 + ["b"], 80)
    actual[:1000][places[:1000] == "b"] += 5.0
    intervals = calibrate(actual, predicted, {"place": places.astype(object)})
    assert intervals is not None
    low, high = intervals.find(np.array([9.0]), {"place": np.array(["b"], dtype=object)})
    assert high - low == pytest.approx([2.0], abs=1e-3)


def draw_counts(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Whole numbers, with predictions of three values, and the place of each row, two of which have larger errors."""
    generator = np.random.default_rng(seed)
    group, place = generator.integers(0, 3, rows), generator.integers(0, 4, rows)
    predicted = np.array([1 / 3, 1.1234567890123, 2.3456789012345])[group]
    actual = generator.poisson(predicted * np.where(place > 1, 1.6, 1.0)).astype(float)
    return actual, predicted, {"place": place}


@pytest.mark.parametrize("level", [0.6, 0.9, 0.99])
@pytest.mark.parametrize("scale", [1.0, 0.1, 1e6])
@pytest.mark.parametrize("seed", range(4))
def test_whole_numbers_exactly_at_an_end_are_inside(level: float, scale: float, seed: int) -> None:
    actual, predicted, rows = draw_counts(seed, 1_500)
    intervals = calibrate(actual * scale, predicted * scale, rows)
    assert intervals is not None
    actual, predicted, rows = draw_counts(seed + 100, 6_000)
    low, high = intervals.find(predicted * scale, rows, level)
    assert np.mean((low <= actual * scale) & (actual * scale <= high)) >= level - 0.015


def test_values_at_the_ends_of_numbers_far_from_zero_are_inside() -> None:
    predicted = np.repeat(1e9 + np.array([1 / 3, 1 / 7, 1 / 11]), 500)
    actual = np.round(predicted) + np.tile([-1.0, 0.0, 1.0, 0.0], 375)
    intervals = calibrate(actual, predicted, {})
    assert intervals is not None
    for level in (0.5, 0.9, 0.99):
        low, high = intervals.find(predicted, {}, level)
        assert np.mean((low <= actual) & (actual <= high)) >= level
    assert np.max(high - low) < 2.25
