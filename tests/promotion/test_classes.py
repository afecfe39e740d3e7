"""Versions that predict classes, compared by the losses of their probabilities."""

import numpy as np
import pytest

from include.promotion.comparison import Limits, compare, count_unusable, decide, decide_first, find_disagreement
from tests.models.outputs.test_calibration import draw, sharpen
from tests.splits import LENGTHS, SHORT_OR_LONG, make_split

COUNT = 3_000
ROWS = make_split(COUNT).rows
LIMITS = Limits(min_improvement=0.005, max_slice_regression=0.1, slice_minimum_rows=100)


@pytest.mark.parametrize(("problem", "classes"), [(SHORT_OR_LONG, 2), (LENGTHS, 3)])
@pytest.mark.parametrize(("power", "promote"), [(1.0, True), (3.0, False)])
def test_better_probabilities_win_and_worse_ones_do_not(
    problem: object, classes: int, power: float, promote: bool
) -> None:
    actual, right = draw(COUNT, classes)
    found = compare(
        problem,
        ROWS,
        actual,
        sharpen(right, power),
        sharpen(right, 2.0),
        blocks=[],
        minimum_rows=100,  # type: ignore[arg-type]
    )
    verdict = decide(found, LIMITS)
    assert verdict.promote == promote
    assert verdict.reason.startswith("log loss ")
    assert found.challenger_error == pytest.approx(found.objective.measure_error(actual, sharpen(right, power)))
    assert sum(part.rows for part in found.slices) % COUNT == 0


def test_first_model_has_to_beat_the_shares_of_the_classes() -> None:
    actual, right = draw(COUNT)
    shares = np.tile(np.bincount(actual.astype(int)) / COUNT, (COUNT, 1))
    won, lost = (
        decide_first(
            compare(SHORT_OR_LONG, ROWS, actual, challenger, shares, blocks=[], minimum_rows=100), "class shares"
        )
        for challenger in (right, np.full((COUNT, 2), 0.5))
    )
    assert (won.promote, lost.promote) == (True, False)
    assert "of the best baseline, the class shares" in won.reason


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_row_with_one_unusable_probability_is_unusable(broken: float) -> None:
    predicted = np.full((4, 3), 1 / 3)
    predicted[2, 1] = broken
    assert count_unusable(predicted) == 1
    assert count_unusable(predicted[:2]) == 0


def test_model_that_predicts_otherwise_than_its_twin_is_found() -> None:
    actual, right = draw(COUNT)
    assert find_disagreement(SHORT_OR_LONG.objective, actual, right, sharpen(right, 1.2)) is None
    turned = right[:, ::-1]
    assert "predicts otherwise than the twin" in str(
        find_disagreement(SHORT_OR_LONG.objective, actual, right, sharpen(turned, 4.0))
    )


def test_models_that_are_nearly_always_right_agree_whichever_is_surer() -> None:
    actual, _ = draw(COUNT)
    judged, served, misled = (np.clip(np.eye(2)[actual.astype(int)], odd, 1 - odd) for odd in (1e-6, 1e-4, 0.1))
    objective = SHORT_OR_LONG.objective
    assert objective.measure_error(actual, judged) < objective.distance(judged, served).mean()
    assert find_disagreement(objective, actual, judged, served) is None
    assert find_disagreement(objective, actual, judged, misled)
