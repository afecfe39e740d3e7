import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow.exceptions import MlflowException

from include.errors import ModelInvalid, NoChampion, TrackingUnavailable
from include.tracking.registry import DIGEST_TAG, RegisteredVersion, get_version, load_model, register_model
from include.tracking.runs import Tracker, open_tracker
from include.tracking.store import (
    COPIES_TO_KEEP,
    find_champion,
    load_champion,
    load_remembered,
    load_version,
)
from tests.conftest import find_free_port
from tests.registered import (
    BOOSTER,
    LASSO,
    LEAFWISE,
    VALIDATION,
    configure,
    log_once,
    make_model,
    register,
    register_damaged,
)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Hint. Inferred schema")]


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A registered model of the test's own."""
    return re.sub(r"[/:]", "_", request.node.name[:100])


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


@pytest.mark.parametrize("model", [LASSO, BOOSTER, LEAFWISE])
def test_champion_predicts_what_the_trained_model_did(tracker: Tracker, name: str, model: str, tmp_path: Path) -> None:
    version = register(tracker, name, model)
    loaded = load_champion(tracker, name, store=tmp_path)
    assert loaded.version == version
    assert loaded.metrics["validation_rmse"] == 1.25
    expected = make_model(model).predict(VALIDATION.rows)
    np.testing.assert_allclose(loaded.model.predict(VALIDATION.rows), expected, rtol=1e-6)


def test_missing_champion_is_an_error_that_says_what_to_start(tracker: Tracker, name: str) -> None:
    ways = "start sklearn_training, xgboost_training or lightgbm_training, whose model becomes"
    with pytest.raises(NoChampion, match=ways):
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


COPIED = ["model/model.json", "model/estimator.skops", "model/manifest.json", "version.json", "manifest.json"]


@pytest.mark.parametrize("file", COPIED)
@pytest.mark.parametrize("content", [None, b"", b"nothing that was ever written"])
def test_damaged_copy_is_fetched_again(
    tracker: Tracker, name: str, tmp_path: Path, file: str, content: bytes | None
) -> None:
    version = register(tracker, name, LASSO)
    load_version(tracker, version, store=tmp_path)
    path = tmp_path / name / copies(tmp_path, name)[0] / file
    whole = path.read_bytes()
    path.unlink() if content is None else path.write_bytes(content)
    assert load_version(tracker, version, store=tmp_path).version == version
    assert path.read_bytes() == whole
    assert list((tmp_path / name).glob(".*")) == []


@pytest.mark.parametrize("what", ["a file", "a link", "a file too many"])
def test_copy_that_is_something_else_is_fetched_again(tracker: Tracker, name: str, tmp_path: Path, what: str) -> None:
    version = register(tracker, name, LASSO)
    load_version(tracker, version, store=tmp_path)
    copy = tmp_path / name / copies(tmp_path, name)[0]
    if what == "a file too many":
        (copy / "model" / "estimator.pkl").touch()
    else:
        copy.rename(tmp_path / "elsewhere")
        copy.touch() if what == "a file" else copy.symlink_to(tmp_path / "nowhere")
    assert load_version(tracker, version, store=tmp_path).version == version
    assert sorted(path.name for path in (copy / "model").iterdir()) == [
        "estimator.skops", "manifest.json", "model.json",
    ]  # fmt: skip
    assert load_version(tracker, version, store=tmp_path).version == version


@pytest.mark.parametrize("file", ["estimator.ubj", "model.json"])
def test_registered_version_whose_files_are_damaged_is_invalid_and_no_copy_of_it_is_kept(
    tracker: Tracker, name: str, tmp_path: Path, file: str
) -> None:
    version = register_damaged(tracker, name, BOOSTER, file, tmp_path / "original")
    with pytest.raises(
        ModelInvalid, match=rf"Version 1 of .* cannot be loaded: .*changed: {file}.*Restore the previous"
    ):
        load_version(tracker, version, store=tmp_path / "store")
    assert copies(tmp_path / "store", name) == []
    with pytest.raises(ModelInvalid, match=f"changed: {file}"):
        load_model(tracker, version)


def test_version_whose_files_were_exchanged_for_other_whole_ones_is_invalid(
    tracker: Tracker, name: str, tmp_path: Path
) -> None:
    run_id, uri = log_once(tracker.uri, LASSO)
    register_model(tracker, name, run_id, uri, {"run_id": run_id}, "")
    good = get_version(tracker, name, 1)
    load_version(tracker, good, store=tmp_path)
    other = register(tracker, name, BOOSTER)
    exchanged = replace(other, tags={**other.tags, DIGEST_TAG: good.tags[DIGEST_TAG]})
    with pytest.raises(ModelInvalid, match="not the files that were registered under this version"):
        load_version(tracker, exchanged, store=tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"\0", b"../../elsewhere", b"no-such"], ids=str)
def test_damaged_pointer_to_the_last_champion_is_none(
    tracker: Tracker, name: str, tmp_path: Path, content: bytes
) -> None:
    register(tracker, name, LASSO)
    load_champion(tracker, name, store=tmp_path)
    (tmp_path / name / "champion").write_bytes(content)
    assert load_remembered(name, store=tmp_path) is None
    assert load_champion(tracker, name, store=tmp_path).version.version == 1


def test_run_that_a_tag_names_leads_to_no_other_directory(tracker: Tracker, name: str, tmp_path: Path) -> None:
    version = replace(register(tracker, name, LASSO), tags={"run_id": "../../x"})
    with pytest.raises(MlflowException):
        load_version(tracker, version, store=tmp_path / "a" / "b")
    assert not (tmp_path / "a" / "x").exists()


def test_version_whose_artifact_is_gone_is_an_error_that_says_what_to_start(
    tracker: Tracker, name: str, tmp_path: Path
) -> None:
    good = register(tracker, name, LASSO)
    run_id = good.tags["run_id"]
    tracker.client.create_model_version(name, f"runs:/{run_id}/nothing", run_id)
    with pytest.raises(
        ModelInvalid, match=r"Version 2 of .* cannot be loaded: .* Restore the previous champion \(`make rollback`"
    ):
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
