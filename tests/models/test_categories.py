"""What an encoder takes for the categories of a column."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from include.models.categories import MISSING, TOGETHER, Categories, Tally, restore

TOWNS = np.array(["Ulm"] * 5 + ["Bonn"] * 6 + ["Kiel"] * 4 + ["Aue", None, None, None, None, None], dtype=object)


def learn(values: npt.NDArray[Any], *, rare_below: int = 0, pieces: int = 1) -> Categories:
    tally = Tally()
    for piece in np.array_split(values, pieces):
        tally.add(piece)
    return tally.settle(rare_below=rare_below)


def test_texts_in_fewer_rows_are_one_category_behind_the_others() -> None:
    towns = learn(TOWNS, rare_below=5)
    assert list(towns) == ["Bonn", "Ulm", TOGETHER]
    assert len(towns) == 3
    asked = np.array(["Bonn", "Ulm", "Kiel", "Aue", "Rom", None], dtype=object)
    assert towns.find(asked).tolist() == [0, 1, 2, 2, MISSING, MISSING]


def test_texts_that_are_all_frequent_have_no_category_more() -> None:
    towns = learn(TOWNS[:11], rare_below=5)
    assert (list(towns), towns.tolist()) == (["Bonn", "Ulm"], ["Bonn", "Ulm"])


def test_texts_are_known_one_by_one_where_nobody_asks_for_more() -> None:
    assert list(learn(TOWNS)) == ["Aue", "Bonn", "Kiel", "Ulm"]


def test_whole_numbers_are_never_put_together() -> None:
    assert list(learn(np.array([7, 7, 3]), rare_below=5)) == [3, 7]


@pytest.mark.parametrize("pieces", [2, 5, 30])
@pytest.mark.parametrize("values", [TOWNS, np.array([7, 7, 3, -1, 9]), np.array([2.5, np.nan, 1.0, 2.0])])
def test_pieces_have_the_categories_of_the_whole(values: npt.NDArray[Any], pieces: int) -> None:
    whole = learn(values, rare_below=5)
    assert learn(values, rare_below=5, pieces=pieces).tolist() == whole.tolist() != []


@pytest.mark.parametrize("rare_below", [0, 5, 100])
def test_categories_restored_from_json_are_the_same(rare_below: int) -> None:
    towns = learn(TOWNS, rare_below=rare_below)
    assert restore(json.loads(json.dumps(towns.tolist()))) == towns
