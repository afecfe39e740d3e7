"""Two problems of classes, rows of them whose probabilities are known, and models that are really fitted to those."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import mlflow
import numpy as np
import numpy.typing as npt
import pandas as pd

from include.models.artifact import Model
from include.models.fitting import encode, fit
from include.models.table import get_model
from include.problem.data import Columns, Split
from include.problem.declaration import Problem
from include.tracking import model_logging, registry
from include.tracking.registry import CHAMPION, RegisteredVersion
from include.tracking.runs import Tracker
from include.tracking.store import LoadedModel

LINEAR, FOREST = "linear_model.LogisticRegression", "ensemble.RandomForestClassifier"
LOGISTIC, SOFTPROB = "gbtree.logistic", "gbtree.softprob"
BINARY, MULTICLASS = "gbdt.binary", "gbdt.multiclass"
COLUMNS: dict[str, dict[str, Any]] = {
    "tenure": {
        "source": "Tenure", "kind": "number", "unit": "months", "required": True, "min": 0, "max": 600, "example": 12,
    },
    "contract": {"source": "Contract", "kind": "category", "example": "monthly"},
}  # fmt: skip
CUSTOMER = {"tenure": 12, "contract": "monthly"}
# How much a contract draws towards the last class.
PULLS = {"monthly": 1.0, "open": 0.0, "yearly": -1.0}


def declare(*classes: str, **others: Any) -> Problem:
    """A problem of what customers do."""
    declared = {
        "name": "customers",
        "row": ("customer", "customers"),
        "source": "file:///data/customers.csv",
        "target": "Outcome",
        "task": "classification",
        "columns": COLUMNS,
    }
    return Problem(**{**declared, "classes": classes, **others})


# The source names the positive class first; by number it is the second. A customer is taken for one who leaves from a
# probability of 0.25 on.
LEAVING = declare("Yes", "No", name="leaving", title="Who leaves", target="Left", positive="Yes", cost_missed=3.0)
TIERS = declare("basic", "plus", "premium", name="tiers", title="Tier", target="Tier")


def find_probabilities(problem: Problem, rows: Columns) -> npt.NDArray[np.float64]:
    """The true probability of each class by row, (n, classes): the newer a customer, the later the class."""
    lean = (30 - rows["tenure"]) / 10 + np.array([PULLS[contract] for contract in rows["contract"]])
    places = np.arange(len(problem.labels)) - (len(problem.labels) - 1) / 2
    odds = np.exp(np.outer(lean, places) - places**2)
    return odds / odds.sum(axis=1, keepdims=True)


def make_split(problem: Problem, rows: int, seed: int = 0) -> Split:
    """Seeded customers, whose class is drawn by its probability."""
    draw = np.random.default_rng(seed)
    columns: Columns = {
        "tenure": draw.uniform(0, 60, rows), "contract": draw.choice(list(PULLS), rows).astype(object)
    }  # fmt: skip
    reached = find_probabilities(problem, columns).cumsum(axis=1)[:, :-1]
    return Split(columns, (draw.random(rows)[:, None] > reached).sum(axis=1).astype("float64"))


def make_customers(problem: Problem, rows: int, seed: int = 0) -> pd.DataFrame:
    """The same as a source has them, with its names and the class in words."""
    split = make_split(problem, rows, seed)
    columns = {problem.columns[name].source: values for name, values in split.rows.items()}
    return pd.DataFrame({**columns, problem.target: np.array(problem.labels, dtype=object)[split.target.astype(int)]})


def fit_model(problem: Problem, name: str, *, is_calibrated: bool = True) -> Model:
    """A model type with its first parameters, fitted to customers and calibrated on others; fitted once."""
    return _fit(json.dumps(problem.to_dict()), name, is_calibrated)


@cache
def _fit(declaration: str, name: str, is_calibrated: bool) -> Model:
    problem, model_type = Problem.from_dict(json.loads(declaration)), get_model(name)
    train, others = make_split(problem, 600), make_split(problem, 300, seed=1)
    data = encode(model_type, problem, "default", {}, train, others)
    fitted = fit(model_type, model_type.start, data, random_state=1, threads=1)
    metadata: dict[str, Any] = {
        "family": model_type.family, "model": name, "parameters": dict(model_type.start),
        "lineage": {"training_set_version": "1", "git_commit": "c0ffee"},
    }  # fmt: skip
    if hasattr(fitted.estimator, "coef_"):
        metadata["means"] = np.asarray(data.train.mean(axis=0)).ravel().tolist()
    model = Model.of(data, fitted.estimator, metadata)
    if not is_calibrated:
        return model
    outputs, across = model.outputs.calibrate(problem, others.target, model.predict(others.rows))
    return replace(model, outputs=outputs).bound(others, across)


def load_model(problem: Problem, name: str) -> LoadedModel:
    """The same as if it had been loaded from the registry."""
    registered = RegisteredVersion(problem.name, 1, {}, datetime(2024, 3, 1, tzinfo=UTC))
    return LoadedModel(registered, {"validation_log_loss": 0.5}, fit_model(problem, name))


def register(tracker: Tracker, name: str, problem: Problem, model: str, alias: str | None = CHAMPION) -> int:
    """Registers a model as the next version of `name`, and points the alias at it; its number."""
    made = fit_model(problem, model)
    run_id = tracker.client.create_run(tracker.experiment_id).info.run_id
    example = make_split(problem, 3).rows
    stored: dict[str, Any] = {"metrics": {"validation_log_loss": 0.4}, "tables": {}, "figures": {}, "example": example}
    uri = model_logging.log_model(tracker, run_id, made.metadata["family"], made, **stored)
    tags = {"run_id": run_id, "model": model, "dag_id": "sklearn_training", "training_set_version": "1"}
    # Another test may have had to do with a server that is away.
    mlflow.set_tracking_uri(tracker.uri)
    version = registry.register_model(tracker, name, run_id, uri, tags, "")
    if alias:
        tracker.client.set_registered_model_alias(name, alias, str(version))
    return version
