"""What an encoder takes for the categories of a column."""

import json

import numpy as np
import pytest

from include.models.categories import MISSING, TOGETHER, learn, restore

TOWNS = np.array(["Ulm"] * 5 + ["Bonn"] * 6 + ["Kiel"] * 4 + ["Aue", None, None, None, None, None], dtype=object)


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


@pytest.mark.parametrize("rare_below", [0, 5, 100])
def test_categories_restored_from_json_are_the_same(rare_below: int) -> None:
    towns = learn(TOWNS, rare_below=rare_below)
    assert restore(json.loads(json.dumps(towns.tolist()))) == towns
