from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.monitoring.drift import (
    Measures,
    Thresholds,
    compare_column,
    compute_js,
    compute_psi,
    has_drifted,
    is_alarming,
)
from include.problem.data import Split, columns_of_records
from include.problem.problem_file import read_problem
from include.sets.profile import columns_of, describe_quantity, profile_split
from include.settings import Settings
from tests.bikes import BIKES
from tests.splits import make_split

THRESHOLDS = Thresholds(psi=0.2, ks=0.1, js=0.1, missing=0.05, unseen=0.05)
shares = st.lists(st.floats(0.01, 1), min_size=3, max_size=3).map(lambda values: np.array(values) / sum(values))
PROBLEM = read_problem("taxi")


# The measures


@given(shares, shares)
def test_measures_are_zero_for_equal_shares_alone_and_the_same_both_ways(one: np.ndarray, other: np.ndarray) -> None:
    for measure in (compute_psi, compute_js):
        assert measure(one, one) == pytest.approx(0, abs=1e-6)
        assert measure(one, other) == pytest.approx(measure(other, one), abs=1e-9)
        assert measure(one, other) >= 0


def test_measures_have_the_values_of_their_formulas() -> None:
    half, quarter = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    assert compute_psi(half, quarter) == pytest.approx(0.25 * np.log(2) + 0.25 * np.log(1.5))
    assert compute_js(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(1)


def test_empty_bin_is_a_large_index_not_an_infinite_one() -> None:
    assert 1 < compute_psi(np.array([0.5, 0.5]), np.array([0.0, 1.0])) < 10


def test_quantity_is_compared_by_its_deciles_and_by_its_values() -> None:
    split = make_split(3000)
    distances = columns_of(PROBLEM, split)["trip_distance"]
    profile = profile_split(PROBLEM, split)["trip_distance"]
    same = compare_column(profile, distances, distances)
    assert (same.psi, same.ks, same.js) == pytest.approx((0, 0, 0), abs=1e-6)
    twice = compare_column(profile, distances * 2, distances)
    assert has_drifted(twice, THRESHOLDS)
    assert twice.ks == pytest.approx(0.5, abs=0.05)


def test_pruned_values_leave_a_lower_bound_of_the_statistic() -> None:
    split = make_split(3000)
    distances = columns_of(PROBLEM, split)["trip_distance"]
    profile = profile_split(PROBLEM, split)["trip_distance"]
    exact, bound = (compare_column(profile, distances * 1.5, learnt) for learnt in (distances, None))
    assert exact.ks is not None
    assert bound.ks is not None
    assert exact.ks - 0.1 <= bound.ks <= exact.ks + 1e-9
    assert bound.psi == pytest.approx(exact.psi, rel=0.05)


def test_category_is_compared_by_its_frequencies_and_has_no_order() -> None:
    profile = profile_split(PROBLEM, make_split(3000))["pickup_zone"]
    assert compare_column(profile, np.repeat([1, 2, 3, 4, 5, 6], 10)).psi < 0.01
    elsewhere = compare_column(profile, np.repeat([1, 77], 10))
    assert elsewhere.ks is None
    assert has_drifted(elsewhere, THRESHOLDS)


def test_category_that_was_rare_is_compared_by_itself_once_it_is_frequent() -> None:
    draw = np.random.default_rng(1)
    learnt = np.concatenate([draw.integers(1, 201, 20_000), np.full(80, 264)])
    split = Split({**make_split(len(learnt)).rows, "pickup_zone": learnt}, np.ones(len(learnt)))
    profile = profile_split(PROBLEM, split)["pickup_zone"]
    assert "264" not in profile["frequent"]
    usual = draw.integers(1, 201, 5_000)
    unknown = np.where(draw.random(5_000) < 0.2, 264, usual)
    assert not has_drifted(compare_column(profile, usual, learnt), THRESHOLDS)
    assert has_drifted(compare_column(profile, unknown, learnt), THRESHOLDS)
    assert not has_drifted(compare_column(profile, unknown), THRESHOLDS), "its share in training is not known any more"


@pytest.mark.parametrize("most", [60_000, 30_000, 15_000])
def test_categories_of_the_same_distribution_do_not_drift_however_many_rows_were_counted(most: int) -> None:
    draw = np.random.default_rng(3)
    learnt, values = (draw.zipf(1.3, rows) % 1_000_000 for rows in (60_000, 10_000))
    profile = profile_split(PROBLEM, Split({**make_split(60_000).rows, "pickup_zone": learnt}, np.ones(60_000)))
    found = compare_column(profile["pickup_zone"], values, learnt[:most])
    assert found.unseen == pytest.approx(found.unseen_expected, abs=0.02)
    assert not has_drifted(found, THRESHOLDS)


def test_unseen_values_are_beyond_what_was_to_be_expected() -> None:
    learnt = np.arange(1, 101)
    profile = {"count": 100, "distinct": 100, "frequent": {}}
    found = compare_column(profile, np.arange(51, 151), learnt)
    assert (found.unseen, found.unseen_expected) == (0.5, 1.0)
    assert not has_drifted(Measures(0, None, 0, unseen=0.5, unseen_expected=0.48), THRESHOLDS)


def test_missing_values_are_a_share_of_their_own_beside_that_of_training() -> None:
    learnt = np.array([1.0, 2.0, 3.0, np.nan])
    profile = {"count": 4, "missing": 1, "deciles": np.linspace(1, 3, 11).tolist()}
    found = compare_column(profile, np.array([1.0, np.nan, np.nan, 3.0]), learnt)
    assert (found.missing, found.missing_learnt, found.unseen) == (0.5, 0.25, None)


def test_unseen_values_are_a_share_of_the_rows_and_missing_ones_are_none_of_them() -> None:
    rows = columns_of_records(BIKES, [{"weather": name} for name in ("sun", "rain", "sun", None)])
    profile = profile_split(BIKES, Split(rows, np.ones(4)))["weather"]
    new = np.array(["sun", "hail", None, "snow"], dtype=object)
    for learnt in (rows["weather"], None):
        assert compare_column(profile, new, learnt).unseen == 0.5
    station = np.array([1, 2, 3])
    few = {"count": 3, "distinct": 3, "frequent": {"1": 1, "2": 1}}
    assert compare_column(few, np.array([3, 4]), station).unseen == 0.5
    assert compare_column(few, np.array([3, 4])).unseen is None, "the profile does not list all values"


# Chance

LEARNT, FEW, DRAWS = 5_000, 200, 50
Draw = np.random.Generator
Sampler = Callable[[Draw, int], np.ndarray]


def choose(shares: np.ndarray, names: np.ndarray | None = None) -> Sampler:
    """Draws categories 1, 2, ... or those that are named."""
    names = np.arange(1, len(shares) + 1) if names is None else names
    return lambda draw, rows: draw.choice(names, rows, p=shares / shares.sum())


def lose(sampler: Sampler, share: float) -> Sampler:
    """Leaves a share of the values out."""
    return lambda draw, rows: np.where(draw.random(rows) < share, np.nan, sampler(draw, rows))


def move(sampler: Sampler, share: float, to: int) -> Sampler:
    """Makes a share of the values another one."""
    return lambda draw, rows: np.where(draw.random(rows) < share, to, sampler(draw, rows))


def draw_tied(draw: Draw, rows: int) -> np.ndarray:
    return np.where(draw.random(rows) < 0.6, 0.0, draw.exponential(size=rows))


def draw_rarely_above_zero(draw: Draw, rows: int) -> np.ndarray:
    return np.where(draw.random(rows) < 0.99, 0.0, draw.exponential(size=rows))


def draw_few_numbers(draw: Draw, rows: int) -> np.ndarray:
    return draw.integers(1, 7, rows).astype(np.float64)


def draw_distances(draw: Draw, rows: int) -> np.ndarray:
    return draw.lognormal(1, 0.7, rows)


HOURS = 1.2 + np.sin(np.arange(24) / 24 * 2 * np.pi)
TWENTY, FIFTY = (choose(np.random.default_rng(7).dirichlet(np.full(number, 3.0))) for number in (20, 50))
LONG_TAIL = choose(1 / np.arange(1, 201))


def count_drifts(before: Sampler, after: Sampler, rows: int, *, is_pruned: bool = False) -> int:
    """In how many of `DRAWS` windows of so many rows a column drifts by the default settings."""
    thresholds = Thresholds.from_settings(Settings())
    drifts = 0
    for seed in range(DRAWS):
        draw = np.random.default_rng(seed)
        learnt, new = before(draw, LEARNT), after(draw, rows)
        if learnt.dtype == np.float64:
            profile = describe_quantity(learnt)
        else:
            split = Split({**make_split(LEARNT).rows, "pickup_zone": learnt}, np.ones(LEARNT))
            profile = profile_split(PROBLEM, split)["pickup_zone"]
        drifts += has_drifted(compare_column(profile, new, None if is_pruned else learnt), thresholds)
    return drifts


@pytest.mark.parametrize("is_pruned", [False, True])
@pytest.mark.parametrize(
    "sampler",
    [TWENTY, FIFTY, choose(np.ones(50)), LONG_TAIL, choose(HOURS), draw_distances, lose(draw_distances, 0.2),
     lose(draw_distances, 0.5), draw_tied],
    ids=["20 categories", "50 categories", "50 equal", "long tail", "hours", "number", "20 % missing", "50 % missing",
         "tied"],
)  # fmt: skip
def test_small_window_of_the_same_distribution_hardly_ever_drifts(sampler: Sampler, is_pruned: bool) -> None:
    assert count_drifts(sampler, sampler, FEW, is_pruned=is_pruned) <= 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (TWENTY, move(TWENTY, 0.2, 99)),
        (FIFTY, move(FIFTY, 0.2, 99)),
        (FIFTY, move(FIFTY, 0.3, 7)),
        (LONG_TAIL, move(LONG_TAIL, 0.2, 199)),
        (choose(HOURS), choose(np.roll(HOURS, 6))),
        (draw_distances, lambda draw, rows: draw_distances(draw, rows) * 1.6),
        (draw_distances, lose(draw_distances, 0.08)),
        (lose(draw_distances, 0.2), lose(draw_distances, 0.35)),
        (lose(draw_distances, 0.2), draw_distances),
    ],
    ids=["20 categories, one unseen", "50 categories, one unseen", "50 categories, one more frequent",
         "rare one frequent", "hours off", "number longer", "missing", "more missing", "none missing"],
)  # fmt: skip
def test_small_window_of_another_distribution_drifts(before: Sampler, after: Sampler) -> None:
    assert count_drifts(before, after, FEW) >= 48


