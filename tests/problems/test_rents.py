"""The flats that are made up: the same for the same seed, learnable down to their noise, and a table of any kind."""

import numpy as np
import pyarrow as pa
import pytest

from include.problem.objectives.regression import measure
from include.problem.problem_file import read_problem
from include.problems.rents import sample
from include.problems.rents.sample import BLOCK_ROWS, MISSING, NOISE, SCHEMA
from include.sets.examples import load_split
from include.settings import Settings
from tests.published_sets import publish_set, train


def generate(seed: int, rows: int, part: str = "all") -> pa.Table:
    return pa.Table.from_batches(sample.generate(seed, rows, part), SCHEMA)


def test_same_seed_gives_the_same_flats_and_another_seed_or_part_others() -> None:
    flats = generate(1, 500)
    assert flats.equals(generate(1, 500))
    for other in (generate(2, 500), generate(1, 500, "2024-01")):
        assert not flats["rent"].equals(other["rent"])
    assert [batch.num_rows for batch in sample.generate(7, BLOCK_ROWS + 10, "all")] == [BLOCK_ROWS, 10]


def test_every_flat_has_a_listing_of_its_own_and_values_are_missing_as_said() -> None:
    flats = generate(3, 20_000).to_pandas()
    assert flats["listing"].is_unique
    shares = flats.isna().mean()
    assert {name: share for name, share in shares.items() if share} == pytest.approx(MISSING, abs=0.01)


def test_the_declaration_names_columns_that_the_sample_has() -> None:
    problem = read_problem("rents")
    assert set(problem.read_columns.values()) == set(SCHEMA.names)
    assert {column.kind for column in problem.columns.values()} == {"number", "category", "flag", "id"}
    assert "days_online" not in problem.dtypes, "it is not known yet when a rent is predicted"


@pytest.mark.parametrize("model", ["gbtree.squarederror", "linear_model.LinearRegression"])
def test_models_come_near_to_the_noise_and_far_below_the_mean(warehouse_url: str, model: str) -> None:
    settings = Settings(problem="rents", sample_rows=6_000, minimum_rows=100)  # type: ignore[arg-type]
    published = publish_set(warehouse_url, settings)
    assert published.months == ("all",)
    made = train(warehouse_url, published.version, model, "default")
    test = load_split(warehouse_url, published.version, "test")
    error = measure(test.target, made.predict(test.rows))["rmse"]
    assert NOISE < error < 0.4 * float(np.std(test.target))
