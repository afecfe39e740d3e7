"""Two problems of classes for tests, two of them and several, with models that are really fitted and calibrated."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from include.models.artifact import Model
from include.models.fitting import encode, fit
from include.models.table import MODELS
from include.problem.data import Columns, Split
from include.problem.declaration import Problem

_DECLARED: dict[str, Any] = {
    "row": ("subscriber", "subscribers"),
    "source": "file:///data/subscribers.csv",
    "task": "classification",
    "columns": {
        "contract": {"kind": "category", "required": True, "example": "monthly"},
        "age": {"kind": "number", "unit": "months", "required": True, "example": 7},
        "price": {"kind": "number", "example": 59.5},
        "paperless": {"kind": "flag"},
    },
}
LEAVING = Problem(
    name="leaving", title="Who leaves", target="Left", classes=("Yes", "No"), positive="Yes", cost_missed=3, **_DECLARED
)
TIERS = Problem(name="tiers", title="Tier", target="Tier", classes=("basic", "plus", "premium"), **_DECLARED)
CONTRACTS = ("monthly", "yearly", "open")
SUBSCRIBER = {"contract": "monthly", "age": 3, "price": 80}


def make_split(problem: Problem, rows: int, seed: int = 0) -> Split:
    """Seeded subscribers, whose class follows from contract, age and price, and from chance."""
    draw = np.random.default_rng(seed)
    columns: Columns = {
        "contract": draw.choice(CONTRACTS, rows).astype(object),
        "age": draw.uniform(0, 60, rows),
        "price": draw.uniform(20, 100, rows),
        "paperless": draw.integers(0, 2, rows).astype("float64"),
    }
    odds = 1.5 * (columns["contract"] == "monthly") - columns["age"] / 15 + (columns["price"] - 60) / 20
    noisy = odds + draw.logistic(0, 1, rows)
    target = noisy > 0 if len(problem.labels) == 2 else np.searchsorted([-1.5, 1.0], noisy)
    return Split(columns, target.astype("float64"))


@cache
def make_model(name: str, *, is_calibrated: bool = True) -> Model:
    """A model type with its first parameters, fitted to subscribers of as many classes as it can tell apart."""
    return fit_model(TIERS if MODELS[name].classes == "several" else LEAVING, name, is_calibrated=is_calibrated)


def fit_model(problem: Problem, name: str, *, is_calibrated: bool = True) -> Model:
    """The same for one of the problems, calibrated on rows of its own."""
    model_type, train, others = MODELS[name], make_split(problem, 400), make_split(problem, 200, seed=3)
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