def test_distances_are_those_beyond_chance_however_small_the_window() -> None:
    draw = np.random.default_rng(2)
    learnt = draw.normal(size=20_000)
    profile = describe_quantity(learnt)

    def measure(shift: float, rows: int) -> list[float]:
        found = [compare_column(profile, draw.normal(shift, size=rows), learnt) for _ in range(DRAWS)]
        return [float(np.mean([getattr(each, name) for each in found])) for name in ("psi", "ks", "js")]

    assert measure(0.5, FEW) == pytest.approx(measure(0.5, 10_000), rel=0.1)
    assert max(measure(0.0, FEW)) < 0.05


@pytest.mark.parametrize(
    "sampler", [draw_tied, draw_rarely_above_zero, draw_few_numbers, lose(draw_tied, 0.1)],
    ids=["tied", "rarely above zero", "few numbers", "tied and missing"],
)  # fmt: skip
def test_values_that_repeat_are_no_drift_where_they_are_pruned(sampler: Sampler) -> None:
    draw = np.random.default_rng(4)
    profile, new = describe_quantity(sampler(draw, LEARNT)), sampler(draw, LEARNT)
    found = compare_column(profile, new)
    assert found.psi < 0.05
    assert found.ks is not None
    assert found.ks < 0.05
    assert found.js < 0.1
    assert not has_drifted(found, THRESHOLDS)
    assert has_drifted(compare_column(profile, new + 2), THRESHOLDS)


