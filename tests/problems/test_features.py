import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from include.models.evaluation import measure_slices
from include.problem.features import find_feature_set
from include.problem.problem_file import change_problem
from include.problem.references import thaw_references
from include.problems.taxi.features import REFERENCE, RICH, Positions
from tests.splits import PROBLEM, make_trips

NEW_YORK, LOS_ANGELES, EQUATOR, NORTH, EAST, NOWHERE = 1, 2, 3, 4, 5, 6
POSITIONS = Positions.from_zones(
    [NEW_YORK, LOS_ANGELES, EQUATOR, NORTH, EAST, NOWHERE],
    [-74.0060, -118.2437, 0.0, 0.0, 1.0, np.nan],
    [40.7128, 34.0522, 0.0, 1.0, 0.0, np.nan],
)
# A degree of a great circle: 2 pi 3958.8 / 360.
DEGREE = 69.0941


def compute(
    zones: tuple[int, int] = (EQUATOR, NORTH),
    pickup_at: str = "2024-01-01T08:30:00",
    distance: float = 2.0,
    positions: Positions | None = POSITIONS,
    name: str = "rich",
) -> dict[str, float]:
    """The features of one trip; without positions there is no zones table."""
    references = {} if positions is None else {"zones": positions}
    columns = find_feature_set(PROBLEM, name).compute(make_trips([pickup_at], [zones], [distance]), references)
    return {feature: values[0] for feature, values in columns.items()}


def test_pickup_has_the_features_of_rich_but_those_of_the_metered_distance() -> None:
    rich, pickup = compute(), compute(name="pickup")
    assert rich.keys() - pickup.keys() == {"trip_distance", "detour"}
    assert pickup == {name: rich[name] for name in pickup}
    assert compute(name="pickup", distance=99.0) == pickup


def test_pickup_does_without_the_distance_as_an_input_too() -> None:
    at_pickup = change_problem(PROBLEM, {"known_later": "dropoff_at,trip_distance"})
    assert list(at_pickup.dtypes) == ["pickup_at", "pickup_zone", "dropoff_zone"]
    trips = make_trips(["2024-01-01T08:30:00"], [(EQUATOR, NORTH)], [2.0])
    columns = find_feature_set(at_pickup, "pickup").compute(
        {name: trips[name] for name in at_pickup.dtypes}, {"zones": POSITIONS}
    )
    assert {name: values[0] for name, values in columns.items()} == compute(name="pickup")
    slices = measure_slices(at_pickup, trips, np.array([9.0]), np.array([8.0]))
    assert {each["slicing"] for each in slices} == {"hour", "pickup_zone"}


@pytest.mark.parametrize(
    ("zones", "miles"),
    [
        ((EQUATOR, NORTH), DEGREE),
        ((EQUATOR, EAST), DEGREE),
        ((NORTH, EAST), DEGREE * 2**0.5),
        ((NEW_YORK, LOS_ANGELES), 2445.6),
        ((NEW_YORK, NEW_YORK), 0.0),
    ],
)
def test_straight_distance_is_the_great_circle_in_miles(zones: tuple[int, int], miles: float) -> None:
    assert compute(zones)["straight_distance"] == pytest.approx(miles, rel=1e-4)


def test_straight_distance_is_the_same_in_both_directions() -> None:
    there, back = compute((NEW_YORK, LOS_ANGELES)), compute((LOS_ANGELES, NEW_YORK))
    assert there["straight_distance"] == pytest.approx(back["straight_distance"], rel=1e-12)


@pytest.mark.parametrize(
    ("zones", "degrees"),
    [
        ((EQUATOR, NORTH), 0),
        ((EQUATOR, EAST), 90),
        ((NORTH, EQUATOR), 180),
        ((EAST, EQUATOR), -90),
        ((NEW_YORK, LOS_ANGELES), -86.31),
    ],
)
def test_bearing_is_the_direction_at_pickup_from_north_by_east(zones: tuple[int, int], degrees: float) -> None:
    assert compute(zones)["bearing"] == pytest.approx(degrees, abs=0.01)


def test_detour_is_the_distance_driven_over_the_straight_one() -> None:
    assert compute((EQUATOR, NORTH), distance=1.4 * DEGREE)["detour"] == pytest.approx(1.4, rel=0.01)


