import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.problem.numerals import NUMBER, WHOLE_NUMBER, match_number, match_whole_number

BOUNDS = st.lists(st.integers(-2000, 2000) | st.sampled_from([-(10**6), 10**6, 99, 100]), min_size=2, max_size=2)
WHOLE = st.from_regex(WHOLE_NUMBER) | st.integers(-2100, 2100).map(str)
DECIMAL = st.from_regex(NUMBER) | st.floats(-2100, 2100).map(lambda value: f"{value:.3f}")


@given(BOUNDS.map(sorted), WHOLE)
def test_text_of_a_whole_number_matches_only_within_the_bounds(bounds: list[int], text: str) -> None:
    low, high = bounds
    assert not re.search(match_whole_number(low, high), text) or low <= int(text) <= high


@given(BOUNDS.map(sorted), DECIMAL)
def test_text_of_a_number_matches_only_within_the_bounds(bounds: list[int], text: str) -> None:
    low, high = bounds
    assert not re.search(match_number(low, high), text) or low <= float(text) <= high


@given(BOUNDS.map(sorted), st.data())
def test_every_number_within_the_bounds_matches_as_python_writes_it(bounds: list[int], data: st.DataObject) -> None:
    number = data.draw(st.integers(*bounds))
    for pattern in (match_whole_number(*bounds), match_number(*bounds), match_number(bounds[0] - 0.5, bounds[1] + 0.5)):
        assert re.search(pattern, f" {number} ")


def test_number_without_bounds_is_any_numeral() -> None:
    pattern = match_number(float("-inf"), float("inf"))
    assert [bool(re.search(pattern, text)) for text in ("-12.5", "0", "1e5", "", "1\n")] == [
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize("blank", ["", " ", " \t\n"])
def test_text_of_blanks_matches_where_a_value_may_be_left_out(blank: str) -> None:
    assert re.search(match_number(1, 5, or_blank=True), blank)
    assert not re.search(match_number(1, 5, or_blank=True), f"6{blank}")
    assert not re.search(match_number(1, 5), blank)
