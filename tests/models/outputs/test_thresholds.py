import numpy as np
import pytest

from include.models.outputs.thresholds import choose_threshold
from tests.splits import declare_classes

ACTUAL = np.array([0.0, 0, 1, 0, 1, 1])
GIVEN = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.8])
PREDICTED = np.column_stack([1 - GIVEN, GIVEN])


def choose(**values: object) -> float:
    return choose_threshold(declare_classes("no", "yes", **values), ACTUAL, PREDICTED)


def test_without_costs_the_more_probable_class_is_taken() -> None:
    assert choose() == 0.5


@pytest.mark.parametrize(
    ("missed", "false_alarm", "threshold"), [(9.0, 1.0, 0.1), (1.0, 3.0, 0.75), (4.0, None, 0.2), (None, 4.0, 0.8)]
)
def test_costs_say_from_which_probability_on(missed: float | None, false_alarm: float | None, threshold: float) -> None:
    assert choose(cost_missed=missed, cost_false_alarm=false_alarm) == pytest.approx(threshold)


@pytest.mark.parametrize(("share", "threshold"), [(0.5, 0.1), (0.6, 0.2), (0.75, 0.3), (0.8, 0.6), (1.0, 0.6)])
def test_lowest_threshold_reaches_the_precision(share: float, threshold: float) -> None:
    assert choose(least_precision=share) == threshold


@pytest.mark.parametrize(("share", "threshold"), [(0.3, 0.8), (0.6, 0.6), (0.7, 0.3), (1.0, 0.3)])
def test_highest_threshold_reaches_the_recall(share: float, threshold: float) -> None:
    assert choose(least_recall=share) == threshold


def test_precision_that_cannot_be_reached_is_come_near_to() -> None:
    problem = declare_classes("no", "yes", least_precision=0.99)
    predicted = np.column_stack([1 - GIVEN, GIVEN])
    assert choose_threshold(problem, np.array([0.0, 0, 1, 1, 0, 0]), predicted) == 0.3


@pytest.mark.parametrize("asked", ["least_precision", "least_recall"])
def test_without_a_positive_row_the_more_probable_class_is_taken(asked: str) -> None:
    problem = declare_classes("no", "yes", **{asked: 0.9})
    assert choose_threshold(problem, np.zeros(len(GIVEN)), PREDICTED) == 0.5
