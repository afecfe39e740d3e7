import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from include.taxi.errors import ModelInvalid, NoChampion, TrackingUnavailable
from include.taxi.model_store import (
    COPIES_TO_KEEP,
    find_champion,
    load_champion,
    load_remembered,
    load_version,
)
from include.taxi.registry import RegisteredVersion
from include.taxi.tracking import Tracker, open_tracker
from tests.conftest import find_free_port
from tests.registered import BOOSTER, LASSO, VALIDATION, configure, make_model, register

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Hint. Inferred schema")]


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A registered model of the test's own."""
    return request.node.name[:100]


@pytest.fixture
def tracker(mlflow_url: str, monkeypatch: pytest.MonkeyPatch) -> Tracker:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_url)
    return open_tracker(configure(mlflow_url))


@pytest.fixture
def away(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> Tracker:
    """The same registry, after its server has gone."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    url = f"http://127.0.0.1:{find_free_port()}"
    return Tracker(type(tracker.client)(url), url, tracker.experiment_id)


def copies(store: Path, name: str) -> list[str]:
    return sorted(path.name for path in (store / name).glob("*/"))


@pytest.mark.parametrize("model", [LASSO, BOOSTER])
def test_champion_predicts_what_the_trained_model_did(tracker: Tracker, name: str, model: str, tmp_path: Path) -> None:
    version = register(tracker, name, model)
    loaded = load_champion(tracker, name, store=tmp_path)
    assert loaded.version == version
    assert loaded.metrics["validation_rmse"] == 1.25
    expected = make_model(model).predict(VALIDATION.trips)
    np.testing.assert_allclose(loaded.model.predict(VALIDATION.trips), expected, rtol=1e-6)


def test_missing_champion_is_an_error_that_says_what_to_start(tracker: Tracker, name: str) -> None:
    with pytest.raises(NoChampion, match=r"start the DAG model_promotion, or data_preparation"):
        find_champion(tracker, name)
    register(tracker, name, LASSO, alias=None)
    with pytest.raises(NoChampion, match=name):
        find_champion(tracker, name)


def test_version_is_downloaded_once(tracker: Tracker, away: Tracker, name: str, tmp_path: Path) -> None:
    version = register(tracker, name, LASSO)
    load_version(tracker, version, store=tmp_path)
    assert load_version(away, version, store=tmp_path).version == version


def test_version_without_a_copy_cannot_be_loaded_while_the_registry_is_away(
    tracker: Tracker, away: Tracker, name: str, tmp_path: Path
) -> None:
    version = register(tracker, name, LASSO)
    with pytest.raises(TrackingUnavailable):
        load_version(away, version, store=tmp_path)
    assert copies(tmp_path, name) == []


@pytest.mark.parametrize("damage", ["model.json", "estimator.skops", "version.json"])
@pytest.mark.parametrize("content", [None, b"", b"nothing that was ever written"])
def test_damaged_copy_is_made_anew(
    tracker: Tracker, name: str, tmp_path: Path, damage: str, content: bytes | None
) -> None:
    version = register(tracker, name, LASSO)
    load_version(tracker, version, store=tmp_path)
    file = tmp_path / name / copies(tmp_path, name)[0] / damage
    file.unlink() if content is None else file.write_bytes(content)
    assert load_version(tracker, version, store=tmp_path).version == version


def test_version_whose_artifact_is_gone_is_an_error_that_says_what_to_start(
    tracker: Tracker, name: str, tmp_path: Path
) -> None:
    good = register(tracker, name, LASSO)
    run_id = good.tags["run_id"]
    tracker.client.create_model_version(name, f"runs:/{run_id}/nothing", run_id)
    with pytest.raises(ModelInvalid, match=r"Version 2 of .* cannot be loaded: .*\bStart the DAG model_promotion"):
        load_version(tracker, replace(good, version=2), store=tmp_path)
    assert copies(tmp_path, name) == []


def test_last_champion_is_loaded_without_the_registry(tracker: Tracker, name: str, tmp_path: Path) -> None:
    register(tracker, name, LASSO)
    load_champion(tracker, name, store=tmp_path)
    second = register(tracker, name, BOOSTER)
    load_champion(tracker, name, store=tmp_path)
    remembered = load_remembered(name, store=tmp_path)
    assert remembered
    assert remembered.version == second


def test_nothing_is_remembered_where_nothing_was_loaded_or_the_copy_is_gone(
    tracker: Tracker, name: str, tmp_path: Path
) -> None:
    assert load_remembered(name, store=tmp_path) is None
    register(tracker, name, LASSO)
    load_champion(tracker, name, store=tmp_path)
    shutil.rmtree(tmp_path / name / copies(tmp_path, name)[0])
    assert load_remembered(name, store=tmp_path) is None


def test_old_copies_are_removed_but_not_the_champions(tracker: Tracker, name: str, tmp_path: Path) -> None:
    champion = register(tracker, name, LASSO)
    load_champion(tracker, name, store=tmp_path)
    others: list[RegisteredVersion] = [register(tracker, name, LASSO, alias=None) for _ in range(COPIES_TO_KEEP + 2)]
    for version in others:
        load_version(tracker, version, store=tmp_path)
    kept = [int(copy.split("-")[0]) for copy in copies(tmp_path, name)]
    assert champion.version in kept
    assert others[-1].version in kept
    assert len(kept) == COPIES_TO_KEEP + 1
