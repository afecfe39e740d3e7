from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

from include.errors import NoChampion, NoTrainingSet
from include.promotion import aliases, decisions, judging
from include.sets.examples import load_split
from include.sets.holdout import load_held_out
from include.settings import Settings
from include.tracking import registry, runs
from include.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS
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
from tests.published_sets import publish_set
from tests.warehouse_rows import query

# MLflow says so of every model: our integers are never missing, and the other is its own.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range"),
]


# Who wins


def test_first_model_is_promoted_when_it_beats_the_best_baseline(
    url: str, settings: Settings, register: Callable
) -> None:
    version = register(LINEAR)
    assert judge_and_promote(url, settings, version) == "promoted"
    assert read_aliases(settings) == {CHAMPION: version}
    [(split, rows, judged_on)] = query(url, "SELECT split, rows, judged_on FROM training.promotions")
    assert (split, rows, judged_on) == ("test", len(load_split(url, 1, "test")), 1)


def test_first_model_that_learnt_nothing_is_rejected_and_one_sentence_says_what_it_had_to_beat(
    url: str, settings: Settings, register: Callable
) -> None:
    version = register(LINEAR, shuffled=True)
    assert judge_and_promote(url, settings, version) == "rejected"
    assert read_aliases(settings) == {CHALLENGER: version}
    unbeaten = judging.describe_unbeaten(url, settings)
    assert unbeaten
    assert unbeaten.startswith("No model beats the best baseline, the mean: RMSE ")
    assert unbeaten.endswith("nothing is promoted.")
    judge_and_promote(url, settings, register(LINEAR))
    assert judging.describe_unbeaten(url, settings) is None


def test_truly_better_one_takes_the_place_and_one_of_shuffled_targets_never(
    url: str, settings: Settings, register: Callable
) -> None:
    weak, shuffled = register(LASSO, WEAK), register(FOREST, SMALL_FOREST, shuffled=True)
    assert judge_and_promote(url, settings, weak) == "promoted"
    assert judge_and_promote(url, settings, shuffled) == "rejected"
    better = register(FOREST, SMALL_FOREST)
    assert judge_and_promote(url, settings, better) == "promoted"
    assert read_aliases(settings) == {CHAMPION: better, PREVIOUS: weak}


def test_of_ten_equal_ones_at_most_one_is_promoted(url: str, settings: Settings, register: Callable) -> None:
    judge_and_promote(url, settings, register(FOREST, SMALL_FOREST, seed=100))
    states = [judge_and_promote(url, settings, register(FOREST, SMALL_FOREST, seed=seed)) for seed in range(10)]
    assert states.count("promoted") <= 1


def test_two_versions_are_both_judged_and_the_second_against_the_first(
    url: str, settings: Settings, register: Callable
) -> None:
    weak, better = register(LASSO, WEAK), register(FOREST, SMALL_FOREST)
    assert judging.find_unjudged(url, settings, [weak]) == [weak, better]
    for version in (weak, better):
        assert judging.judge(url, settings, version, RUN).champion_version is None
    promoted = judging.promote(url, settings, [weak, better], RUN)
    assert promoted
    assert (promoted.version, promoted.champion_version) == (better, weak)
    assert read_aliases(settings) == {CHAMPION: better, PREVIOUS: weak}
    assert judging.find_unjudged(url, settings, [weak, better]) == []


def test_older_version_is_judged_when_it_is_named(url: str, settings: Settings, register: Callable) -> None:
    older, newer = register(LINEAR), register(LASSO, WEAK)
    judging.judge(url, settings, newer, RUN)
    assert judging.find_unjudged(url, settings, []) == []
    assert judging.find_unjudged(url, settings, [older]) == [older]


def test_winners_of_an_attempt_that_was_lost_are_found_by_the_next_one_of_the_run(
    url: str, settings: Settings, register: Callable
) -> None:
    versions = [register(LASSO, WEAK), register(LINEAR)]
    assert [judging.judge(url, settings, version, RUN).state for version in versions] == ["waiting"] * 2
    assert judging.find_unjudged(url, settings, [], RUN) == versions
    assert [judging.judge(url, settings, version, RUN).state for version in versions] == ["waiting"] * 2
    assert judging.find_unjudged(url, settings, versions, "model_promotion/other") == []
    judging.promote(url, settings, versions, RUN)
    assert judging.find_unjudged(url, settings, versions, RUN) == []


