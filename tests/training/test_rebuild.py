"""Registered versions, built again from their sources on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.errors import ModelInvalid, SettingsError
from include.models.fitting import join_members
from include.models.table import MODELS, name_blend, type_of
from include.problem.declaration import Problem
from include.sets.examples import get_training_set
from include.settings import Settings
from include.tracking import runs
from include.tracking.lineage import UNCOMMITTED
from include.training.final_model import train_model
from include.training.job import Job
from include.training.rebuild import rebuild
from include.training.steps import register_best
from include.tuning.search import Limits
from tests.published_sets import publish_set
from tests.registered import LASSO
from tests.registered import register as register_by_hand
from tests.splits import NUMBER_TYPES
from tests.warehouse_rows import query

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range"),
]
FOREST, LEAFWISE = "ensemble.ExtraTreesRegressor", "gbdt.squarederror"


@pytest.fixture
def sample(settings: Settings) -> Settings:
    return settings.change(source="sample", sample_rows=1_500, minimum_rows=100)


def start_of(model: str) -> dict[str, Any]:
    """A type's first parameters, with steps so large that a booster has few rounds."""
    return {name: max(value, 0.3) if name == "learning_rate" else value for name, value in MODELS[model].start.items()}


def train_and_register(
    url: str,
    settings: Settings,
    run: str,
    name: str,
    parameters: dict[str, Any] | None = None,
    *,
    feature_set: str = "rich",
) -> int:
    """Trains a model type on the first set, as training does; gives the version."""
    model = type_of(name)
    family = MODELS[model].family
    job = Job(f"{family}_training/{run}", family, 1, feature_set, Limits(1, 600, 25), 42)
    lineage = runs.Lineage(job.run_key, get_training_set(url, 1), job.feature_set, "c0ffee", job.random_state)
    run_id = runs.open_run(runs.open_tracker(settings), lineage, family, name)
    tuned: Any = {"model": name, "run_id": run_id, "parameters": parameters or start_of(model)}
    return register_best(url, settings, job, [train_model(url, settings, job, tuned)])["version"]


@pytest.fixture
def register(url: str, sample: Settings, request: pytest.FixtureRequest) -> Callable[..., int]:
    """Trains a model type, as training does; gives the version."""

    def register(name: str, parameters: dict[str, Any] | None = None, **changes: Any) -> int:
        return train_and_register(url, sample.change(**changes), request.node.name, name, parameters)

    return register


@pytest.mark.parametrize(
    ("model", "refit"),
    [*((name, True) for name in NUMBER_TYPES), *((name, False) for name in (LASSO, FOREST, LEAFWISE))],
)
def test_version_is_built_again_byte_by_byte(
    url: str, sample: Settings, register: Callable[..., int], model: str, refit: bool
) -> None:
    version = register(model, refit=refit, threads_per_model=2)
    # On another number of threads, too.
    found = rebuild(url, sample.change(threads_per_model=1), version)
    assert (found.files, found.changes) == ((), ())
    assert found.is_identical
    assert found.describe() == f"Version {version} is identical: built again, each of its files has the same bytes."
    assert query(url, "SELECT count(*) FROM training.sets") == [(1,)]


@pytest.mark.parametrize(
    ("model", "refit"),
    [(LASSO, True), ("gbtree.squarederror", True), ("gbtree.squarederror", False), (LEAFWISE, True)],
)
def test_version_of_a_set_larger_than_memory_is_built_again_byte_by_byte(
    url: str, sample: Settings, register: Callable[..., int], model: str, refit: bool
) -> None:
    version = register(model, refit=refit, in_memory_rows=300)
    # It counts with how many rows it was fitted, not how many a fit would have now.
    assert rebuild(url, sample, version).is_identical


@pytest.mark.parametrize("request_", [{}, {"validation_from": "2024-01-21"}], ids=["by shares", "by a day"])
def test_version_of_rows_without_months_is_built_again_from_the_days_that_it_was_split_by(
    warehouse_url: str, settings: Settings, tmp_path: Path, request_: dict[str, str]
) -> None:
    draw = np.random.default_rng(0)
    sold_at = pd.date_range("2024-01-01", periods=40 * 24, freq="h")
    age = draw.random(len(sold_at))
    table = pd.DataFrame({"sold_at": sold_at, "age": age, "price": 3 - age + draw.normal(0, 0.1, len(age))})
    table.to_csv(tmp_path / "sales.csv", index=False)
    problem = Problem(
        name="sales", source=(tmp_path / "sales.csv").as_uri(), target="price", time="sold_at",
        columns={"sold_at": {"kind": "time"}, "age": {}},
    )  # type: ignore[arg-type]  # fmt: skip
    named = {"mlflow_tracking_uri": settings.mlflow_tracking_uri, "registered_model": settings.registered_model}
    sales = Settings(problem=problem, minimum_rows=10, **named)  # type: ignore[arg-type]
    published = publish_set(warehouse_url, sales, **request_)
    version = train_and_register(warehouse_url, sales, f"sales/{len(request_)}", LASSO, feature_set="default")
    assert published.months == ("all",)
    # A day in the settings does not matter.
    for again in (sales, sales.change(validation_from="2024-01-11")):
        found = rebuild(warehouse_url, again, version)
        assert (found.files, found.changes) == ((), ())


