"""The customers that are made up: the same for the same seed, learnable down to chance, and a table of classes."""

import numpy as np
import pyarrow as pa
import pytest

from include.problem.problem_file import read_problem
from include.problems.churn import sample
from include.problems.churn.sample import BLOCK_ROWS, MISSING, SCHEMA, find_least_loss
from include.sets.baselines import list_baselines
from include.sets.examples import load_split
from include.settings import Settings
from tests.published_sets import publish_set, train

ROWS = 6_000


def generate(seed: int, rows: int, part: str = "all") -> pa.Table:
    return pa.Table.from_batches(sample.generate(seed, rows, part), SCHEMA)


def test_same_seed_gives_the_same_customers_and_another_seed_or_part_others() -> None:
    customers = generate(1, 500)
    assert customers.equals(generate(1, 500))
    for other in (generate(2, 500), generate(1, 500, "2024-01")):
        assert not customers["left"].equals(other["left"])
    assert [batch.num_rows for batch in sample.generate(7, BLOCK_ROWS + 10, "all")] == [BLOCK_ROWS, 10]


def test_values_are_missing_as_said_and_a_fifth_leaves() -> None:
    customers = generate(3, 20_000).to_pandas()
    assert customers["customer"].is_unique
    shares = customers.isna().mean()
    assert {name: share for name, share in shares.items() if share} == pytest.approx(MISSING, abs=0.01)
    assert (customers["left"] == "yes").mean() == pytest.approx(0.21, abs=0.02)


def test_the_declaration_names_columns_that_the_sample_has() -> None:
    problem = read_problem("churn")
    assert set(problem.read_columns.values()) == set(SCHEMA.names)
    assert problem.labels == ("no", "yes")
    assert "reason" not in problem.dtypes, "it is asked for once somebody has left"


@pytest.mark.parametrize("model", ["gbtree.logistic", "gbdt.binary", "linear_model.LogisticRegression"])
def test_models_come_near_to_chance_and_far_below_the_shares_of_the_classes(warehouse_url: str, model: str) -> None:
    settings = Settings(problem="churn", sample_rows=ROWS, minimum_rows=100)  # type: ignore[arg-type]
    published = publish_set(warehouse_url, settings)
    made = train(warehouse_url, published.version, model, "default")
    test = load_split(warehouse_url, published.version, "test")
    measured = made.problem.objective.measure(test.target, made.predict(test.rows))
    least = find_least_loss(settings.random_state, ROWS, "all")
    assert least - 0.03 < measured["log_loss"] < least + 0.06
    assert measured["roc_auc"] > 0.75
    [baseline] = list_baselines(warehouse_url, published.version)
    shares = np.bincount(test.target.astype(int)) / len(test)
    assert baseline.name == "class shares"
    assert baseline.value == pytest.approx(shares, abs=0.04)
    expected = made.problem.objective.measure(test.target, np.tile(baseline.value, (len(test), 1)))
    assert baseline.errors["test"] == pytest.approx({name: expected[name] for name in ("log_loss", "brier")})
    assert measured["log_loss"] < 0.85 * expected["log_loss"]
