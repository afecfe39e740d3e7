from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.problem.problem_file import read_problem
from include.promotion import significance
from include.promotion.blocks import list_blocks
from include.promotion.significance import Difference, find_significant, measure_difference
from tests.splits import PROBLEM, make_split

CONFIDENCE = 0.95
measure = partial(measure_difference, PROBLEM.objective)


def draw(seed: int, rows: int = 3000) -> np.ndarray:
    return np.random.default_rng(seed).exponential([[4.0], [9.0]], size=(2, rows))


# The difference and its interval


def test_interval_lies_around_the_difference_of_the_errors() -> None:
    squared = draw(0)
    found = measure(squared, [])
    low, high = found.interval(CONFIDENCE)
    assert found.value == pytest.approx(float(np.subtract(*np.sqrt(squared.mean(axis=1)))))
    assert low < found.value < high
    assert high - low < 0.5


def test_interval_of_independent_rows_is_that_of_resampled_ones() -> None:
    squared, generator = draw(1, 500), np.random.default_rng(2)
    drawn = [squared[:, generator.integers(0, 500, 500)].mean(axis=1) for _ in range(4000)]
    spread = float(np.std([np.subtract(*np.sqrt(each)) for each in drawn]))
    assert measure(squared, []).standard_error == pytest.approx(spread, rel=0.05)


def test_pairing_tells_models_apart_that_err_alike() -> None:
    # The second is worse by a little on every single row, which the spread between rows would hide.
    hard = np.random.default_rng(0).exponential(100, size=500)
    low, high = measure(np.stack([hard, hard * 1.02]), []).interval(CONFIDENCE)
    assert low < high < 0


