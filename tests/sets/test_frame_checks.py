"""What the examples of a split must be, checked piece by piece."""

import numpy as np
import pytest

from include.problem import data
from include.problem.data import Split
from include.sets.frame_checks import find_example_problems
from tests.splits import PROBLEM, make_split


@pytest.mark.parametrize("rows_at_once", [1_000, 64])
def test_rows_that_fail_are_counted_over_all_pieces(monkeypatch: pytest.MonkeyPatch, rows_at_once: int) -> None:
    monkeypatch.setattr(data, "ROWS_AT_ONCE", rows_at_once)
    split = make_split(200)
    assert find_example_problems(PROBLEM, "train", split, None, None) == []
    distances = np.where(np.arange(200) % 4 == 0, -1.0, split.rows["trip_distance"])
    broken = Split({**split.rows, "trip_distance": distances}, np.where(np.arange(200) < 70, 1e9, split.target))
    assert find_example_problems(PROBLEM, "train", broken, None, None) == [
        "train: target outside TARGET_MIN..TARGET_MAX: 70 rows",
        "train: trip_distance outside TRIP_DISTANCE_MIN..TRIP_DISTANCE_MAX: 50 rows",
    ]
