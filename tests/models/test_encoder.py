import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from include.errors import SettingsError
from include.models import encoder as encoders
from include.models.encoder import Encoder, Encoding
from include.problem.data import Columns
from include.problems.taxi.features import Positions
from tests.bikes import BIKES
from tests.bikes import make_split as make_bikes
from tests.splits import POSITIONS, PROBLEM, make_split, make_trips, take

MONDAY = "2024-01-01T08:30"
SUNDAY = "2024-01-07T17:00"
TRAIN = make_trips([MONDAY, SUNDAY, MONDAY], [(1, 2), (3, 2), (1, 5)], [1.0, 2.0, 6.0])
BOTH_ENCODINGS = pytest.mark.parametrize("encoding", ["one_hot", "native"])
BOTH_SETS = pytest.mark.parametrize("feature_set", PROBLEM.feature_sets)


def make_encoder(feature_set: str, encoding: Encoding, positions: Positions | None = None) -> Encoder:
    """An encoder of trips; without positions there is no zones table."""
    return Encoder(PROBLEM, feature_set, encoding, {"zones": positions} if positions else {})


def dense(matrix: np.ndarray | sparse.csr_matrix) -> np.ndarray:
    return matrix.toarray() if sparse.issparse(matrix) else matrix


def encode_one(encoder: Encoder, zones: tuple[int, int], pickup_at: str = MONDAY, distance: float = 2) -> dict:
    """One trip, by the name of each column."""
    row = dense(encoder.transform(make_trips([pickup_at], [zones], [distance])))[0]
    return dict(zip(encoder.feature_names, row.tolist(), strict=True))


def test_reference_one_hot_has_a_column_a_pair_and_the_distance_as_it_is() -> None:
    encoder = make_encoder("reference", "one_hot").fit(TRAIN)
    pairs = [f"PU_DO={pickup * 2**32 + dropoff}" for pickup, dropoff in ((1, 2), (1, 5), (3, 2))]
    assert encoder.feature_names == [*pairs, "trip_distance"]
    assert dense(encoder.transform(TRAIN)).tolist() == [[1, 0, 0, 1], [0, 0, 1, 2], [0, 1, 0, 6]]


def test_one_hot_makes_categories_of_hours_and_weekdays() -> None:
    encoder = make_encoder("rich", "one_hot").fit(TRAIN)
    assert [name for name in encoder.feature_names if name.startswith(("hour", "weekday"))] == [
        "hour=8",
        "hour=17",
        "weekday=0",
        "weekday=6",
    ]
    encoded = encode_one(encoder, (1, 2), "2024-01-08T08:59")
    assert (encoded["hour=8"], encoded["hour=17"], encoded["weekday=0"], encoded["weekday=6"]) == (1, 0, 1, 0)


def test_one_hot_matrix_has_32_bit_indices_which_linear_models_need() -> None:
    matrix = make_encoder("rich", "one_hot", POSITIONS).fit(TRAIN).transform(TRAIN)
    assert (matrix.indices.dtype, matrix.indptr.dtype) == (np.int32, np.int32)


def test_one_hot_matrix_that_its_indices_cannot_count_is_refused_before_it_is_made() -> None:
    assert encoders._start_rows(3, 2).tolist() == [0, 2, 4, 6]
    with pytest.raises(SettingsError, match=r"2,147,483,648 rows with 1 columns .* IN_MEMORY_ROWS to 2147483647 or"):
        encoders._start_rows(2**31, 1)
    with pytest.raises(
        SettingsError, match=r"50,000,000 rows with 50 columns .* set IN_MEMORY_ROWS to 42949672 or less"
    ):
        encoders._start_rows(50_000_000, 50)


def test_native_codes_are_positions_among_the_known_categories() -> None:
    encoder = make_encoder("rich", "native").fit(TRAIN)
    assert [encode_one(encoder, (zone, 2))["pickup_zone"] for zone in (1, 3)] == [0, 1]
    assert [encode_one(encoder, (1, zone))["dropoff_zone"] for zone in (2, 5)] == [0, 1]


def test_native_keeps_numbers_as_they_are() -> None:
    encoded = encode_one(make_encoder("rich", "native", POSITIONS).fit(TRAIN), (1, 2), SUNDAY, distance=2.5)
    assert (encoded["trip_distance"], encoded["hour"], encoded["weekday"]) == (2.5, 17, 6)


