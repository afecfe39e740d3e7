import numpy as np
import pytest

from include.problem.texts import GROUPS, count_groups


def count(*texts: str | None) -> np.ndarray:
    return count_groups(np.array(texts, dtype=object))


def test_each_group_of_three_letters_counts_with_a_blank_at_both_ends() -> None:
    assert count("abcd", "", "é", "a b").sum(axis=1).tolist() == [4, 0, 2, 3]


@pytest.mark.parametrize("same", ["MARUTI swift", "  Maruti\tSwift "])
def test_case_and_blanks_do_not_matter(same: str) -> None:
    assert np.array_equal(count("maruti swift"), count(same))


def test_texts_that_are_alike_have_numbers_that_are_alike() -> None:
    swift, other_swift, bmw = count("Maruti Swift VDI", "Maruti Swift VXI", "BMW 320d Luxury")
    assert np.abs(swift - other_swift).sum() < np.abs(swift - bmw).sum() / 2


def test_text_alone_has_the_numbers_that_it_has_among_others() -> None:
    texts = ["one", None, "two words", "", "x" * 10_000]
    together = count(*texts)
    assert together.shape == (5, GROUPS)
    for at, text in enumerate(texts):
        assert np.array_equal(count(text)[0], together[at], equal_nan=True)


def test_missing_text_is_missing_not_empty() -> None:
    assert np.isnan(count(None)).all()
    assert count("").tolist() == [[0] * GROUPS]
    assert count_groups(np.array([], dtype=object)).shape == (0, GROUPS)
