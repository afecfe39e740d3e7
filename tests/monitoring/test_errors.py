"""When a champion's intervals hold too few or too many actual values."""

import numpy as np
import pytest

from include.monitoring.error_watch import describe_errors
from include.monitoring.errors import ErrorLimits, Reference, Scored, compare_errors, is_coverage_alarming
from include.problem.declaration import Problem
from include.settings import Settings
from tests.classified import LEAVING

SETTINGS = Settings()
LIMITS = ErrorLimits.from_settings(SETTINGS)
SCORED = Scored(np.zeros(1000), np.tile([-1.0, 1.0], 500))
OF_CLASSES = Scored(np.zeros(1000), np.tile([0.9, 0.1], (1000, 1)))


def is_alarm(*coverages: float | None, news: list[bool] | None = None, problem: Problem = SETTINGS.problem) -> bool:
    windows = [OF_CLASSES if problem.labels else SCORED] * len(coverages)
    found = compare_errors(problem.objective, windows, Reference(1.0), LIMITS, news=news, coverages=coverages)
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


def test_label_sets_may_hold_more_as_those_of_a_good_model_do() -> None:
    assert not is_alarm(0.99, 0.99, problem=LEAVING)
    assert is_alarm(0.84, 0.84, problem=LEAVING)
    assert not is_alarm(None, None, problem=LEAVING)


def test_windows_that_the_champion_knows_do_not_count() -> None:
    assert not is_alarm(0.99, 0.99, news=[False, False])
    assert not is_alarm(0.99, 0.99, news=[False, True])


def test_champion_that_was_judged_to_be_always_right_is_compared_with_that() -> None:
    reference, certain = Reference(0.0), Scored(np.zeros(1000), np.tile([1.0, 0.0], (1000, 1)))
    for windows, phrases in (([certain] * 2, ()), ([OF_CLASSES] * 2, ("log loss 0.1054, above the judged 0",))):
        found = compare_errors(LEAVING.objective, windows, reference, LIMITS)
        assert describe_errors(found, reference, LIMITS, LEAVING) == phrases
