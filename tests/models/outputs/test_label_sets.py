import numpy as np
import pytest

from include.models.intervals import LEAST_ROWS
from include.models.outputs.label_sets import make_label_sets
from tests.models.outputs.test_calibration import draw, sharpen


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.99])
# However wrong probabilities are, the sets hold what they say.
@pytest.mark.parametrize("power", [1.0, 4.0])
def test_sets_hold_the_actual_class_as_often_as_they_say(classes: int, level: float, power: float) -> None:
    actual, right = draw(5_000, classes)
    sets = make_label_sets(actual, sharpen(right, power))
    assert sets is not None
    actual, right = draw(5_000, classes, seed=1)
    held = sets.find(sharpen(right, power), level)[np.arange(5_000), actual.astype(int)].mean()
    # The most probable class is always in it, which can be more than is asked for.
    most_probable = (right.argmax(axis=1) == actual).mean()
    assert max(level - 0.015, most_probable - 1e-9) <= held <= max(level, most_probable) + 0.04


def test_sets_grow_with_the_level_and_are_never_empty() -> None:
    actual, predicted = draw(1_000, 4)
    sets = make_label_sets(actual, predicted)
    assert sets is not None
    small, large = (sets.find(predicted, level) for level in (0.6, 0.95))
    assert (small <= large).all()
    assert small.any(axis=1).all()
    assert small.sum() < large.sum()


def test_set_is_found_by_hand() -> None:
    # Of 99 rows, ten have a probability of their class of up to 0.1: at 90 % that is the lowest one inside.
    given = np.arange(1, 100) / 100
    sets = make_label_sets(np.ones(99), np.column_stack([1 - given, given]))
    assert sets is not None
    found = sets.find(np.array([[0.91, 0.09], [0.9, 0.1], [0.5, 0.5]]), 0.9)
    assert found.tolist() == [[True, False], [True, True], [True, True]]


def test_few_rows_say_nothing() -> None:
    assert make_label_sets(*draw(LEAST_ROWS - 1)) is None
