"""Models of classes, trained, registered, judged and built again."""

from collections.abc import Callable
from typing import Any

import mlflow
import pytest

from include.models.outputs.classes import Classes
from include.models.table import MODELS, type_of
from include.problem.data import Split
from include.promotion import decisions, judging
from include.sets.examples import load_split
from include.settings import Settings
from include.tracking import registry, runs
from include.training.final_model import train_model
from include.training.job import Job
from include.training.rebuild import rebuild
from include.training.steps import register_best, tune_model
from include.tuning.search import Limits
from tests.published_sets import publish_set

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range"),
]
TABLES = {"classes", "roc", "pr", "calibration", "confusion", "scores", "slices"}
Train = Callable[..., tuple[int, Any]]
LIMITS = Limits(1, 600, 25)
PUBLISHED: dict[str, int] = {}


@pytest.fixture
def churn(settings: Settings) -> Settings:
    shared = {"mlflow_tracking_uri": settings.mlflow_tracking_uri, "registered_model": settings.registered_model}
    return Settings(problem="churn", sample_rows=2_000, minimum_rows=100, keep_versions=10, **shared)  # type: ignore[arg-type]


@pytest.fixture
def train(module_warehouse_url: str, request: pytest.FixtureRequest) -> Train:
    """Trains a model type on the set that the settings describe, which is published once, and registers it."""

    def train_and_register(settings: Settings, name: str) -> tuple[int, Any]:
        url, family = module_warehouse_url, MODELS[type_of(name)].family
        declared = str(settings.problem)
        if declared not in PUBLISHED:
            PUBLISHED[declared] = publish_set(url, settings, f"run {len(PUBLISHED)}").version
        version = PUBLISHED[declared]
        job = Job(f"{family}_training/{request.node.name}/{version}", family, version, "default", LIMITS, 42)
        trained = train_model(url, settings, job, tune_model(url, settings, job, name))
        return register_best(url, settings, job, [trained])["version"], trained

    return train_and_register


def load(settings: Settings, version: int, *, twin: bool = False) -> Any:
    tracker = runs.open_tracker(settings)
    found = registry.get_version(tracker, settings.registered_model, version)
    return (registry.load_twin if twin else registry.load_model)(tracker, found)


def load_rows(url: str, settings: Settings, version: int, split: str) -> Split:
    """A split of the set that a version was trained on."""
    found = registry.get_version(runs.open_tracker(settings), settings.registered_model, version)
    return load_split(url, found.training_set or 0, split)


@pytest.mark.parametrize("class_weights", [{}, "balanced", {"yes": 10}], ids=["none", "balanced", "by_class"])
def test_probabilities_are_calibrated_where_they_neither_train_nor_judge(
    module_warehouse_url: str, churn: Settings, train: Train, class_weights: object
) -> None:
    version, trained = train(churn.change(class_weights=class_weights), "gbtree.logistic")
    model, twin = load(churn, version), load(churn, version, twin=True)
    test = load_rows(module_warehouse_url, churn, version, "test")
    measured = model.problem.objective.measure(test.target, twin.predict(test.rows))
    assert measured == pytest.approx({key: trained["metrics"][f"test_{key}"] for key in measured})
    for outputs in (model.outputs, twin.outputs):
        assert isinstance(outputs, Classes)
        assert outputs.threshold == pytest.approx(1 / 6), "by the costs of the problem"
    assert model.outputs.label_sets is not None
    inside = model.outputs.cover(test.target, twin.predict(test.rows), test.rows, 0.9)
    assert inside is not None
    assert inside.mean() >= 0.9 - 1 / len(test)
    artifacts = mlflow.MlflowClient(churn.mlflow_tracking_uri).list_artifacts(trained["run_id"])
    assert {f"{name}.json" for name in TABLES} <= {artifact.path for artifact in artifacts}


def test_without_a_test_split_the_training_rows_calibrate(
    module_warehouse_url: str, churn: Settings, train: Train
) -> None:
    version, trained = train(churn.change(test_share=0, class_weights="balanced"), "gbdt.binary")
    model = load(churn, version, twin=True)
    # Weights alone would give every second customer a probability of leaving above a half.
    assert model.outputs.weights.max() > 2 * model.outputs.weights.min()
    validation = load_rows(module_warehouse_url, churn, version, "validation")
    measured = model.problem.objective.measure(validation.target, model.predict(validation.rows))
    assert trained["metrics"] == pytest.approx({f"validation_{key}": value for key, value in measured.items()})
    assert trained["metrics"]["validation_log_loss"] < 0.45
    assert not any(name.startswith("test_") for name in trained["metrics"])


@pytest.mark.parametrize(
    "name", ["linear_model.LogisticRegression", "ensemble.GradientBoostingClassifier", "gbtree.logistic", "gbdt.binary"]
)
def test_version_is_built_again_byte_by_byte(
    module_warehouse_url: str, churn: Settings, train: Train, name: str
) -> None:
    version, _ = train(churn, name)
    found = rebuild(module_warehouse_url, churn, version)
    assert (found.files, found.changes) == ((), ())
    assert found.is_identical


def test_first_model_beats_the_shares_and_the_card_speaks_of_classes(
    module_warehouse_url: str, churn: Settings, train: Train
) -> None:
    version, trained = train(churn, "linear_model.LogisticRegression")
    run = "model_promotion/manual__1"
    assert judging.judge(module_warehouse_url, churn, version, run).state == "waiting"
    promoted = judging.promote(module_warehouse_url, churn, [version], run)
    assert promoted
    assert promoted.reason.startswith("log loss ")
    uri = f"runs:/{trained['run_id']}/{judging.CARD}"
    card = mlflow.artifacts.load_text(uri)
    assert "class shares" in card
    assert "RMSE" not in card


def test_champion_of_other_classes_is_no_rival(module_warehouse_url: str, churn: Settings, train: Train) -> None:
    first, _ = train(churn, "linear_model.LogisticRegression")
    run = "model_promotion/manual__1"
    judging.judge(module_warehouse_url, churn, first, run)
    assert judging.promote(module_warehouse_url, churn, [first], run)
    # What was a number of one class is that of another now.
    second, _ = train(churn.change(positive="no"), "linear_model.LogisticRegression")
    judged = judging.judge(module_warehouse_url, churn, second, run)
    assert (judged.state, judged.rival_version, judged.baseline) == ("waiting", None, "class shares")
    assert decisions.find_judgement(module_warehouse_url, churn.registered_model, second) == judged
