import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from include.problems.taxi import sample as generator
from include.problems.taxi.sample import BLOCK_ROWS, SCHEMA, UNPLACED_ZONES, ZONE_COUNT, place_zones
from include.raw import ingest_month, validate_months
from include.settings import read_settings
from include.sources import open_batches, probe


def generate(seed: int, rows: int, month: str = "2024-01") -> pa.Table:
    return pa.Table.from_batches(generator.generate(seed, rows, month), SCHEMA)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 2_000), st.dates().map(lambda day: f"{max(day.year, 1900)}-{day:%m}"))
def test_same_seed_and_month_give_the_same_trips_of_that_month(seed: int, rows: int, month: str) -> None:
    trips = generate(seed, rows, month)
    assert trips.num_rows == rows
    assert trips.equals(generate(seed, rows, month))
    assert {f"{time:%Y-%m}".zfill(7) for time in trips["lpep_pickup_datetime"].to_pylist()} == {month}
    zones = trips["PULocationID"].to_numpy()
    assert zones.min() >= 1 and zones.max() <= ZONE_COUNT


def test_other_seeds_and_months_give_other_trips() -> None:
    distances = [generate(*recipe)["trip_distance"] for recipe in [(1, 100), (2, 100), (1, 100, "2024-02")]]
    assert not distances[0].equals(distances[1])
    assert not distances[0].equals(distances[2])


def test_any_number_of_rows_comes_in_blocks() -> None:
    sizes = [batch.num_rows for batch in generator.generate(7, BLOCK_ROWS + 10, "2024-01")]
    assert sizes == [BLOCK_ROWS, 10]


def test_zones_have_positions_but_for_the_unknown_ones() -> None:
    boroughs, positions = place_zones(7)
    assert len(boroughs) == len(positions) == ZONE_COUNT
    assert np.isnan(positions).any(axis=1).sum() == UNPLACED_ZONES


def test_durations_follow_distance_and_hour_well_beyond_the_mean() -> None:
    frame = generate(7, 20_000).to_pandas().dropna(subset=["DOLocationID"])
    minutes = (frame["lpep_dropoff_datetime"] - frame["lpep_pickup_datetime"]).dt.total_seconds() / 60
    usable = minutes.between(1, 60) & frame["trip_distance"].between(0, 100)
    assert usable.mean() > 0.9
    frame, minutes = frame[usable], minutes[usable]
    hours = pd.get_dummies(frame["lpep_pickup_datetime"].dt.hour).mul(frame["trip_distance"], axis=0)
    inputs = np.column_stack([np.ones(len(frame)), hours])
    residuals = minutes - inputs @ np.linalg.lstsq(inputs, minutes, rcond=None)[0]
    assert residuals.std() < 0.5 * minutes.std()


def test_source_is_named_synthetic_and_its_hash_follows_from_seed_rows_and_month() -> None:
    sample = read_settings(source="sample", sample_rows=50)
    found = probe(sample, "2024-01")
    assert "synthetic" in found.location
    with open_batches(sample, "2024-01") as contents:
        assert contents.sha256 == found.sha256
        assert sum(batch.num_rows for batch in contents.read(["trip_distance"])) == 50
    others = [sample.model_copy(update={"sample_seed": 8}), sample.model_copy(update={"sample_rows": 51})]
    hashes = {found.sha256, probe(sample, "2024-02").sha256, *(probe(other, "2024-01").sha256 for other in others)}
    assert len(hashes) == 4


def test_some_rows_of_the_sample_are_refused_but_far_from_too_many(warehouse_url: str) -> None:
    sample = read_settings(source="sample", sample_rows=20_000)
    ingest_month(warehouse_url, sample, "2024-01")
    (validation,) = validate_months(warehouse_url, sample, ["2024-01"])
    assert set(validation.rejected) == {
        "dropoff_at: not after pickup_at",
        "dropoff_zone: missing",
        "trip_distance: outside the allowed range",
    }
    assert sum(validation.rejected.values()) < 0.02 * validation.rows