def test_missing_values_do_not_count_in_the_statistic_of_pruned_values() -> None:
    draw = np.random.default_rng(5)
    profile = describe_quantity(draw_distances(draw, LEARNT))
    found = compare_column(profile, lose(draw_distances, 0.3)(draw, LEARNT))
    assert found.ks is not None
    assert found.ks < 0.05
    assert compare_column(profile, np.full(FEW, np.nan)).ks is None


# The rules


@pytest.mark.parametrize(
    ("measures", "drifts"),
    [
        (Measures(0.3, 0.05, 0.05), False),
        (Measures(0.3, 0.2, 0.05), True),
        (Measures(0.1, 0.2, 0.2), True),
        (Measures(0.3, None, 0.05), False),
        (Measures(0.2, None, 0.1), True),
        (Measures(0, 0, 0, missing=0.05, missing_learnt=0.0), True),
        (Measures(0, 0, 0, missing=0.30, missing_learnt=0.36), True),
        (Measures(0, 0, 0, missing=0.34, missing_learnt=0.30), False),
        (Measures(0, None, 0, unseen=0.05), True),
        (Measures(0, None, 0, unseen=0.04), False),
        (Measures(0, 0, 0, missing=0.36, missing_learnt=0.30, missing_chance=0.08), False),
        (Measures(0, 0, 0, missing=0.39, missing_learnt=0.30, missing_chance=0.08), True),
        (Measures(0, None, 0, unseen=0.06, unseen_chance=0.08), False),
        (Measures(0, None, 0, unseen=0.09, unseen_chance=0.08), True),
    ],
)
def test_column_drifts_when_two_distances_agree_or_one_share_has_changed(measures: Measures, drifts: bool) -> None:
    assert has_drifted(measures, THRESHOLDS) == drifts


