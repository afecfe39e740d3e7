"""The mix of classes is watched like that of any category."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from include.monitoring import watch
from include.monitoring.drift import Thresholds, compare_column, has_drifted
from include.monitoring.errors import Scored
from include.monitoring.report import DriftReport
from include.monitoring.requests import compare_requests
from include.monitoring.windows import Window
from include.problem.declaration import Problem
from include.sets import preparation
from include.sets.profile import columns_of, profile_split
from include.settings import Settings
from include.tracking.registry import RegisteredVersion
from tests.classified import LEAVING, TIERS, make_customers, make_split
from tests.published_sets import publish_set
from tests.warehouse_rows import query

THRESHOLDS = Thresholds.from_settings(Settings())
Look = Callable[[pd.DataFrame], DriftReport | None]


@pytest.mark.parametrize("problem", [LEAVING, TIERS], ids=lambda problem: problem.name)
def test_mix_of_classes_drifts_when_their_shares_do(problem: Problem) -> None:
    learnt, same = make_split(problem, 2_000), make_split(problem, 2_000, seed=1)
    profile, values = profile_split(problem, learnt)["target"], columns_of(problem, learnt)["target"]
    usual = columns_of(problem, same)["target"]
    other = usual[(same.target > 0) | (same.rows["tenure"] < 10)]
    for known in (values, None):
        assert not has_drifted(compare_column(profile, usual, known), THRESHOLDS)
        found = compare_column(profile, other, known)
        assert found.ks is None, "classes have no order"
        assert found.unseen == 0
        assert has_drifted(found, THRESHOLDS)


def declare(path: Path, **changes: object) -> Settings:
    return Settings(problem=LEAVING, minimum_rows=20).change(source=path.as_uri(), **changes)


@pytest.fixture
def path(warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of customers that a champion has learnt from."""
    path = tmp_path / "customers.csv"
    make_customers(LEAVING, 1_500).to_csv(path, index=False)
    version = publish_set(warehouse_url, declare(path)).version
    tags = {"training_set_version": str(version)}
    champion = RegisteredVersion("leaving", 1, tags, datetime.now(UTC))
    monkeypatch.setattr(watch.registry, "find_version", lambda *_: champion)
    monkeypatch.setattr(watch.runs, "open_tracker", lambda *_: None)
    monkeypatch.setattr(watch, "load_served", lambda *_: None)
    return path


def test_alarm_names_the_target_when_the_mix_of_classes_changes(warehouse_url: str, path: Path) -> None:
    settings = declare(path)
    usual = watch.measure_drift(warehouse_url, settings)
    assert usual
    assert usual.alarming == ()
    rows = make_customers(LEAVING, 3_000, seed=2)
    rows[(rows["Left"] == "Yes") | (rows.index % 4 == 0)].to_csv(path, index=False)
    preparation.ingest(warehouse_url, settings, "all")
    changed = watch.measure_drift(warehouse_url, settings)
    assert changed
    assert "target" in changed.alarming
    stored = "SELECT ks FROM monitoring.drift WHERE column_name = 'target'"
    assert {ks for (ks,) in query(warehouse_url, stored)} == {None}


def test_window_that_cannot_be_predicted_counts_as_one_without_drift_of_the_score(
    warehouse_url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_out = Scored(np.array([0.0, 1.0]), np.array([[0.9, 0.1], [0.2, 0.8]]))
    served = SimpleNamespace(
        version=None, model=SimpleNamespace(problem=LEAVING), held_out=held_out, score=lambda split: None
    )
    monkeypatch.setattr(watch, "load_served", lambda *_: served)
    report = watch.measure_drift(warehouse_url, declare(path))
    assert report
    assert {len(flags) for flags in report.drifted.values()} == {len(report.windows)}
    assert report.drifted[watch.SCORE] == (False,)


def test_nothing_is_compared_once_the_classes_have_other_numbers(warehouse_url: str, path: Path) -> None:
    assert watch.measure_drift(warehouse_url, declare(path, positive="No")) is None
    assert "the classes are others than it learnt" in watch.NOTHING_TO_COMPARE


def test_requests_are_compared_without_a_target(warehouse_url: str, path: Path) -> None:
    query(
        warehouse_url,
        "INSERT INTO prediction.log (at, source, model_version, predicted, tenure, contract)"
        " SELECT '2024-05-01', 'service', 1, 0.5, 12, 'monthly' FROM generate_series(1, 9) RETURNING 1",
    )
    profile = profile_split(LEAVING, make_split(LEAVING, 200))
    found = compare_requests(warehouse_url, LEAVING, Window(date(2024, 5, 1), 1), profile, {}, most=9)
    assert {name: rows for name, (rows, _) in found.items()} == {"tenure": 9, "contract": 9}
