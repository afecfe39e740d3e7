from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from include.models.artifact import Model
from include.models.fitting import encode, fit
from include.models.table import MODELS
from include.problem.data import Split
from include.sets.examples import load_references, load_split
from include.settings import Settings
from tests.promotion.versions import LOGGED, find_files, store
from tests.splits import PROBLEM


@pytest.fixture
def url(published_url: str) -> str:
    """A warehouse with a published training set of the synthetic sample, in three splits."""
    return published_url


@pytest.fixture
def register(url: str, settings: Settings) -> Callable[..., int]:
    """Trains a model on the set and registers it; gives its version. `change` is made to its estimator.

    Files of its `own` can be deleted.
    """
    splits = [load_split(url, 1, name) for name in ("train", "validation")]

    def train_and_register(
        model: str,
        parameters: dict[str, Any] | None = None,
        change: Callable[[Any], None] | None = None,
        *,
        seed: int = 0,
        shuffled: bool = False,
        family: str = "sklearn",
        set_version: int = 1,
        own: bool = False,
    ) -> int:
        train, validation = splits
        fitting = (model, str(parameters), change, seed, shuffled)
        if fitting in LOGGED and not own:
            files = LOGGED[fitting]
            return store(url, settings, files, model, validation, family=family, set_version=set_version)
        if shuffled:
            train = Split(train.rows, np.random.default_rng(seed).permutation(train.target))
        data = encode(MODELS[model], PROBLEM, "rich", load_references(url, 1), train, validation)
        estimator = fit(MODELS[model], parameters or {}, data, random_state=seed, threads=1).estimator
        if change:
            change(estimator)
        trained = Model.of(data, estimator, {"parameters": {}})
        version = store(url, settings, trained, model, validation, family=family, set_version=set_version)
        if not own:
            LOGGED[fitting] = find_files(settings, version)
        return version

    return train_and_register