@given(st.lists(st.booleans()), st.integers(1, 5), st.integers(1, 5))
def test_alarm_needs_the_newest_window_and_enough_of_the_last(flags: list[bool], needed: int, of: int) -> None:
    expected = bool(flags) and flags[-1] and flags[-of:].count(True) >= needed
    assert is_alarming(flags, needed, of) == expected


@given(st.lists(st.booleans(), min_size=1), st.integers(1, 5), st.integers(1, 5))
def test_window_before_the_last_ones_does_not_matter(flags: list[bool], needed: int, of: int) -> None:
    assert is_alarming(flags, needed, of) == is_alarming(flags[-of:], needed, of)


@pytest.mark.parametrize(
    ("flags", "alarms"),
    [([False, True, True], True), ([True, False, True], True), ([True, True, False], False), ([True], False),
     ([True, True, False, False, True], False)],
)  # fmt: skip
def test_two_of_three_windows_with_the_newest_are_an_alarm(flags: list[bool], alarms: bool) -> None:
    assert is_alarming(flags, 2, 3) == alarms


# Real months


def load_month(directory: Path, month: str) -> Split:
    import pyarrow.parquet as pq

    names = ["lpep_pickup_datetime", "lpep_dropoff_datetime", "PULocationID", "DOLocationID", "trip_distance"]
    frame = pq.read_table(directory / f"green_tripdata_{month}.parquet", columns=names).to_pandas()
    minutes = (frame.lpep_dropoff_datetime - frame.lpep_pickup_datetime).dt.total_seconds() / 60
    frame = frame.assign(target=minutes)[minutes.between(1, 60)]
    trips = {
        "pickup_at": frame.lpep_pickup_datetime.to_numpy(),
        "pickup_zone": frame.PULocationID.to_numpy(),
        "dropoff_zone": frame.DOLocationID.to_numpy(),
        "trip_distance": frame.trip_distance.to_numpy(),
    }
    return Split(trips, frame.target.to_numpy())


COLUMNS = ("trip_distance", "target", "pickup_zone", "dropoff_zone", "hour")
NEWEST_WEEKS = ("2024-02-05", "2024-02-12", "2024-02-19")


def pick(split: Split, chosen: np.ndarray) -> Split:
    return Split({name: values[chosen] for name, values in split.rows.items()}, split.target[chosen])


def shift_distances(split: Split, first_day: str, days: int) -> Split:
    """The split with distances 1.6 times as long on some days."""
    start = np.datetime64(first_day)
    pickup_at = split.rows["pickup_at"]
    shifted = (pickup_at >= start) & (pickup_at < start + np.timedelta64(days, "D"))
    distance = split.rows["trip_distance"]
    return Split({**split.rows, "trip_distance": np.where(shifted, distance * 1.6, distance)}, split.target)


def find_alarms(learnt: Split, new: Split) -> list[str]:
    """The columns for which the newest weeks are an alarm."""
    profile, values = profile_split(PROBLEM, learnt), columns_of(PROBLEM, learnt)
    flags: dict[str, list[bool]] = {name: [] for name in COLUMNS}
    for monday in map(np.datetime64, NEWEST_WEEKS):
        pickup_at = new.rows["pickup_at"]
        week = columns_of(PROBLEM, pick(new, (pickup_at >= monday) & (pickup_at < monday + np.timedelta64(7, "D"))))
        for name in COLUMNS:
            flags[name].append(has_drifted(compare_column(profile[name], week[name], values[name]), THRESHOLDS))
    return [name for name in COLUMNS if is_alarming(flags[name], 2, 3)]


def test_real_month_with_shifted_distances_is_an_alarm_on_them_alone_and_a_shifted_day_is_none(
    trip_data: Path,
) -> None:
    january, february = (load_month(trip_data, month) for month in ("2024-01", "2024-02"))
    assert find_alarms(january, february) == []
    assert find_alarms(january, shift_distances(february, "2024-02-01", 29)) == ["trip_distance"]
    assert find_alarms(january, shift_distances(february, "2024-02-21", 1)) == []
    assert find_alarms(january, shift_distances(february, "2024-02-12", 7)) == [], "a week is not two"


def test_nothing_drifts_from_one_real_month_to_the_next(trip_data: Path) -> None:
    for before, after in (("2023-01", "2023-02"), ("2024-01", "2024-02"), ("2023-03", "2024-01")):
        learnt, new = load_month(trip_data, before), columns_of(PROBLEM, load_month(trip_data, after))
        profile, old = profile_split(PROBLEM, learnt), columns_of(PROBLEM, learnt)
        drifted = [
            name for name in COLUMNS if has_drifted(compare_column(profile[name], new[name], old[name]), THRESHOLDS)
        ]
        assert drifted == []