@pytest.mark.parametrize("distance", [0.0, 100.1, 900_000.0])
def test_distance_that_no_trip_has_is_missing(distance: float) -> None:
    features = compute(distance=distance)
    assert np.isnan([features["trip_distance"], features["detour"]]).all()
    assert features["straight_distance"] > 0


@pytest.mark.parametrize("distance", [0.01, 100.0])
def test_distance_within_the_city_stays(distance: float) -> None:
    assert compute(distance=distance)["trip_distance"] == distance


def test_detour_within_a_zone_is_finite() -> None:
    assert compute((NEW_YORK, NEW_YORK), distance=1.5)["detour"] == pytest.approx(15)


@pytest.mark.parametrize(
    ("pickup_at", "hour", "weekday"),
    [
        ("2024-01-01T00:00:00", 0, 0),  # a Monday
        ("2024-01-01T08:30:59.999999", 8.5, 0),
        ("2024-02-29T23:45:00", 23.75, 3),
        ("2023-12-31T12:00:00", 12, 6),
        ("1969-12-31T18:15:00", 18.25, 2),
    ],
)
def test_time_of_pickup_is_the_hour_with_its_fraction_and_the_day_from_monday(
    pickup_at: str, hour: float, weekday: float
) -> None:
    features = compute(pickup_at=pickup_at)
    assert (features["hour"], features["weekday"]) == (hour, weekday)


@pytest.mark.parametrize("zone", [NOWHERE, 0, 7, 999, -1])
def test_zone_without_a_position_has_no_geometry_but_keeps_the_rest(zone: int) -> None:
    features = compute((zone, EQUATOR))
    missing = {name for name, value in features.items() if np.isnan(value)}
    assert missing == {"straight_distance", "detour", "bearing", "pickup_longitude", "pickup_latitude"}
    assert (features["pickup_zone"], features["dropoff_latitude"], features["trip_distance"]) == (zone, 0, 2)


def test_rich_features_work_without_a_zones_table() -> None:
    features = compute((1, 2), positions=None)
    assert (features["pickup_zone"], features["dropoff_zone"], features["hour"]) == (1, 2, 8.5)
    assert np.isnan(features["straight_distance"])


def test_positions_are_looked_up_by_zone_in_degrees() -> None:
    features = compute((NEW_YORK, LOS_ANGELES))
    at = [features[f"{end}_{axis}"] for end in ("pickup", "dropoff") for axis in ("longitude", "latitude")]
    assert at == pytest.approx([-74.0060, 40.7128, -118.2437, 34.0522])


LARGEST_ZONE = 2**31 - 1
ZONE = st.integers(1, 12) | st.integers(10**6 - 2, 10**6 + 2) | st.integers(1, LARGEST_ZONE)


@given(st.sets(st.tuples(ZONE, ZONE)))
@example({(1, 11), (11, 1), (1, 111), (111, 1), (265, 264)})
@example({(1, 1_000_002), (2, 2), (LARGEST_ZONE, LARGEST_ZONE), (1, LARGEST_ZONE), (LARGEST_ZONE, 1)})
def test_reference_features_tell_every_pair_of_zones_apart_whatever_their_ids(pairs: set[tuple[int, int]]) -> None:
    trips = make_trips(["2024-01-01"] * len(pairs), list(pairs), [1.0] * len(pairs))
    columns = REFERENCE.compute(trips, {})
    assert len(set(columns["PU_DO"].tolist())) == len(pairs)
    assert set(columns) == {"PU_DO", "trip_distance"}


@pytest.mark.parametrize("name", PROBLEM.feature_sets)
def test_feature_set_computes_what_it_declares(name: str) -> None:
    assert set(find_feature_set(PROBLEM, name).names) == set(compute(name=name))


def test_declared_feature_sets_consider_every_input() -> None:
    assert (find_feature_set(PROBLEM, "rich"), find_feature_set(PROBLEM, "reference")) == (RICH, REFERENCE)


def test_positions_survive_being_kept_as_json() -> None:
    restored = thaw_references(PROBLEM, {"zones": POSITIONS.to_dict()})["zones"]
    assert np.array_equal(restored.longitude, POSITIONS.longitude, equal_nan=True)
    assert np.array_equal(restored.latitude, POSITIONS.latitude, equal_nan=True)
