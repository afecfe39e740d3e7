import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.problem.data import Values
from include.problem.words import show_amount
from include.promotion.blocks import list_blocks
from include.promotion.comparison import (
    MINIMUM_ROWS,
    Comparison,
    Limits,
    SliceErrors,
    compare,
    count_unusable,
    decide,
    decide_first,
    find_regressions,
)
from include.promotion.significance import Difference
from tests.splits import PROBLEM, make_split

LIMITS = Limits(min_improvement=0.01, max_slice_regression=0.05, slice_minimum_rows=200)

errors = st.floats(0.1, 100)
slices = st.builds(
    SliceErrors,
    st.just("hour"),
    st.sampled_from(["night", "noon"]),
    st.integers(1, 1000),
    errors,
    errors,
    is_worse=st.booleans(),
)
differences = st.builds(Difference, st.floats(-5, 5), st.floats(0, 5), st.floats(1, 1000))
looks = st.integers(1, 100)
comparisons = st.builds(
    Comparison,
    st.just(PROBLEM.objective),
    st.integers(1, 10_000),
    errors,
    errors,
    differences,
    looks,
    st.lists(slices, max_size=4).map(tuple),
)
limits = st.builds(Limits, st.floats(0, 0.5), st.floats(0, 0.5), st.integers(1, 500))


# The rules


@given(comparisons, limits)
def test_challenger_wins_exactly_when_every_condition_holds(comparison: Comparison, limits: Limits) -> None:
    holds = (
        comparison.rows >= MINIMUM_ROWS
        and comparison.interval[1] < 0
        and comparison.gain >= limits.min_improvement
        and all(part.regression <= limits.max_slice_regression for part in comparison.slices if part.is_worse)
    )
    assert decide(comparison, limits).promote == holds


@given(comparisons, limits, st.floats(0, 1), st.floats(0, 1), st.integers(0, 500))
def test_stricter_limits_never_turn_a_loser_into_a_winner(
    comparison: Comparison, limits: Limits, gain: float, regression: float, rows: int
) -> None:
    stricter = Limits(
        limits.min_improvement + gain,
        max(0, limits.max_slice_regression - regression),
        max(1, limits.slice_minimum_rows - rows),
    )
    assert decide(comparison, limits).promote or not decide(comparison, stricter).promote


@given(comparisons, limits)
def test_whoever_beats_a_champion_would_win_as_the_first_model_too(comparison: Comparison, limits: Limits) -> None:
    assert decide_first(comparison, "mean").promote or not decide(comparison, limits).promote


@given(comparisons, limits)
def test_reason_names_both_errors(comparison: Comparison, limits: Limits) -> None:
    verdict = decide(comparison, limits)
    assert show_amount(comparison.challenger_error) in verdict.reason
    assert show_amount(comparison.champion_error) in verdict.reason


any_float = st.floats(allow_nan=True, allow_infinity=True)
odd_slices = st.builds(
    SliceErrors,
    st.just("hour"),
    st.just("night"),
    st.integers(1, 1000),
    any_float,
    any_float,
    is_worse=st.booleans(),
)
odd_comparisons = st.builds(
    Comparison,
    st.just(PROBLEM.objective),
    st.integers(1, 10_000),
    any_float,
    any_float,
    st.builds(Difference, any_float, any_float, any_float),
    looks,
    st.lists(odd_slices, max_size=4).map(tuple),
)


@given(odd_comparisons, limits)
def test_figure_that_is_not_finite_never_wins(comparison: Comparison, limits: Limits) -> None:
    figures = [comparison.challenger_error, comparison.champion_error, *comparison.interval]
    worse = [part for part in comparison.slices if part.is_worse]
    if not np.isfinite(figures).all():
        assert not decide_first(comparison, "mean").promote
        assert not decide(comparison, limits).promote
    if any(np.isnan(part.challenger_error) or np.isnan(part.champion_error) for part in worse):
        assert not decide(comparison, limits).promote


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_slice_that_is_no_number_is_the_worst_one(odd: float) -> None:
    parts = [
        SliceErrors("hour", "a", 300, 9.0, 5.0, is_worse=True),
        SliceErrors("hour", "b", 300, np.abs(odd), 5.0, is_worse=True),
    ]
    assert [part.value for part in find_regressions(parts, LIMITS)] == ["b", "a"]


