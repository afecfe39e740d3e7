"""Which model answers: new champions, broken ones, and a registry that is away."""

import random
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from include.errors import SettingsError
from include.serving.holder import Holder
from include.serving.metrics import Metrics
from include.settings import Settings
from include.tracking.runs import Tracker
from include.tracking.store import load_champion
from tests.redeclared import ADDED, make_later, remove
from tests.registered import BOOSTER, LASSO, log_once, register, register_damaged
from tests.serving.conftest import TRIP, run_service
from tests.serving.processes import run_process
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range"),
]


def make_holder(settings: Settings, store: Path) -> Holder:
    return Holder(Metrics(), lambda: settings, store)


def version_of(holder: Holder) -> int | None:
    return holder.current and holder.current.version


def break_champion(tracker: Tracker, name: str) -> None:
    """Makes a version the champion whose artifact is not there."""
    run_id, _ = log_once(tracker.uri, LASSO)
    version = tracker.client.create_model_version(name, f"runs:/{run_id}/nothing", run_id).version
    tracker.client.set_registered_model_alias(name, "champion", version)


def test_new_champion_is_swapped_in_and_an_old_one_is_not_loaded_again(
    tracker: Tracker, settings: Settings, tmp_path: Path
) -> None:
    holder = make_holder(settings, tmp_path)
    assert not holder.refresh()
    assert holder.problem
    assert "NoChampion" in holder.problem
    for model, version in ((LASSO, 1), (BOOSTER, 2)):
        register(tracker, settings.registered_model, model)
        assert holder.refresh()
        assert (version_of(holder), holder.problem) == (version, None)
    in_memory = holder.current
    assert not holder.refresh()
    assert holder.current is in_memory


def test_changed_tags_make_no_other_model_of_a_version(tracker: Tracker, settings: Settings, tmp_path: Path) -> None:
    register(tracker, settings.registered_model, LASSO)
    holder = make_holder(settings, tmp_path)
    holder.refresh()
    tracker.client.set_model_version_tag(settings.registered_model, "1", "decision", "promoted")
    assert not holder.refresh()


def test_rollback_swaps_back(tracker: Tracker, settings: Settings, tmp_path: Path) -> None:
    for model in (LASSO, BOOSTER):
        register(tracker, settings.registered_model, model)
    holder = make_holder(settings, tmp_path)
    holder.refresh()
    tracker.client.set_registered_model_alias(settings.registered_model, "champion", "1")
    assert holder.refresh()
    assert version_of(holder) == 1


def test_broken_champion_leaves_the_old_one_and_says_so(
    tracker: Tracker, settings: Settings, warehouse_url: str, tmp_path: Path
) -> None:
    register(tracker, settings.registered_model, LASSO)
    with run_service(settings, warehouse_url, tmp_path) as service:
        service.parts.holder.refresh()
        break_champion(tracker, settings.registered_model)
        answer = service.client.post("/reload").json()
        assert (answer["swapped"], answer["version"]) == (False, 1)
        ready = service.client.get("/readyz")
        assert (ready.status_code, ready.json()["ready"], ready.json()["version"]) == (200, True, 1)
        assert "Version 2 of" in ready.json()["problem"]
        assert service.predict(TRIP)["model"]["version"] == 1
        tracker.client.set_registered_model_alias(settings.registered_model, "champion", "1")
        assert service.client.post("/reload").json()["problem"] is None


def test_champion_whose_registered_files_are_damaged_leaves_the_old_one_and_says_so(
    tracker: Tracker, settings: Settings, warehouse_url: str, tmp_path: Path
) -> None:
    register(tracker, settings.registered_model, LASSO)
    with run_service(settings, warehouse_url, tmp_path / "store") as service:
        service.parts.holder.refresh()
        register_damaged(tracker, settings.registered_model, BOOSTER, "estimator.ubj", tmp_path / "original")
        assert not service.client.post("/reload").json()["swapped"]
        ready = service.client.get("/readyz")
        assert (ready.status_code, ready.json()["ready"], ready.json()["version"]) == (200, True, 1)
        assert "Version 2 of" in ready.json()["problem"]
        assert "damaged, changed: estimator.ubj" in ready.json()["problem"]
        assert service.predict(TRIP)["model"]["version"] == 1


