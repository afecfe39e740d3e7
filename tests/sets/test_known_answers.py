"""What is known of the real months 2024-01 and 2024-02, through every step on a real Postgres."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.models.encoder import Encoder
from include.models.fitting import encode, fit
from include.models.libraries.protocol import EncodedData
from include.models.table import MODELS
from include.problem.data import Columns, Split
from include.sets.examples import load_references, load_split
from include.sets.left_out import sum_by_rule
from include.sets.publish import Published
from include.settings import Settings
from tests.published_sets import publish_set
from tests.splits import NUMBER_TYPES, PROBLEM
from tests.warehouse_rows import query

MONTHS = ["2024-01", "2024-02"]
LINEAR, BOOSTED = "linear_model.LinearRegression", "gbtree.squarederror"


@pytest.fixture(scope="module")
def published(module_warehouse_url: str, trip_data: Path) -> Published:
    settings = Settings(
        source=f"{trip_data}/green_tripdata_{{month}}.parquet",
        zones_source=str(trip_data / "zones.csv"),
    )
    return publish_set(module_warehouse_url, settings, months=MONTHS, validation_from="2024-02-01")


@pytest.fixture(scope="module")
def splits(module_warehouse_url: str, published: Published) -> dict[str, Split]:
    return {name: load_split(module_warehouse_url, published.version, name) for name in ("train", "validation")}


def join(first: Columns, second: Columns) -> Columns:
    return {name: np.concatenate([first[name], second[name]]) for name in first}


def test_every_row_of_the_source_is_an_example_or_is_counted_by_rule(
    module_warehouse_url: str, published: Published
) -> None:
    [(loaded,)] = query(module_warehouse_url, "SELECT sum(rows)::int FROM raw.sources")
    [(left_out,)] = query(module_warehouse_url, "SELECT left_out FROM training.sets")
    by_rule = sum_by_rule(left_out)
    assert by_rule == {
        "target: below TARGET_MIN": 2_997,
        "target: above TARGET_MAX": 1_137,
        "dropoff_at: not after pickup_at": 124,
    }
    counts = published.counts
    assert loaded == 110_128 == counts["train"] + counts["validation"] + sum(by_rule.values())
    assert (counts["rejected"], counts["filtered"]) == (124, 2_997 + 1_137)


def test_training_set_has_the_known_size(published: Published) -> None:
    counts = published.counts
    assert (counts["train"], counts["validation"], counts["test"]) == (54_378, 51_492, 0)


def test_reference_features_have_the_known_number(splits: dict[str, Split]) -> None:
    train, validation = splits["train"].rows, splits["validation"].rows
    assert len(Encoder(PROBLEM, "reference", "one_hot").fit(train).feature_names) == 5_094
    assert len(Encoder(PROBLEM, "reference", "one_hot").fit(join(train, validation)).feature_names) == 7_027


def fit_start(model: str, data: EncodedData, **parameters: Any) -> float:
    return fit(MODELS[model], MODELS[model].start | parameters, data, random_state=42).metrics["rmse"]


def test_linear_regression_on_reference_features_has_the_known_error(splits: dict[str, Split]) -> None:
    data = encode(MODELS[LINEAR], PROBLEM, "reference", {}, splits["train"], splits["validation"])
    assert data.train.shape == (54_378, 5_094)
    assert fit_start(LINEAR, data) == pytest.approx(5.995, abs=0.001)


@pytest.mark.slow
def test_booster_on_rich_features_is_as_good_as_by_hand(
    module_warehouse_url: str, published: Published, splits: dict[str, Split]
) -> None:
    references = load_references(module_warehouse_url, published.version)
    data = encode(MODELS[BOOSTED], PROBLEM, "rich", references, splits["train"], splits["validation"])
    assert fit_start(BOOSTED, data) <= 4.05


@pytest.mark.slow
def test_booster_without_positions_is_as_good_as_by_hand(splits: dict[str, Split]) -> None:
    data = encode(MODELS[BOOSTED], PROBLEM, "rich", {}, splits["train"], splits["validation"])
    assert fit_start(BOOSTED, data) <= 4.6


@pytest.mark.slow
@pytest.mark.parametrize("model", [name for name in NUMBER_TYPES if MODELS[name].family == "sklearn"])
def test_every_sklearn_model_trains_on_reference_features(splits: dict[str, Split], model: str) -> None:
    data = encode(MODELS[model], PROBLEM, "reference", {}, splits["train"], splits["validation"])
    assert fit_start(model, data) < splits["validation"].target.std()
