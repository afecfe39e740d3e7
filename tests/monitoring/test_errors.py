"""When a champion's intervals hold too few or too many actual values."""

from collections.abc import Callable

import numpy as np
import pytest

from include.models.intervals import calibrate
from include.monitoring.error_watch import describe_errors
from include.monitoring.errors import (
    ErrorLimits,
    Reference,
    Scored,
    compare_errors,
    is_bias_alarming,
    is_coverage_alarming,
    refer_to,
)
from include.problem.declaration import Problem
from include.settings import Settings
from tests.classified import LEAVING

SETTINGS = Settings()
LIMITS = ErrorLimits.from_settings(SETTINGS)
SCORED = Scored(np.zeros(1000), np.tile([-1.0, 1.0], 500))
OF_CLASSES = Scored(np.zeros(1000), np.tile([0.9, 0.1], (1000, 1)))
Draw = Callable[[np.random.Generator, int], Scored]


def is_alarm(
    *coverages: float | None,
    held: float | None = 0.9,
    news: list[bool] | None = None,
    problem: Problem = SETTINGS.problem,
) -> bool:
    windows = [OF_CLASSES if problem.labels else SCORED] * len(coverages)
    reference = Reference(1.0, rows=100_000, coverage=held)
    found = compare_errors(problem.objective, windows, reference, LIMITS, news=news, coverages=coverages)
    assert [window.coverage for window in found] == list(coverages)
    return is_coverage_alarming(found, LIMITS)


@pytest.mark.parametrize(
    ("coverages", "expected"),
    [
        ((0.9, 0.84, 0.84), True),
        ((0.84, 0.9, 0.84), True),
        ((0.96, 0.96), True),
        ((float("nan"), float("nan")), True),
        ((0.84, 0.84, 0.9), False),  # over again
        ((0.9, 0.9, 0.5), False),  # once
        ((0.86, 0.94, 0.86), False),
        ((None, None), False),
    ],
)
def test_two_of_three_windows_out_of_the_limits_are_an_alarm(
    coverages: tuple[float | None, ...], expected: bool
) -> None:
    assert is_alarm(*coverages) is expected


@pytest.mark.parametrize(
    ("held", "coverage", "expected"),
    [
        (0.97, 0.97, False),
        (0.97, 0.93, False),
        (0.97, 0.91, True),
        (0.97, 1.0, False),
        (0.8, 0.8, True),  # wrong where they were calibrated already
        (0.8, 0.9, False),
        (None, 0.84, True),  # the rows are gone
        (None, 0.97, False),
    ],
)
def test_intervals_are_compared_with_what_they_held_where_that_is_more_than_their_level(
    held: float | None, coverage: float, expected: bool
) -> None:
    assert is_alarm(coverage, coverage, held=held) is expected


def draw_amounts(generator: np.random.Generator, rows: int) -> Scored:
    predicted = generator.normal(size=rows) * 3
    return Scored(predicted + generator.normal(size=rows), predicted)


def draw_counts(generator: np.random.Generator, rows: int) -> Scored:
    predicted = np.array([0.5123456789, 1.2123456789, 2.5123456789])[generator.integers(0, 3, rows)]
    return Scored(generator.poisson(predicted).astype(float), predicted)


def watch(draw: Draw, seed: int, *, held: int, rows: int, off: float = 0.0) -> tuple[str, ...]:
    """The phrases of three windows after intervals were calibrated; `off` is added to their actual values."""
    generator = np.random.default_rng(seed)
    judged = draw(generator, held)
    intervals = calibrate(judged.actual, judged.predicted, {})
    assert intervals is not None
    drawn = [draw(generator, rows) for _ in range(3)]
    windows = [Scored(window.actual + off, window.predicted) for window in drawn]
    coverages = []
    for window in (judged, *windows):
        low, high = intervals.find(window.predicted, {})
        coverages.append(float(np.mean((low <= window.actual) & (window.actual <= high))))
    objective = SETTINGS.problem.objective
    reference = refer_to(objective, judged, None, coverage=coverages[0])
    found = compare_errors(objective, windows, reference, LIMITS, coverages=coverages[1:])
    phrases = describe_errors(found, reference, LIMITS, SETTINGS.problem)
    return tuple(phrase for phrase in phrases if "intervals" in phrase)


@pytest.mark.parametrize(
    ("draw", "held", "rows"), [(draw_amounts, 100, 300), (draw_amounts, 400, 300), (draw_counts, 2_000, 1_000)]
)
def test_intervals_that_are_right_seldom_raise_an_alarm(draw: Draw, held: int, rows: int) -> None:
    assert sum(bool(watch(draw, seed, held=held, rows=rows)) for seed in range(100)) <= 1


@pytest.mark.parametrize(
    ("draw", "held", "rows"), [(draw_amounts, 100, 300), (draw_amounts, 400, 300), (draw_counts, 2_000, 1_000)]
)
def test_intervals_that_hold_far_fewer_raise_one_that_names_the_limits(draw: Draw, held: int, rows: int) -> None:
    for seed in range(20):
        [phrase] = watch(draw, seed, held=held, rows=rows, off=2.0)
        assert "of the actual values are in the intervals that are to hold 90% and held 9" in phrase
        assert "of those held out (limit" in phrase


def test_held_out_rows_without_a_time_leave_the_spread_of_the_days_known() -> None:
    scored, objective = draw_amounts(np.random.default_rng(1), 2_000), SETTINGS.problem.objective
    days = np.datetime64("2024-01-01") + np.arange(2_000) % 20
    days[:3] = np.datetime64("NaT")
    reference = refer_to(objective, scored, days)
    assert 0 < reference.spread < 1
    assert not is_bias_alarming(compare_errors(objective, [scored] * 2, reference, LIMITS))
    nowhere = np.full(2_000, np.datetime64("NaT", "D"))
    assert refer_to(objective, scored, nowhere) == refer_to(objective, scored, None)


def test_label_sets_may_hold_more_as_those_of_a_good_model_do() -> None:
    assert not is_alarm(0.99, 0.99, problem=LEAVING)
    assert is_alarm(0.84, 0.84, problem=LEAVING)
    assert is_alarm(0.91, 0.91, held=0.97, problem=LEAVING)
    assert not is_alarm(None, None, problem=LEAVING)


def test_windows_that_the_champion_knows_do_not_count() -> None:
    assert not is_alarm(0.99, 0.99, news=[False, False])
    assert not is_alarm(0.99, 0.99, news=[False, True])


def test_champion_that_was_judged_to_be_always_right_is_compared_with_that() -> None:
    reference, certain = Reference(0.0), Scored(np.zeros(1000), np.tile([1.0, 0.0], (1000, 1)))
    for windows, phrases in (([certain] * 2, ()), ([OF_CLASSES] * 2, ("log loss 0.1054, above the judged 0",))):
        found = compare_errors(LEAVING.objective, windows, reference, LIMITS)
        assert describe_errors(found, reference, LIMITS, LEAVING) == phrases