@pytest.mark.parametrize("file", ["model/estimator.ubj", "model/model.json", "version.json", "manifest.json"])
def test_service_that_starts_on_a_damaged_copy_fetches_it_again_and_answers(
    tracker: Tracker, warehouse_url: str, tmp_path: Path, file: str
) -> None:
    name = f"damaged_{file.replace('/', '_')}"
    register(tracker, name, BOOSTER)
    load_champion(tracker, name, store=tmp_path / "models")
    [path] = (tmp_path / "models" / name).glob(f"*/{file}")
    whole = path.read_bytes()
    # Of 24 such boosters three end the process that loads them.
    generator, damaged = random.Random(7), bytearray(whole)
    for _ in range(50):
        damaged[generator.randrange(len(whole))] = generator.randrange(256)
    path.write_bytes(damaged)
    with run_process(tracker.uri, name, warehouse_url, tmp_path) as process:
        wait_until(lambda: process.get("/readyz").status_code == 200, "the service is ready")
        assert process.predict(TRIP)["model"]["version"] == 1
    assert path.read_bytes() == whole


def test_version_that_could_not_be_loaded_is_tried_again_later_and_when_asked(
    tracker: Tracker, settings: Settings, tmp_path: Path
) -> None:
    holder = make_holder(settings, tmp_path)
    version = register(tracker, settings.registered_model, LASSO)
    holder._refused = (replace(version), "it was damaged", time.monotonic())
    assert not holder.refresh()
    assert holder.problem == "ModelInvalid: it was damaged"
    assert holder.refresh(insist=True)
    assert version_of(holder) == 1


def test_registry_that_is_away_leaves_the_champion_and_says_so(
    tracker: Tracker, settings: Settings, away: Settings, tmp_path: Path
) -> None:
    register(tracker, settings.registered_model, LASSO)
    make_holder(settings, tmp_path).refresh()
    holder = make_holder(away, tmp_path)
    holder.start()
    assert version_of(holder) == 1, "the local copy answers"
    wait_until(lambda: "TrackingUnavailable" in (holder.problem or ""), "the registry is missed")
    assert version_of(holder) == 1
    holder.stop()


def test_start_without_registry_and_copy_answers_that_it_is_not_ready(
    away: Settings, warehouse_url: str, tmp_path: Path
) -> None:
    with run_service(away, warehouse_url, tmp_path) as service:
        wait_until(lambda: "TrackingUnavailable" in (service.parts.holder.problem or ""), "the registry is missed")
        ready = service.client.get("/readyz")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        assert "TrackingUnavailable" in ready.json()["problem"]
        assert service.client.get("/healthz").status_code == 200


def test_load_balancer_sends_requests_where_the_registry_has_no_champion_yet(
    tracker: Tracker, settings: Settings, warehouse_url: str, tmp_path: Path
) -> None:
    with run_service(settings, warehouse_url, tmp_path) as service:
        wait_until(lambda: "NoChampion" in (service.parts.holder.problem or ""), "the registry is asked")
        answers = [service.client.get("/readyz", params=one) for one in ({"champion": "optional"}, {})]
        assert [(one.status_code, one.json()["ready"]) for one in answers] == [(200, True), (503, False)]
        register(tracker, settings.registered_model, LASSO)
        service.parts.holder.refresh()
        assert service.client.get("/readyz?champion=optional").json()["version"] == 1


def test_load_balancer_sends_no_requests_while_the_champion_is_not_loaded_or_unknown(
    tracker: Tracker, settings: Settings, away: Settings, warehouse_url: str, tmp_path: Path
) -> None:
    register_damaged(tracker, settings.registered_model, BOOSTER, "estimator.ubj", tmp_path / "original")
    problems = []
    for known in (settings, away):
        with run_service(known, warehouse_url, tmp_path / "store") as service:
            holder = service.parts.holder
            holder.refresh()
            problems.append((holder.problem or "").partition(":")[0])
            assert service.client.get("/readyz?champion=optional").status_code == 503
    assert problems == ["ModelInvalid", "TrackingUnavailable"]