def test_native_tells_xgboost_which_columns_are_categories() -> None:
    encoder = make_encoder("rich", "native", POSITIONS).fit(TRAIN)
    types = dict(zip(encoder.feature_names, encoder.feature_types, strict=True))
    assert {name for name, kind in types.items() if kind == "c"} == {"pickup_zone", "dropoff_zone"}
    assert set(make_encoder("rich", "one_hot", POSITIONS).fit(TRAIN).feature_types) == {"q"}


@pytest.mark.parametrize("zone", [0, 2, 4, 999, -1])
def test_unseen_category_is_missing_when_native(zone: int) -> None:
    assert np.isnan(encode_one(make_encoder("rich", "native").fit(TRAIN), (zone, 2))["pickup_zone"])


@pytest.mark.parametrize("zone", [0, 2, 4, 999, -1])
def test_unseen_category_is_all_zeros_when_one_hot(zone: int) -> None:
    encoder = make_encoder("rich", "one_hot").fit(TRAIN)
    encoded = encode_one(encoder, (zone, 2))
    assert {value for name, value in encoded.items() if name.startswith("pickup_zone=")} == {0}
    # Nothing of it is stored either.
    matrix = encoder.transform(make_trips([MONDAY], [(zone, 2)], [2.0]))
    assert np.all(matrix.data != 0)


def test_unseen_hour_is_all_zeros_when_one_hot() -> None:
    encoded = encode_one(make_encoder("rich", "one_hot").fit(TRAIN), (1, 2), "2024-01-01T03:00")
    assert (encoded["hour=8"], encoded["hour=17"]) == (0, 0)


@BOTH_ENCODINGS
def test_features_without_a_value_are_left_out(encoding: Encoding) -> None:
    names = make_encoder("rich", encoding).fit(TRAIN).feature_names
    assert not {"straight_distance", "detour", "bearing", "pickup_longitude"} & set(names)
    assert "trip_distance" in names


def test_zone_without_a_position_is_missing_when_native() -> None:
    encoded = encode_one(make_encoder("rich", "native", POSITIONS).fit(TRAIN), (6, 2))
    assert np.isnan([encoded["straight_distance"], encoded["bearing"], encoded["pickup_latitude"]]).all()
    assert encoded["dropoff_longitude"] == pytest.approx(-73.98)


def test_zone_without_a_position_is_like_the_median_when_one_hot() -> None:
    encoder = make_encoder("rich", "one_hot", POSITIONS).fit(TRAIN)
    encoded = encode_one(encoder, (6, 2))
    assert np.isfinite(list(encoded.values())).all()
    # The median straight line of the training trips is that of (1, 2).
    assert encoded["straight_distance"] == pytest.approx(encode_one(encoder, (1, 2))["straight_distance"])


def test_scaled_columns_have_mean_0_and_deviation_1_on_the_training_split() -> None:
    split = make_split(2_000)
    encoder = make_encoder("rich", "one_hot", POSITIONS).fit(split.rows)
    values = dense(encoder.transform(split.rows))[:, encoder.feature_names.index("trip_distance")]
    assert (values.mean(), values.std()) == (pytest.approx(0, abs=1e-9), pytest.approx(1))


def test_outlier_counts_as_the_highest_value_seen() -> None:
    encoder = make_encoder("rich", "one_hot", POSITIONS).fit(make_split(2_000).rows)
    far, farthest = (encode_one(encoder, (1, 2), distance=miles)["trip_distance"] for miles in (50, 99))
    assert far == farthest < 3


@pytest.mark.parametrize("row", [{"holiday": 1.0}, {"temperature": 3.0}], ids=str)
def test_column_with_nearly_one_value_keeps_its_rare_ones(row: dict[str, float]) -> None:
    rows = take(make_bikes(1).rows, [0] * 1_000)
    train = {**rows, "holiday": np.zeros(1_000), "temperature": np.zeros(1_000)}
    for name, value in row.items():
        train[name][:4] = value
    encoder = Encoder(BIKES, "default", "one_hot").fit(train)
    [name] = row
    values = dense(encoder.transform(train))[:, encoder.feature_names.index(name)]
    assert (values.mean(), values.std()) == (pytest.approx(0, abs=1e-9), pytest.approx(1))
    assert values[:4].min() > 10 > 0 > values[4:].max()


