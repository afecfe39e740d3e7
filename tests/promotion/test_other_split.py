"""A champion whose training set was split by another recipe, so that it may have learnt from any row."""

import pytest

from include.sets.examples import get_training_set, load_split
from include.settings import Settings
from include.tracking import model_logging, registry, runs
from include.tracking.lineage import Lineage
from tests.promotion.versions import judge_and_promote
from tests.published_sets import publish_set, train
from tests.registered import LASSO
from tests.warehouse_rows import query

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range"),
]


def train_and_register(url: str, settings: Settings, set_version: int, family: str = "sklearn") -> int:
    trained = train(url, set_version, LASSO, "default")
    tracker = runs.open_tracker(settings)
    lineage = Lineage(f"{family}_training/{set_version}", get_training_set(url, set_version), "default", "c0ffee", 42)
    run_id = runs.open_run(tracker, lineage, family, LASSO)
    rows = load_split(url, set_version, "validation").rows
    uri = model_logging.log_model(
        tracker, run_id, "sklearn", trained, metrics={"validation_rmse": 100.0}, tables={}, figures={},
        example={name: values[:2] for name, values in rows.items()},
    )  # fmt: skip
    tags = {**lineage.tags, "family": family, "model": LASSO, "run_id": run_id}
    return registry.register_model(tracker, settings.registered_model, run_id, uri, tags, "")


def test_the_next_model_is_judged_against_the_best_baseline_also_where_time_decides_from_now_on(
    warehouse_url: str, settings: Settings
) -> None:
    by_hash = settings.change(source="sample", sample_rows=1_500, minimum_rows=100, split="hash")
    first = publish_set(warehouse_url, by_hash, "first", months=["2024-01", "2024-02"])
    champion = train_and_register(warehouse_url, by_hash, first.version)
    assert judge_and_promote(warehouse_url, by_hash, champion) == "promoted"

    by_time = by_hash.change(split="time")
    second = publish_set(warehouse_url, by_time, "second", months=["2024-01", "2024-02"])
    challenger = train_and_register(warehouse_url, by_time, second.version)
    assert judge_and_promote(warehouse_url, by_time, challenger) == "promoted"
    [(rival, rows)] = query(
        warehouse_url, f"SELECT rival_version, rows FROM training.promotions WHERE version = {challenger}"
    )
    assert (rival, rows) == (None, second.counts["test"])


def test_the_next_model_is_judged_against_the_best_baseline(warehouse_url: str, settings: Settings) -> None:
    shared = {"mlflow_tracking_uri": settings.mlflow_tracking_uri, "registered_model": settings.registered_model}
    rents = Settings(problem="rents", sample_rows=1_500, minimum_rows=50, **shared)  # type: ignore[arg-type]
    first = publish_set(warehouse_url, rents, "first")
    champion = train_and_register(warehouse_url, rents, first.version)
    assert judge_and_promote(warehouse_url, rents, champion) == "promoted"

    changed = rents.change(random_state=7)
    second = publish_set(warehouse_url, changed, "second")
    challenger = train_and_register(warehouse_url, changed, second.version)
    assert judge_and_promote(warehouse_url, changed, challenger) == "promoted"
    [(baseline, rival, rows)] = query(
        warehouse_url, f"SELECT baseline, rival_version, rows FROM training.promotions WHERE version = {challenger}"
    )
    assert (baseline, rival, rows) == ("mean", None, second.counts["test"])