def make_comparison(**changes: object) -> Comparison:
    """One that wins, but for the changes."""
    values = {
        "objective": PROBLEM.objective,
        "rows": 1000,
        "challenger_error": 4.5,
        "champion_error": 5.0,
        "look": 1,
        "slices": (),
    }
    values |= {"difference": difference(-0.6, -0.4)}
    return Comparison(**(values | changes))  # type: ignore[arg-type]


def difference(low: float, high: float) -> Difference:
    """One whose interval at the first look, of 99 %, has these ends."""
    return Difference((low + high) / 2, (high - low) / 2 / 2.575829, float("inf"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"difference": difference(-0.6, 0.1)}, "this may be chance, the difference lies between -0.6 and +0.1"),
        ({"difference": difference(0.2, 0.3)}, "it is worse, the difference lies between +0.2 and +0.3"),
        ({"challenger_error": 4.96}, "the error falls by 0.8%, 1.0% are needed"),
        ({"rows": 20}, "only 20 held-out rows"),
        (
            {"slices": (SliceErrors("hour", "night", 300, 6.0, 5.0, is_worse=True),)},
            "hour night gets worse by 20.0% (300 rows), one of 1 slices beyond 5.0%",
        ),
    ],
)
def test_loser_is_told_why(changes: dict[str, object], reason: str) -> None:
    verdict = decide(make_comparison(**changes), LIMITS)
    assert not verdict.promote
    assert reason in verdict.reason


def test_winner_may_get_worse_in_a_slice_by_chance() -> None:
    assert decide(make_comparison(slices=(SliceErrors("hour", "night", 20, 9.0, 5.0, is_worse=False),)), LIMITS).promote


def test_each_look_at_the_same_rows_asks_for_more() -> None:
    first = make_comparison(difference=difference(-0.6, -0.01))
    assert decide(first, LIMITS).promote
    second = make_comparison(difference=difference(-0.6, -0.01), look=2)
    assert second.confidence == 0.995
    assert second.interval[1] > first.interval[1]
    verdict = decide(second, LIMITS)
    assert not verdict.promote
    assert "at look 2 on these rows" in verdict.reason


def test_worst_regression_is_named_first() -> None:
    parts = [
        SliceErrors("hour", name, 300, error, 5.0, is_worse=True)
        for name, error in (("a", 5.5), ("b", 7.0), ("c", 4.0))
    ]
    assert [part.value for part in find_regressions(parts, LIMITS)] == ["b", "a"]


def test_slice_without_errors_of_the_champion_gets_infinitely_worse() -> None:
    assert SliceErrors("hour", "night", 300, 0.1, 0.0, is_worse=True).regression == float("inf")
    assert SliceErrors("hour", "night", 300, 0.0, 0.0, is_worse=True).regression == 0


# The comparison

SPLIT = make_split(2000)


def predict(noise: float, seed: int) -> Values:
    """The targets with an error of that deviation."""
    return SPLIT.target + np.random.default_rng(seed).normal(0, noise, len(SPLIT))


def compare_all(challenger: Values, champion: Values, actual: Values = SPLIT.target) -> Comparison:
    """The comparison by days on all rows of the split."""
    blocks = list_blocks(PROBLEM, SPLIT.rows, np.full(len(SPLIT), np.nan))
    return compare(PROBLEM, SPLIT.rows, actual, challenger, champion, blocks=blocks, minimum_rows=200)


def wins(challenger: Values, champion: Values) -> bool:
    return decide(compare_all(challenger, champion), LIMITS).promote


@pytest.mark.parametrize("seed", range(10))
def test_truly_better_one_always_wins(seed: int) -> None:
    assert wins(predict(3.0, seed), predict(4.0, seed + 100))