def test_version_is_judged_once_however_often_it_is_announced(url: str, settings: Settings, register: Callable) -> None:
    version = register(LINEAR)
    first = judging.judge(url, settings, version, RUN)
    assert judging.judge(url, settings, version, "model_promotion/other") == first
    assert query(url, "SELECT count(*) FROM training.promotions") == [(1,)]


def test_declined_winner_is_not_promoted(url: str, settings: Settings, register: Callable) -> None:
    version = register(LINEAR)
    judging.judge(url, settings, version, RUN)
    judging.decline(url, settings, [version])
    assert judging.promote(url, settings, [version], RUN) is None
    assert read_aliases(settings) == {CHALLENGER: version}


def test_model_that_cannot_be_loaded_is_rejected_and_says_why(
    url: str, settings: Settings, register: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = register(LINEAR)
    with monkeypatch.context() as patch:
        patch.setattr("include.models.artifact.FORMAT", 99)
        decision = judging.judge(url, settings, version, RUN)
    assert decision.state == "rejected"
    assert "The model cannot be used" in decision.reason


def test_version_that_was_registered_by_other_means_is_left_alone(
    url: str, settings: Settings, register: Callable
) -> None:
    client = runs.open_tracker(settings).client
    client.create_registered_model(settings.registered_model)
    run = client.create_run("0")
    client.create_model_version(settings.registered_model, f"runs:/{run.info.run_id}/model", run_id=run.info.run_id)
    assert judging.find_unjudged(url, settings, [1]) == []


def test_decision_is_written_on_the_version_and_as_a_card(
    url: str, settings: Settings, register: Callable, tmp_path: Path
) -> None:
    query(url, """UPDATE training.sets SET suspects = '{"trip_distance": 0.81}' RETURNING version""")
    version = register(LINEAR)
    decision = judging.judge(url, settings, version, RUN)
    found = registry.get_version(runs.open_tracker(settings), settings.registered_model, version)
    assert found.tags["decision"] == "waiting"
    assert found.tags["judged_against"] == "mean"
    assert found.tags["judged_on"] == "test split of training set 1"
    path = mlflow.artifacts.download_artifacts(
        run_id=found.tags["run_id"], artifact_path="model_card.md", dst_path=str(tmp_path)
    )
    card = Path(path).read_text()
    assert decision.reason in card
    for part in (
        "## Data",
        "## Lineage",
        "| git_commit | c0ffee |",
        "rows that no search has seen, against the best baseline, the mean.",
        "Look 1 on these rows",
        "99 % interval",
        "## Slices",
        "## Baselines",
        "| distance | 1-3 miles |",
        "Rows count with a target of 1 to 60 minutes only, here and in live errors.",
        "'trip_distance' alone explains 81% of the target.",
        "trip_distance: the median of the training rows of equal pickup_zone and dropoff_zone.",
        "| validation | 4.5 | 5.25 |",
    ):
        assert part in card


def test_each_further_version_on_the_same_rows_needs_more_confidence(
    url: str, settings: Settings, register: Callable
) -> None:
    name = settings.registered_model
    for version in (register(LINEAR), register(LASSO, WEAK), register(FOREST, SMALL_FOREST)):
        judging.judge(url, settings, version, RUN)
    looks = query(url, "SELECT version, look FROM training.promotions ORDER BY version")
    assert looks == [(1, 1), (2, 2), (3, 3)]
    # The same rows in another set: looks go on. Other rows: they begin again.
    assert decisions.count_judged_on(url, name, 4, 1, "test") == 3
    for days, judged in (("test_from", 3), ("test_from + 1", 0)):
        [(other,)] = query(
            url,
            "INSERT INTO training.sets (fingerprint, state, months, validation_from, test_from, declaration, settings,"
            f" sources, created_by) SELECT 'x', 'failed', months, validation_from, {days}, declaration, settings,"
            " sources, 'x' FROM training.sets WHERE version = 1 RETURNING version",
        )
        assert decisions.count_judged_on(url, name, 4, other, "test") == judged


# Families that were trained on one set

LITTLE_BETTER = {"alpha": WEAK["alpha"] - 1e-4}


def test_of_the_families_of_one_set_the_one_with_the_lowest_error_becomes_champion(
    url: str, settings: Settings, register: Callable
) -> None:
    weak = register(LASSO, WEAK)
    little_better = register(LASSO, LITTLE_BETTER, family="xgboost")
    worse = register(LASSO, {"alpha": 5.1}, family="lightgbm")
    assert judge_and_promote(url, settings, weak) == "promoted"
    assert judge_and_promote(url, settings, little_better) == "promoted"
    assert judge_and_promote(url, settings, worse) == "rejected"
    assert read_aliases(settings) == {CHAMPION: little_better, PREVIOUS: weak, CHALLENGER: worse}
    reasons = [reason for (reason,) in query(url, "SELECT reason FROM training.promotions ORDER BY version")]
    assert "of the best baseline, the mean: " in reasons[1]
    assert reasons[1].endswith(" of the champion, which was trained on the same set")
    assert " is not below " in reasons[2]
    assert reasons[2].endswith(" of the champion, which was trained on the same set")


def test_each_family_has_to_beat_what_the_first_one_had_to(url: str, settings: Settings, register: Callable) -> None:
    assert judge_and_promote(url, settings, register(LASSO, WEAK)) == "promoted"
    assert judge_and_promote(url, settings, register(LINEAR, shuffled=True, family="xgboost")) == "rejected"
    [(baseline,)] = query(url, "SELECT baseline FROM training.promotions WHERE version = 2")
    assert baseline == "mean"


def test_family_that_is_trained_again_on_the_set_has_to_beat_the_champion(
    url: str, settings: Settings, register: Callable
) -> None:
    weak, worse = register(LASSO, WEAK), register(LASSO, {"alpha": 5.1}, family="xgboost")
    assert judge_and_promote(url, settings, weak) == "promoted"
    assert judge_and_promote(url, settings, worse) == "rejected"
    again = register(LASSO, LITTLE_BETTER, family="xgboost")
    assert judge_and_promote(url, settings, again) == "rejected"
    [(rival, reason)] = query(url, f"SELECT rival_version, reason FROM training.promotions WHERE version = {again}")
    assert rival == weak
    assert reason.endswith("1.0% are needed")


def test_families_of_a_new_set_are_judged_against_the_champion_of_an_earlier_one(
    url: str, settings: Settings, register: Callable
) -> None:
    publish_set(url, Settings(source="sample", sample_rows=1_500, minimum_rows=100), months=["2024-01", "2024-02"])
    old = register(LASSO, WEAK)
    assert judge_and_promote(url, settings, old) == "promoted"
    first, lowest = register(LINEAR, set_version=2), register(FOREST, SMALL_FOREST, family="xgboost", set_version=2)
    assert judge_and_promote(url, settings, first) == "promoted"
    assert judge_and_promote(url, settings, lowest) == "promoted"
    rivals = query(url, "SELECT champion_version, rival_version FROM training.promotions ORDER BY version")
    assert rivals == [(None, None), (old, old), (first, old)]
    # What learned from the same data is nothing to go back to where these are bad.
    assert read_aliases(settings) == {CHAMPION: lowest, PREVIOUS: old}


def test_peer_that_cannot_be_used_is_reported_and_stands_in_nobodys_way(
    url: str, settings: Settings, register: Callable
) -> None:
    better = register(LINEAR, own=True)
    assert judge_and_promote(url, settings, better) == "promoted"
    worse = register(LASSO, WEAK, family="xgboost")
    break_model(settings, better)
    assert judge_and_promote(url, settings, worse) == "promoted"
    assert read_aliases(settings) == {CHAMPION: worse}


# Killed in the middle


class Killed(BaseException):
    """What nothing may catch."""


@pytest.mark.parametrize("calls", [0, 1])
def test_move_that_was_killed_is_completed_once_and_never_leaves_no_champion(
    url: str, settings: Settings, register: Callable, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    weak, better = register(LASSO, WEAK), register(FOREST, SMALL_FOREST)
    judge_and_promote(url, settings, weak)
    judging.judge(url, settings, better, RUN)
    left = calls

    def set_some(*arguments: Any) -> None:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        set_alias(*arguments)

    set_alias = registry.set_alias
    with monkeypatch.context() as patch:
        patch.setattr(registry, "set_alias", set_some)
        with pytest.raises(Killed):
            judging.promote(url, settings, [better], RUN)
    assert read_aliases(settings)[CHAMPION] == weak
    again = judging.promote(url, settings, [better], RUN)
    assert again
    assert (again.version, again.champion_version) == (better, weak)
    assert read_aliases(settings) == {CHAMPION: better, PREVIOUS: weak}
    assert judging.promote(url, settings, [better], RUN) == again
    assert read_aliases(settings) == {CHAMPION: better, PREVIOUS: weak}


def test_next_judgement_completes_what_a_killed_run_left(url: str, settings: Settings, register: Callable) -> None:
    first = register(LINEAR)
    decision = judging.judge(url, settings, first, RUN)
    decisions.set_state(url, decision, "moving")
    second = register(LASSO, WEAK)
    assert judging.judge(url, settings, second, RUN).champion_version == first
    assert read_aliases(settings) == {CHAMPION: first, CHALLENGER: second}


# Back again


def test_rollback_swaps_champion_and_previous_once_a_run(url: str, settings: Settings, register: Callable) -> None:
    weak, better = register(LASSO, WEAK), register(FOREST, SMALL_FOREST)
    for version in (weak, better):
        judge_and_promote(url, settings, version)
    for _ in range(2):
        back = aliases.roll_back(url, settings, "model_promotion/back")
        assert (back.version, back.champion_version, back.state) == (weak, better, "promoted")
        assert read_aliases(settings) == {CHAMPION: weak, PREVIOUS: better}
    aliases.roll_back(url, settings, "model_promotion/forth")
    assert read_aliases(settings) == {CHAMPION: better, PREVIOUS: weak}


def test_rollback_without_a_previous_champion_says_so(url: str, settings: Settings, register: Callable) -> None:
    judge_and_promote(url, settings, register(LINEAR))
    with pytest.raises(NoChampion, match="has no previous champion"):
        aliases.roll_back(url, settings, RUN)


# What is compared on


@pytest.mark.parametrize("months", ["{2024-02}", "{all}"])
def test_rows_that_a_model_has_learnt_from_are_left_out(url: str, months: str) -> None:
    with_test = load_held_out(url, [1])
    assert (with_test.set_version, with_test.split) == (1, "test")
    assert len(with_test.actual) == len(load_split(url, 1, "test"))
    # A set whose training split reaches into the held-out rows of the other.
    query(
        url,
        "INSERT INTO training.sets (state, months, validation_from, declaration, settings, sources)"
        f" VALUES ('superseded', '{months}', '2024-02-20', '{{}}', '{{}}', '{{}}') RETURNING version",
    )
    later = load_held_out(url, [1, 2])
    assert later.rows["pickup_at"].min() >= np.datetime64("2024-02-20")
    assert 0 < len(later.actual) < len(with_test.actual)


def test_there_is_nothing_to_compare_on_without_a_published_set(warehouse_url: str) -> None:
    with pytest.raises(NoTrainingSet):
        load_held_out(warehouse_url, [])


def test_event_says_who_is_champion_and_who_was() -> None:
    promotion = decisions.Promotion(
        "judgement", "trip-duration", 7, "sklearn", LINEAR, 3, 5, 5, "promoted", "because", RUN
    )
    assert promotion.to_event() == {
        "name": "trip-duration", "version": 7, "previous_version": 5, "family": "sklearn", "model": LINEAR,
    }  # fmt: skip
    assert replace(promotion, champion_version=None).to_event()["previous_version"] is None