def test_rows_are_left_out_in_pieces_as_they_are_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    squared, blocks = draw(0, 1000), [np.arange(1000) // 20]
    whole = [measure(squared, given) for given in ([], blocks)]
    monkeypatch.setattr(significance, "ROWS_AT_ONCE", 7)
    for at, given_blocks in enumerate(([], blocks)):
        found = measure(squared, given_blocks)
        assert found.standard_error == pytest.approx(whole[at].standard_error, rel=1e-12)
        assert found.interval(CONFIDENCE) == pytest.approx(whole[at].interval(CONFIDENCE), rel=1e-12)


@settings(deadline=None)
@given(st.floats(0.1, 10))
def test_interval_scales_with_the_unit(factor: float) -> None:
    squared, blocks = draw(0, 50), [np.arange(50) // 5]
    low, high = measure(squared, blocks).interval(CONFIDENCE)
    scaled = measure(squared * factor**2, blocks).interval(CONFIDENCE)
    assert scaled == pytest.approx((low * factor, high * factor))


def test_rows_of_a_block_that_err_together_widen_the_interval() -> None:
    generator = np.random.default_rng(0)
    blocks = np.arange(3000) // 100
    errors = 4 + generator.normal(0, 1, (2, 30))[:, blocks]
    alone, together = (measure(errors**2, given) for given in ([], [blocks]))
    # All rows of a block say the same, so that there are 30 findings and not 3,000.
    assert together.standard_error == pytest.approx(10 * alone.standard_error, rel=0.05)
    assert 28 < together.freedom < 31
    assert alone.freedom == 2999


def test_blocks_that_do_not_hang_together_do_not_narrow_the_interval() -> None:
    squared, generator = draw(3), np.random.default_rng(4)
    alone = measure(squared, [])
    for _ in range(20):
        blocked = measure(squared, [generator.integers(0, 20, 3000)])
        assert blocked.standard_error >= alone.standard_error


def test_true_difference_lies_in_the_interval_as_often_as_the_confidence_says() -> None:
    generator, inside = np.random.default_rng(5), 0
    blocks = np.arange(600) // 20
    for _ in range(500):
        offsets = generator.normal(0, 1, (2, 30))[:, blocks]
        errors = generator.normal(0, 2, (2, 600)) + offsets
        low, high = measure(errors**2, [blocks]).interval(0.9)
        inside += low < 0 < high
    assert 430 <= inside <= 480


@pytest.mark.parametrize("blocks", [[], [np.zeros(1, dtype=int)], [np.array([0])]])
def test_single_row_says_nothing(blocks: list[np.ndarray]) -> None:
    found = measure(np.array([[4.0], [9.0]]), blocks)
    assert found.standard_error == np.inf
    assert not found.interval(CONFIDENCE)[1] < 0


def test_all_rows_in_one_block_are_told_apart_by_themselves() -> None:
    squared = draw(6)
    assert measure(squared, [np.zeros(3000, dtype=int)]) == measure(squared, [])


def test_gain_that_would_be_seen_is_found_in_as_many_cases() -> None:
    found = Difference(0.0, 0.5, np.inf)
    # The quantiles of 99.5 % and of 80 %.
    assert found.smallest_seen(0.99) == pytest.approx(0.5 * (2.5758 + 0.8416), rel=1e-4)


@pytest.mark.parametrize(("value", "chance"), [(0.0, 0.5), (1.6449, 0.05), (-1.6449, 0.95)])
def test_chance_is_one_sided(value: float, chance: float) -> None:
    assert Difference(value, 1.0, np.inf).chance() == pytest.approx(chance, rel=1e-3)


@pytest.mark.parametrize(("value", "chance"), [(0.0, 1.0), (0.1, 0.0), (-0.1, 1.0)])
def test_difference_without_any_spread_is_no_chance(value: float, chance: float) -> None:
    assert Difference(value, 0.0, 100).chance() == chance


# Several findings at once


@pytest.mark.parametrize(
    ("chances", "held"),
    [
        ([], []),
        ([0.04], [0]),
        ([0.06], []),
        ([0.04, 0.03], []),
        ([0.04, 0.02], [1, 0]),
        ([0.01, 0.9, 0.02], [0, 2]),
        ([0.02, 0.9, 0.9], []),
    ],
)
def test_findings_hold_as_holm_says(chances: list[float], held: list[int]) -> None:
    assert find_significant(dict(enumerate(chances)), 0.05) == held


# Blocks

BIKES = read_problem("rents")
SPLIT = make_split(2000)
NOWHERE = np.full(2000, np.nan)


def count_of(blocks: np.ndarray) -> int:
    return len(np.unique(blocks))


def test_rows_with_a_time_hang_together_by_day() -> None:
    [days] = list_blocks(PROBLEM, SPLIT.rows, NOWHERE)
    assert count_of(days) == 31


def test_rows_of_a_few_days_hang_together_by_hour() -> None:
    short = SPLIT.rows["pickup_at"] < np.datetime64("2024-01-03")
    rows = {name: values[short] for name, values in SPLIT.rows.items()}
    [hours] = list_blocks(PROBLEM, rows, NOWHERE[short])
    assert count_of(hours) == count_of(rows["pickup_at"].astype("datetime64[h]")) > 40


def test_rows_of_a_few_hours_are_taken_one_by_one() -> None:
    rows = {name: values[:50] for name, values in SPLIT.rows.items()}
    rows["pickup_at"] = np.full(50, np.datetime64("2024-01-01T08:30", "us"))
    assert list_blocks(PROBLEM, rows, NOWHERE[:50]) == []


def test_rows_of_a_group_hang_together_even_if_no_model_sees_it() -> None:
    grouped = BIKES.model_copy(update={"time": None, "group": "customer", "split": "group"})
    [blocks] = list_blocks(grouped, {}, np.array([0.5, 0.25, 0.5, 0.75]))
    assert blocks.tolist() == [0, 1, 0, 2]


def test_rows_of_a_series_hang_together_beside_those_of_a_day() -> None:
    problem = PROBLEM.model_copy(update={"series": "pickup_zone"})
    days, series = list_blocks(problem, SPLIT.rows, NOWHERE)
    assert (count_of(days), count_of(series)) == (31, 6)


def test_rows_that_a_hash_splits_are_taken_one_by_one() -> None:
    plain = BIKES.model_copy(update={"time": None, "group": None, "series": None, "split": ""})
    assert list_blocks(plain, {}, np.array([0.5, 0.25])) == []