@pytest.mark.parametrize("seed", range(10))
def test_one_trained_on_shuffled_targets_never_wins(seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(SPLIT.target)
    assert not wins(shuffled, predict(4.0, seed))


def test_of_ten_equal_ones_at_most_one_wins() -> None:
    champion = predict(4.0, 1000)
    assert sum(wins(predict(4.0, seed), champion) for seed in range(10)) <= 1


def test_same_predictions_differ_by_nothing() -> None:
    comparison = compare_all(predict(4.0, 1), predict(4.0, 1))
    assert comparison.interval == (0, 0)
    assert comparison.gain == 0
    assert {part.regression for part in comparison.slices} == {0}


def test_comparison_covers_every_slicing() -> None:
    comparison = compare_all(predict(3.0, 1), predict(4.0, 2))
    assert {part.slicing for part in comparison.slices} == {"hour", "distance", "pickup_zone"}
    hours = [part.rows for part in comparison.slices if part.slicing == "hour"]
    assert sum(hours) == comparison.rows == 2000


def test_comparison_without_rows_is_refused() -> None:
    none = {name: values[:0] for name, values in SPLIT.rows.items()}
    with pytest.raises(ValueError, match="no rows"):
        compare(PROBLEM, none, SPLIT.target[:0], SPLIT.target[:0], SPLIT.target[:0], blocks=[], minimum_rows=1)


odd_values = st.sampled_from([np.nan, np.inf, -np.inf, 1e101, -1e200, 1.8e308])


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(["actual", "challenger", "champion"]), st.lists(odd_values, min_size=1, max_size=5), st.data())
def test_single_value_that_is_not_finite_is_counted_and_compares_nothing(
    where: str, values: list[float], data: st.DataObject
) -> None:
    columns = {"actual": SPLIT.target.copy(), "challenger": SPLIT.target + 0.1, "champion": SPLIT.target + 9.0}
    places = data.draw(st.lists(st.integers(0, 1999), min_size=len(values), max_size=len(values), unique=True))
    columns[where][places] = values
    assert count_unusable(columns[where]) == len(values)
    with pytest.raises(ValueError, match=f"{len(values)} of 2000 values of the .* are not finite numbers"):
        compare_all(columns["challenger"], columns["champion"], columns["actual"])


@settings(deadline=None, max_examples=20)
@given(st.floats(1e-300, 1e100), st.floats(1e-300, 1e100))
def test_equal_errors_of_any_size_are_compared_by_finite_figures(own: float, other: float) -> None:
    comparison = compare_all(SPLIT.target + own, SPLIT.target + other)
    figures = [comparison.challenger_error, comparison.champion_error, *comparison.interval, comparison.gain]
    assert np.isfinite(figures).all()
    assert own < other or not decide(comparison, LIMITS).promote


def test_every_value_with_rows_enough_is_a_slice_beside_the_most_frequent() -> None:
    zones = {part.value: part.rows for part in compare_all(predict(3.0, 1), predict(4.0, 2)).slices
             if part.slicing == "pickup_zone"}  # fmt: skip
    known, counts = np.unique(SPLIT.rows["pickup_zone"], return_counts=True)
    assert zones == {str(zone): count for zone, count in zip(known, counts, strict=True)}
    assert len(zones) > 5


def test_zone_that_gets_much_worse_refuses_a_model_that_is_better_on_the_whole() -> None:
    champion, challenger = predict(4.0, 1), predict(2.0, 2)
    rarest = SPLIT.rows["pickup_zone"] == 6
    challenger[rarest] = SPLIT.target[rarest] + 1.6 * (champion - SPLIT.target)[rarest]
    verdict = decide(compare_all(challenger, champion), LIMITS)
    assert not verdict.promote
    assert "pickup_zone 6 gets worse by 60.0%" in verdict.reason


def test_smallest_gain_falls_with_more_rows() -> None:
    half = np.arange(len(SPLIT)) < 1000
    rows = {name: values[half] for name, values in SPLIT.rows.items()}
    challenger, champion = predict(3.9, 1), predict(4.0, 2)
    fewer = compare(
        PROBLEM, rows, SPLIT.target[half], challenger[half], champion[half], blocks=[], minimum_rows=200
    )  # fmt: skip
    assert 0 < compare_all(challenger, champion).smallest_gain < fewer.smallest_gain