def test_settings_are_read_anew_for_a_new_champion(tracker: Tracker, settings: Settings, tmp_path: Path) -> None:
    changing = settings
    holder = Holder(Metrics(), lambda: changing, tmp_path)
    register(tracker, settings.registered_model, LASSO)
    holder.refresh()
    changing = settings.change(column_pickup_zone="from_zone")
    register(tracker, settings.registered_model, BOOSTER)
    holder.refresh()
    assert holder.current
    assert holder.current.form.names["from_zone"] == "pickup_zone"


def test_champion_accepts_what_it_was_trained_with_though_the_declaration_has_changed(
    tracker: Tracker, settings: Settings, warehouse_url: str, tmp_path: Path
) -> None:
    register(tracker, settings.registered_model, LASSO)
    make_holder(settings, tmp_path).refresh()
    for change in (make_later, remove):
        changed = settings.model_copy(update={"problem": change(settings.problem)})
        with run_service(changed, warehouse_url, tmp_path) as service:
            assert version_of(service.parts.holder) == 1, "the local copy answers after a restart"
            assert service.predict(TRIP)["warnings"] == []
            refused = service.client.post("/predict", json={**TRIP, ADDED: 2})
            assert refused.status_code == 422
            assert ADDED in refused.text
            assert "is not a field of a trip" in refused.text


def test_other_registered_model_is_looked_for_as_soon_as_the_settings_name_it(
    tracker: Tracker, settings: Settings, tmp_path: Path
) -> None:
    changing = settings
    holder = Holder(Metrics(), lambda: changing, tmp_path)
    register(tracker, settings.registered_model, LASSO)
    holder.refresh()
    changing = settings.model_copy(update={"registered_model": f"{settings.registered_model}_other"})
    assert not holder.refresh()
    assert "other" in (holder.problem or "")
    register(tracker, changing.registered_model, BOOSTER)
    assert holder.refresh()
    assert holder.current
    assert holder.current.loaded.version.name == changing.registered_model


def test_settings_that_cannot_be_read_leave_the_champion(tracker: Tracker, settings: Settings, tmp_path: Path) -> None:
    broken = False

    def read() -> Settings:
        if broken:
            raise SettingsError("MONTHS: '2024-13' is not a month")
        return settings

    holder = Holder(Metrics(), read, tmp_path)
    register(tracker, settings.registered_model, LASSO)
    holder.refresh()
    broken = True
    register(tracker, settings.registered_model, BOOSTER)
    assert not holder.refresh()
    assert (version_of(holder), holder.problem) == (1, "SettingsError: MONTHS: '2024-13' is not a month")


def test_champions_change_under_requests_without_a_failed_or_mixed_one(
    tracker: Tracker, settings: Settings, warehouse_url: str, tmp_path: Path
) -> None:
    for model in (LASSO, BOOSTER):
        register(tracker, settings.registered_model, model)
    with run_service(settings, warehouse_url, tmp_path) as service:
        expected = {}
        for version in (1, 2):
            tracker.client.set_registered_model_alias(settings.registered_model, "champion", str(version))
            service.parts.holder.refresh()
            expected[version] = service.predict([TRIP] * 60)["predictions"]
        answers, ended = [], threading.Event()

        def ask() -> None:
            while not ended.is_set():
                answers.append(service.client.post("/predict", json=[TRIP] * 60))

        asking = threading.Thread(target=ask)
        asking.start()
        for version in (1, 2, 1, 2):
            tracker.client.set_registered_model_alias(settings.registered_model, "champion", str(version))
            assert service.parts.holder.refresh()
            before = len(answers)
            wait_until(lambda before=before: len(answers) > before + 1, "the next answers came")
        ended.set()
        asking.join()
        assert {answer.status_code for answer in answers} == {200}
        bodies = [answer.json() for answer in answers]
        assert [body for body in bodies if body["predictions"] != expected[body["model"]["version"]]] == []
        assert {body["model"]["version"] for body in bodies} == {1, 2}