def test_constant_column_is_0_rather_than_divided_by_0() -> None:
    trips = make_trips([MONDAY] * 3, [(1, 2)] * 3, [1.5] * 3)
    encoder = make_encoder("rich", "one_hot", POSITIONS).fit(trips)
    assert encode_one(encoder, (1, 2), distance=1.5)["trip_distance"] == 0


@BOTH_ENCODINGS
@BOTH_SETS
def test_no_trips_give_a_matrix_without_rows(feature_set: str, encoding: Encoding) -> None:
    encoder = make_encoder(feature_set, encoding, POSITIONS).fit(TRAIN)
    assert encoder.transform(make_trips([], [], [])).shape == (0, len(encoder.feature_names))


@BOTH_ENCODINGS
@BOTH_SETS
def test_trip_alone_is_encoded_as_within_a_batch(feature_set: str, encoding: Encoding) -> None:
    train, others = make_split(300), make_split(50, seed=1)
    encoder = make_encoder(feature_set, encoding, POSITIONS).fit(train.rows)
    batch = dense(encoder.transform(others.rows))
    alone = [dense(encoder.transform(take(others.rows, slice(row, row + 1))))[0] for row in range(50)]
    assert np.array_equal(np.array(alone), batch, equal_nan=True)


@BOTH_ENCODINGS
@BOTH_SETS
@pytest.mark.parametrize("at_once", [1, 7, 299, 300])
def test_many_rows_are_encoded_piece_by_piece_as_all_at_once(
    feature_set: str, encoding: Encoding, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = make_split(300).rows
    whole = make_encoder(feature_set, encoding, POSITIONS).fit(rows)
    monkeypatch.setattr("include.problem.data.ROWS_AT_ONCE", at_once)
    pieces = make_encoder(feature_set, encoding, POSITIONS).fit(rows)
    assert pieces.to_dict() == whole.to_dict()
    matrix = dense(pieces.transform(rows))
    monkeypatch.undo()
    assert np.array_equal(matrix, dense(whole.transform(rows)), equal_nan=True)


def test_fitting_looks_at_the_training_split_only() -> None:
    encoder = make_encoder("rich", "native", POSITIONS).fit(TRAIN)
    before = json.dumps(encoder.to_dict())
    encoder.transform(make_split(100).rows)
    assert json.dumps(encoder.to_dict()) == before


@st.composite
def draw_trips(draw: st.DrawFn) -> Columns:
    """Trips of any kind that could come in: odd zones, times and distances."""
    rows = draw(st.integers(1, 8))
    numbers = {
        "pickup_zone": st.integers(-1, 300),
        "dropoff_zone": st.integers(-1, 300),
        "trip_distance": st.floats(0, 1e6, allow_nan=False),
    }
    columns = {
        name: np.array(draw(st.lists(values, min_size=rows, max_size=rows)), dtype=PROBLEM.dtypes[name])
        for name, values in numbers.items()
    }
    moments = draw(st.lists(st.integers(0, 2**51), min_size=rows, max_size=rows))
    return {**columns, "pickup_at": np.array(moments, dtype="datetime64[us]")}


@st.composite
def draw_positions(draw: st.DrawFn) -> Positions:
    degrees = st.one_of(st.just(np.nan), st.floats(-89, 89))
    rows = draw(st.integers(0, 5))
    columns = [draw(st.lists(degrees, min_size=rows, max_size=rows)) for _ in range(2)]
    return Positions.from_zones(range(rows), *columns)


@given(
    feature_set=st.sampled_from(sorted(PROBLEM.feature_sets)),
    encoding=st.sampled_from(["one_hot", "native"]),
    positions=draw_positions(),
    train=draw_trips(),
    trips=draw_trips(),
)
@settings(deadline=None, max_examples=60)
def test_encoder_restored_from_json_encodes_identically(
    feature_set: str, encoding: Encoding, positions: Positions, train: Columns, trips: Columns
) -> None:
    encoder = make_encoder(feature_set, encoding, positions).fit(train)
    restored = Encoder.from_dict(PROBLEM, json.loads(json.dumps(encoder.to_dict(), allow_nan=False)))
    assert restored.feature_names == encoder.feature_names
    assert restored.feature_types == encoder.feature_types
    assert np.array_equal(dense(restored.transform(trips)), dense(encoder.transform(trips)), equal_nan=True)
    assert restored.to_dict() == encoder.to_dict()