@pytest.mark.parametrize(
    ("model", "changes", "refit"),
    [
        (LASSO, {"alpha": 0.1}, True),
        (LASSO, {"alpha": 0.1}, False),
        (FOREST, {"max_depth": 5}, True),
        (LEAFWISE, {"num_leaves": 8}, True),
        ("gbtree.gamma", {"max_depth": 5}, True),
        ("gbtree.logsquarederror", {"max_depth": 5}, True),
    ],
)
def test_blend_is_built_again_byte_by_byte(
    url: str, sample: Settings, register: Callable[..., int], model: str, changes: dict[str, Any], refit: bool
) -> None:
    start = start_of(model)
    version = register(name_blend(model), join_members([start, {**start, **changes}]), refit=refit, threads_per_model=2)
    found = rebuild(url, sample.change(threads_per_model=1), version)
    assert (found.files, found.changes) == ((), ())


def test_changed_commit_and_lock_are_named_though_the_bytes_are_the_same(
    url: str, sample: Settings, register: Callable[..., int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_COMMIT", "a" * 40)
    version = register(LASSO)
    monkeypatch.setenv("GIT_COMMIT", "b" * 40 + UNCOMMITTED)
    monkeypatch.setattr("include.training.making.ROOT", tmp_path)
    (tmp_path / "requirements.txt").write_text("numpy==1\n")
    found = rebuild(url, sample, version)
    assert found.is_identical
    assert found.changes[0] == "Code commit was aaaaaaaaaaaa... and is bbbbbbbbbbbb...-dirty."
    assert found.changes[1].startswith("Code lock was ")
    assert len(found.changes) == 2


def test_code_that_no_commit_holds_registers_only_where_the_settings_say_so(
    register: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_COMMIT", "a" * 40 + UNCOMMITTED)
    with pytest.raises(SettingsError, match="Git commit, aaaaaaaaaaaa: .* set REGISTER_UNCOMMITTED=true"):
        register(LASSO)
    assert register(LASSO, register_uncommitted=True) == 1


def test_code_that_fits_otherwise_is_seen_in_the_files(
    url: str, sample: Settings, register: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    version = register(LASSO)
    other = replace(MODELS[LASSO], fixed={"max_iter": 500, "tol": 0.5})
    monkeypatch.setattr("include.training.rebuild.get_model", lambda _: other)
    found = rebuild(url, sample, version)
    assert not found.is_identical
    assert found.describe().startswith(f"Version {version} differs in estimator.skops.")


def test_changed_source_is_named_and_nothing_is_fitted(
    url: str, sample: Settings, register: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    version = register(LASSO)
    [(sha256,)] = query(url, "SELECT sha256 FROM raw.sources WHERE month = '2024-02'")
    query(url, "UPDATE raw.sources SET sha256 = 'f' WHERE month = '2024-02' RETURNING month")
    try:
        found = rebuild(url, sample, version)
    finally:
        query(url, f"UPDATE raw.sources SET sha256 = '{sha256}' WHERE month = '2024-02' RETURNING month")
    assert found.files is None
    assert found.describe().splitlines() == [
        f"Version {version} cannot be built again.",
        f"Source 2024-02 was {sha256[:12]}... and is f.",
        "Load the sources as they were, by data_preparation; then repeat.",
    ]


def test_version_that_is_not_there_is_named_with_those_that_are(
    url: str, sample: Settings, register: Callable[..., int]
) -> None:
    version = register(LASSO)
    with pytest.raises(ModelInvalid, match=rf"has no version 99; it has {version}\."):
        rebuild(url, sample, 99)


def test_version_that_no_training_has_registered_is_refused(url: str, sample: Settings) -> None:
    version = register_by_hand(runs.open_tracker(sample), sample.registered_model, LASSO).version
    with pytest.raises(ModelInvalid, match="does not say what it was made of"):
        rebuild(url, sample, version)
