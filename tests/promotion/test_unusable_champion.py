"""A champion that cannot be used: what is said, what stands in for it, and that each way that is named leads out."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.alerting.model_reports import report_unusable
from include.errors import ModelInvalid, NoChampion
from include.models.artifact import Model
from include.monitoring import watch
from include.prediction import batch
from include.prediction.request import predict
from include.promotion import aliases, decisions, judging, rivals
from include.promotion.usability import check_champion
from include.retraining.reasons import find_reasons, look
from include.retraining.report import FollowedRun, finish
from include.sets.examples import load_split
from include.sets.holdout import load_held_out
from include.settings import Settings
from include.tracking import registry, runs
from include.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS, WAYS_OUT
from tests.promotion.versions import (
    FOREST,
    LASSO,
    LINEAR,
    RUN,
    SMALL_FOREST,
    WEAK,
    break_model,
    judge_and_promote,
    read_aliases,
)

TRIP = {"pickup_at": "2024-01-14T18:30:00", "pickup_zone": 2, "dropoff_zone": 5, "trip_distance": 1.98}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range"),
]
Register = Callable[..., int]


def forget_numbers(estimator: Any) -> None:
    estimator.coef_ = np.full_like(estimator.coef_, np.nan)


def promote_by_hand(settings: Settings, version: int) -> None:
    runs.open_tracker(settings).client.set_registered_model_alias(settings.registered_model, CHAMPION, str(version))


def register_by_hand(settings: Settings) -> int:
    """A version that is no model, with the alias `champion`."""
    client = runs.open_tracker(settings).client
    run_id = client.create_run(runs.open_tracker(settings).experiment_id).info.run_id
    client.log_text(run_id, "x", "model/MLmodel")
    if not registry.list_versions(runs.open_tracker(settings), settings.registered_model):
        client.create_registered_model(settings.registered_model)
    version = client.create_model_version(settings.registered_model, f"runs:/{run_id}/model", run_id)
    promote_by_hand(settings, int(version.version))
    return int(version.version)


def test_artifact_that_is_gone_makes_a_champion_unusable_rather_than_mlflow_unavailable(
    url: str, settings: Settings, register: Register
) -> None:
    judge_and_promote(url, settings, register(LINEAR, own=True))
    assert check_champion(url, settings) is None
    break_model(settings, 1)
    broken = check_champion(url, settings)
    assert broken
    assert broken.startswith("The champion, version 1, cannot be used: ")
    assert broken.endswith(WAYS_OUT)


@pytest.mark.parametrize("how", ["registered by hand", "no numbers"])
def test_without_a_previous_one_challengers_are_judged_against_the_best_baseline(
    url: str, settings: Settings, register: Register, how: str
) -> None:
    broken = register_by_hand(settings) if how == "registered by hand" else register(LINEAR, change=forget_numbers)
    promote_by_hand(settings, broken)
    better = register(LINEAR)
    decision = judging.judge(url, settings, better, RUN)
    assert "of the best baseline, the mean" in decision.reason
    assert (decision.champion_version, decision.rival_version) == (broken, None)
    text = judging.describe_champion(url, settings)
    assert text
    assert f"The champion, version {broken}, cannot be used" in text
    assert judging.promote(url, settings, [better], RUN)
    assert read_aliases(settings) == {CHAMPION: better}
    assert judging.describe_champion(url, settings) is None


def test_previous_one_stands_in_and_stays_previous(url: str, settings: Settings, register: Register) -> None:
    for version in (good := register(LASSO, WEAK), broken := register(LINEAR, own=True)):
        assert judge_and_promote(url, settings, version) == "promoted"
    break_model(settings, broken)
    as_good = register(LASSO, WEAK)
    decision = judging.judge(url, settings, as_good, RUN)
    assert decision.state == "rejected"
    assert "of the previous champion" in decision.reason
    better = register(FOREST, SMALL_FOREST)
    assert judge_and_promote(url, settings, better) == "promoted"
    assert read_aliases(settings) == {CHAMPION: better, PREVIOUS: good}
    tags = registry.get_version(runs.open_tracker(settings), settings.registered_model, better).tags
    assert tags["judged_against"] == f"version {good}"


def test_champion_that_was_mended_while_a_person_decided_is_judged_against(
    url: str, settings: Settings, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = register(FOREST, SMALL_FOREST)
    assert judge_and_promote(url, settings, best) == "promoted"
    load_model = registry.load_model

    def load(tracker: Any, version: Any) -> Model:
        if version.version == best:
            raise ModelInvalid("It is damaged.")
        return load_model(tracker, version)

    worse = register(LASSO, WEAK)
    with monkeypatch.context() as patch:
        patch.setattr(registry, "load_model", load)
        assert judging.judge(url, settings, worse, RUN).state == "waiting"
    assert judging.promote(url, settings, [worse], RUN) is None
    assert read_aliases(settings) == {CHAMPION: best, CHALLENGER: worse}


def test_challenger_is_judged_against_the_previous_one_where_the_champion_was_taken_away(
    url: str, settings: Settings, register: Register
) -> None:
    for version in (register(LASSO, WEAK), good := register(FOREST, SMALL_FOREST)):
        judge_and_promote(url, settings, version)
    tracker = runs.open_tracker(settings)
    registry.set_alias(tracker, settings.registered_model, PREVIOUS, good)
    registry.remove_alias(tracker, settings.registered_model, CHAMPION)
    assert judge_and_promote(url, settings, register(LINEAR)) == "rejected"
    equal = register(FOREST, SMALL_FOREST)
    assert judge_and_promote(url, settings, equal) == "rejected"
    assert read_aliases(settings) == {PREVIOUS: good, CHALLENGER: equal}


# Not a number


def test_challenger_that_predicts_what_is_no_number_is_rejected_with_the_count(
    url: str, settings: Settings, register: Register
) -> None:
    decision = judging.judge(url, settings, register(LINEAR, change=forget_numbers), RUN)
    rows = len(load_split(url, 1, "test"))
    assert decision.state == "rejected"
    assert f"{rows} of its {rows} predictions are not finite numbers" in decision.reason


def test_target_that_is_no_number_promotes_nothing_and_is_counted(
    url: str, settings: Settings, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, held_out = register(LINEAR), load_held_out(url, [1])
    # A published set's rows cannot be changed.
    held_out = replace(held_out, actual=np.where(np.arange(len(held_out.actual)) == 7, np.nan, held_out.actual))
    monkeypatch.setattr(rivals, "load_held_out", lambda *_: held_out)
    decision = judging.judge(url, settings, version, RUN)
    assert decision.state == "rejected"
    assert f"The target of 1 of {len(held_out.actual)} held-out rows is not a finite number" in decision.reason


# Back again


def test_rollback_from_a_broken_champion_leaves_none_to_roll_back_to(
    url: str, settings: Settings, register: Register
) -> None:
    for version in (good := register(LASSO, WEAK), broken := register(LINEAR, own=True)):
        judge_and_promote(url, settings, version)
    break_model(settings, broken)
    back = aliases.roll_back(url, settings, "model_promotion/back")
    assert f"it replaces version {broken}, which cannot be used" in back.reason
    assert aliases.roll_back(url, settings, "model_promotion/back") == back
    assert read_aliases(settings) == {CHAMPION: good}
    with pytest.raises(NoChampion, match="start sklearn_training, xgboost_training or lightgbm_training"):
        aliases.roll_back(url, settings, "model_promotion/again")


def test_rollback_to_a_broken_version_is_refused_and_changes_nothing(
    url: str, settings: Settings, register: Register
) -> None:
    for version in (broken := register(LASSO, WEAK, own=True), good := register(LINEAR)):
        judge_and_promote(url, settings, version)
    break_model(settings, broken)
    with pytest.raises(ModelInvalid, match=f"The previous champion, version {broken} of .*, cannot be used"):
        aliases.roll_back(url, settings, RUN)
    assert read_aliases(settings) == {CHAMPION: good, PREVIOUS: broken}
    better = register(FOREST, SMALL_FOREST)
    assert judge_and_promote(url, settings, better) == "promoted"
    assert read_aliases(settings) == {CHAMPION: better, PREVIOUS: good}


# What is said, and that it leads out


def test_each_way_that_is_named_leads_out(url: str, settings: Settings, register: Register, tmp_path: Path) -> None:
    """Walks them in the order of the texts: train without any champion, roll back, train without a previous one."""

    def ask() -> int:
        return predict(url, settings, [TRIP], "manual__1", store=tmp_path)["model"]["version"]

    def judge_all() -> None:
        # As a run of model_promotion does after each training.
        unjudged = judging.find_unjudged(url, settings, [])
        for version in unjudged:
            judging.judge(url, settings, version, RUN)
        judging.promote(url, settings, unjudged, RUN)

    with pytest.raises(NoChampion, match="start sklearn_training, xgboost_training or lightgbm_training"):
        ask()
    first = register(LASSO, WEAK)
    judge_all()
    assert ask() == first

    register_by_hand(settings)
    with pytest.raises(ModelInvalid, match=f"{WAYS_OUT.split(';')[0].partition('(')[0]}") as refused:
        ask()
    assert WAYS_OUT in str(refused.value)
    register(LINEAR)
    judge_all()
    assert ask() == 3, "a training leads out"

    register(FOREST, SMALL_FOREST)
    judge_all()
    assert ask() == 4
    register_by_hand(settings)
    aliases.roll_back(url, settings, "model_promotion/back")
    assert ask() == 3, "a rollback leads out"


def test_broken_champion_is_told_once_until_it_is_mended_or_replaced(
    url: str, settings: Settings, register: Register
) -> None:
    broken = register(LINEAR, change=forget_numbers)
    promote_by_hand(settings, broken)

    def told() -> set[str]:
        return {
            alert.event_key
            for run in ("first", "second")
            for alert in report_unusable(url, settings.registered_model, "model_promotion", run, {})
        }

    assert told() == set()
    for version in (register(LINEAR, change=forget_numbers), register(LINEAR, change=forget_numbers)):
        judging.judge(url, settings, version, f"model_promotion/{version}")
    check_champion(url, settings)
    first = told()
    assert len(first) == 1, "an event is told once by its key"
    [alert] = report_unusable(url, settings.registered_model, "model_promotion", "first", {})
    assert alert.severity == "error"
    assert alert.facts == {"What to do": WAYS_OUT}
    assert judge_and_promote(url, settings, register(LINEAR)) == "promoted"
    assert told() == set()
    promote_by_hand(settings, broken)
    check_champion(url, settings)
    assert len(told() - first) == 1, "what breaks again is told again"


def test_broken_champion_is_a_reason_to_train_again_until_a_training_has_followed(
    url: str, settings: Settings, register: Register
) -> None:
    broken = register(LINEAR, change=forget_numbers)
    promote_by_hand(settings, broken)

    def reasons() -> list[str]:
        sample = settings.change(source="sample", months=("2024-01", "2024-02"))
        return find_reasons(look(url, sample, datetime.now(UTC)), 1e9, force=False)

    reason = f"the champion, version {broken}, cannot be used"
    assert reason not in reasons()
    check_champion(url, settings)
    assert reason in reasons()
    report = watch.measure_drift(url, settings.change(drift_minimum_rows=20))
    assert report and not report.errors, "monitoring goes on"
    retraining = {"reasons": [reason], "months": ["2024-02"]}
    prepared = FollowedRun("data_preparation", "prepared", "success")
    finish(url, settings, "automatic_retraining/first", retraining, [prepared], ignore_failures=True)
    assert reason in reasons(), "no family has trained"
    trained = FollowedRun("sklearn_training", "trained", "success")
    finish(url, settings, "automatic_retraining/second", retraining, [prepared, trained], ignore_failures=True)
    assert reason not in reasons()


def test_monitoring_and_batch_go_on_or_say_why(url: str, settings: Settings, tmp_path: Path) -> None:
    register_by_hand(settings)
    assert watch.measure_drift(url, settings) is None
    assert WAYS_OUT in (check_champion(url, settings) or "")
    [job] = batch.plan(url, settings, months=["2024-01"])
    with pytest.raises(ModelInvalid, match="cannot be loaded") as refused:
        batch.score(url, settings, job, store=tmp_path)
    assert WAYS_OUT in str(refused.value)
    assert decisions.list_judged(url, settings.registered_model) == set()


def test_version_that_names_a_training_set_that_is_not_there_keeps_nobody_from_judging(
    url: str, settings: Settings, register: Register
) -> None:
    client = runs.open_tracker(settings).client
    odd = [register_by_hand(settings) for _ in range(3)]
    for version, named in zip(odd, ("999", "latest", "1"), strict=True):
        client.set_model_version_tag(settings.registered_model, str(version), "training_set_version", named)
    good = register(LINEAR)
    assert judging.find_unjudged(url, settings, odd) == [good]
    assert judge_and_promote(url, settings, good) == "promoted"
