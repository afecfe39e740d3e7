"""Small problems of two and of three classes, with models that were fitted and calibrated."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from include.models.artifact import Model
from include.models.fitting import encode, fit
from include.models.table import get_model
from include.problem.data import Columns, Split
from include.problem.declaration import Problem
from include.settings import Settings
from include.tracking import model_logging, registry
from include.tracking.registry import CHAMPION, RegisteredVersion
from include.tracking.runs import Tracker
from include.tracking.store import LoadedModel

LINEAR, BOOSTER, SOFTMAX = "linear_model.LogisticRegression", "gbtree.logistic", "gbtree.softprob"
FOREST = "ensemble.RandomForestClassifier"
CONTRACTS = ("monthly", "yearly")
CUSTOMER = {"tenure": 12, "contract": "monthly"}


def declare(*classes: str, **others: Any) -> Problem:
    return Problem(
        name="customers",
        title="What customers do",
        row=("customer", "customers"),
        model="customers",
        source="file:///data/customers.csv",
        task="classification",
        target="Outcome",
        classes=classes,
        columns={
            "tenure": {"source": "Tenure", "kind": "number", "required": True, "min": 0, "max": 600, "example": 12},
            "contract": {"source": "Contract", "kind": "category", "example": "monthly"},
        },
        **others,
    )


# A customer is taken for one who leaves from a probability of 0.2 on.
TWO = declare("Yes", "No", positive="Yes", cost_missed=4.0)
THREE = declare("basic", "plus", "pro")


def make_rows(problem: Problem, count: int, seed: int = 0) -> Split:
    """Customers whose class follows from tenure and contract, with noise."""
    draw = np.random.default_rng(seed)
    tenure, contract = draw.integers(0, 60, count).astype("float64"), draw.integers(0, 2, count)
    last = len(problem.labels) - 1
    given = last * (1 - tenure / 60) - 0.4 * contract + draw.normal(0, 0.3, count)
    columns = {"tenure": tenure, "contract": np.array(CONTRACTS, dtype=object)[contract]}
    return Split(columns, np.clip(np.round(given), 0, last))


def make_classifier(problem: Problem, model: str) -> Model:
    """A model type with its first parameters, fitted to seeded customers and calibrated on others."""
    train, validation = make_rows(problem, 600), make_rows(problem, 300, seed=1)
    data = encode(get_model(model), problem, "default", {}, train, validation)
    start = {**get_model(model).start, **({} if model in (LINEAR, FOREST) else {"min_child_weight": 1.0})}
    fitted = fit(get_model(model), start, data, random_state=1, threads=1)
    metadata = {"family": get_model(model).family, "model": model, "parameters": start, "lineage": {}}
    made = Model.of(data, fitted.estimator, metadata)
    outputs, across = made.outputs.calibrate(problem, validation.target, made.predict(validation.rows))
    return replace(made, outputs=outputs).bound(validation, across)


def load_classifier(problem: Problem, model: str, version: int = 1) -> LoadedModel:
    """A model as if it had been loaded from the registry."""
    registered = RegisteredVersion("customers", version, {}, datetime(2024, 3, 1, tzinfo=UTC))
    return LoadedModel(registered, {"validation_log_loss": 0.5}, make_classifier(problem, model))


def configure(problem: Problem, **others: Any) -> Settings:
    """Settings with the problem."""
    return Settings(**others).model_copy(update={"problem": problem})


def register_classifier(tracker: Tracker, name: str, problem: Problem, model: str) -> int:
    """Registers a model as the next version and the champion; its number."""
    made = make_classifier(problem, model)
    run_id = tracker.client.create_run(tracker.experiment_id).info.run_id
    example: Columns = make_rows(problem, 3).rows
    family = made.metadata["family"]
    options: dict[str, Any] = {"metrics": {}, "tables": {}, "figures": {}, "example": example}
    uri = model_logging.log_model(tracker, run_id, family, made, **options)
    version = int(registry.register_model(tracker, name, run_id, uri, {}, ""))
    tracker.client.set_registered_model_alias(name, CHAMPION, str(version))
    return version
