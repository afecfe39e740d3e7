import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from include.models.fitting import Fitted, encode, fit
from include.models.libraries.table import LIBRARIES
from include.models.table import MODELS, ModelType
from include.tuning.curves import LEAST_FINISHED, LEAST_PROGRESS, Point, Watch
from include.tuning.search import Limits, tune
from tests.splits import PROBLEM, REFERENCES, make_split
from tests.tuning.test_search import MemoryStore

BOOSTED = ModelType(
    "lightgbm",
    space={"learning_rate": ("loguniform", 0.03, 0.3), "floor": ("uniform", 0.0, 1.0)},
    start={"learning_rate": 0.1, "floor": 0.5},
)
ROUNDS = 400
FALLING: Sequence[Point] = [(1.0, 5.0), (2.0, 4.0), (3.0, 3.0)]


def follow(watch: Watch, errors: Sequence[float]) -> int:
    """After how many rounds the watch ends a fit with these errors; all of them where it does not."""
    return next((at for at, error in enumerate(errors, start=1) if watch(at, error)), len(errors))


@pytest.mark.parametrize(("error", "rounds"), [(3.9, 40), (4.1, 20)])
def test_trial_that_is_worse_than_the_median_at_equal_progress_is_ended(error: float, rounds: int) -> None:
    others = [[(at, value + shift) for at, value in FALLING] for shift in (-1.0, 0.0, 1.0)]
    watch = Watch(others, 0.1)
    assert follow(watch, [error] * 20 + [2.0] * 20) == rounds
    assert watch.has_ended == (rounds == 20)


def test_slow_learner_is_compared_with_the_others_as_far_on_their_way() -> None:
    others = [FALLING] * LEAST_FINISHED
    errors = [6.0] * 30 + [4.5] * 30 + [2.5] * 60
    # Rounds of a tenth: the others had 3.0 after 30 of them, it has 4.5. As far on its way, after 60, it has 2.5.
    assert follow(Watch(others, 0.025), errors) == 120
    assert follow(Watch(others, 0.1), errors) == 20


def test_trial_that_was_ended_is_at_its_end_what_it_was() -> None:
    assert follow(Watch([[(1.0, 5.0)]] * LEAST_FINISHED, 0.1), [4.9] * 50) == 50
    assert follow(Watch([[(1.0, 5.0)]] * LEAST_FINISHED, 0.1), [5.1] * 50) == 20


@pytest.mark.parametrize("finished", range(LEAST_FINISHED))
def test_nothing_is_ended_while_few_have_finished(finished: int) -> None:
    assert follow(Watch([FALLING] * finished, 0.1), [9.0] * 50) == 50


def test_nothing_is_ended_before_it_is_under_way() -> None:
    watch = Watch([FALLING] * LEAST_FINISHED, 0.01)
    rounds = follow(watch, [9.0] * ROUNDS)
    assert rounds * 0.01 >= LEAST_PROGRESS > (rounds - 10) * 0.01
    assert watch.curve[-1] == (rounds * 0.01, 9.0)


FOLDS: Sequence[Point] = [(1, 2.0), (2, 4.0), (3, 6.0)]


@pytest.mark.parametrize(("errors", "folds"), [([1.9, 4.1], 2), ([2.1], 1), ([1.9, 3.9, 9.0], 3)])
def test_trial_on_folds_is_ended_after_one_where_it_is_worse_than_the_median(errors: list[float], folds: int) -> None:
    others = [[(at, value + shift) for at, value in FOLDS] for shift in (-1.0, 0.0, 1.0)]
    watch = Watch(others, 1.0)
    said = [watch.after_fold(at, 3, error) for at, error in enumerate(errors, start=1)]
    assert said == [False] * (folds - 1) + [folds < 3]
    assert watch.curve == list(enumerate(errors, start=1))
    assert watch.has_ended == (folds < 3)


@pytest.mark.parametrize("finished", range(LEAST_FINISHED))
def test_no_trial_on_folds_is_ended_while_few_have_finished(finished: int) -> None:
    watch = Watch([FOLDS] * finished, 1.0)
    assert [watch.after_fold(at, 3, 99.0) for at in (1, 2, 3)] == [False] * 3
    assert watch.limit(99.0) == 99.0


@pytest.mark.parametrize("error", [math.nan, math.inf])
def test_error_that_is_no_number_is_no_point_of_a_curve(error: float) -> None:
    on_folds, boosted = Watch([FOLDS] * LEAST_FINISHED, 1.0), Watch([FALLING] * LEAST_FINISHED, 0.1)
    assert [on_folds.after_fold(at, 3, error) for at in (1, 2, 3)] == [False] * 3
    assert follow(boosted, [error] * 50) == 50
    assert on_folds.curve == boosted.curve == []


def test_trial_on_folds_whose_error_is_no_number_has_failed() -> None:
    store = MemoryStore()

    def fit_on_folds(parameters: Mapping[str, Any], watch: Watch) -> Fitted:
        error = math.nan if parameters["floor"] < 0.5 else parameters["floor"]
        for fold in range(1, 4):
            watch.after_fold(fold, 3, error)
        return Fitted(None, {"rmse": error}, error)

    best = tune(BOOSTED, fit_on_folds, store, Limits(12, 1e9, 1000), random_state=3)
    failed = [trial for trial in store.load() if trial.error]
    assert 0 < len(failed) < 12
    assert best.loss >= 0.5
    assert all("not a finite number" in str(trial.error) and not trial.curve for trial in failed)


def test_trial_that_was_ended_on_an_easy_fold_is_not_the_best() -> None:
    watch = Watch([FOLDS] * LEAST_FINISHED, 1.0)
    assert watch.after_fold(1, 3, 2.5)
    assert watch.limit(2.5) == 6.0
    assert Watch([FOLDS] * LEAST_FINISHED, 1.0).limit(2.5) == 2.5


def boost(parameters: Mapping[str, Any], watch: Watch) -> Fitted:
    """Falls to its floor, the faster the larger the learning rate; the floor is higher where that is large."""
    error, rounds = math.inf, 0
    while rounds < ROUNDS:
        rounds += 1
        rate = parameters["learning_rate"]
        error = parameters["floor"] + rate + 5 * math.exp(-rounds * rate)
        if watch(rounds, error):
            break
    return Fitted(None, {"rmse": error, "rounds": rounds}, error)


LIMITS = Limits(max_evaluations=30, time_budget=1e9, patience=1000)


def test_search_ends_trials_early_finds_the_same_best_and_says_which_were_ended() -> None:
    store, plain = MemoryStore(), MemoryStore()
    best = tune(BOOSTED, boost, store, LIMITS, random_state=3)
    tune(BOOSTED, lambda parameters, _: boost(parameters, Watch([], 1.0)), plain, LIMITS, random_state=3)
    trials = store.load()
    ended = [trial for trial in trials if trial.has_ended]
    assert 5 < len(ended) < 25
    assert all(trial.metrics["rounds"] < ROUNDS for trial in ended)
    assert all(trial.metrics["rounds"] == ROUNDS for trial in trials if not trial.has_ended)
    assert best.loss == min(trial.loss or math.inf for trial in plain.load())
    assert best.parameters not in [trial.parameters for trial in ended]


def test_search_that_goes_on_ends_the_same_trials() -> None:
    whole, broken = MemoryStore(), MemoryStore()
    tune(BOOSTED, boost, whole, LIMITS, random_state=3)
    for evaluations in (1, 5, 12, 30):
        tune(BOOSTED, boost, broken, Limits(evaluations, 1e9, 1000), random_state=3)
    assert [(t.parameters, t.loss, t.curve, t.has_ended) for t in broken.load()] == [
        (t.parameters, t.loss, t.curve, t.has_ended) for t in whole.load()
    ]


@pytest.mark.parametrize("name", ["gbtree.squarederror", "gbdt.squarederror"])
def test_booster_tells_of_each_round_and_ends_with_its_best_one_so_far(name: str) -> None:
    model = MODELS[name]
    data = encode(model, PROBLEM, "rich", REFERENCES, make_split(400), make_split(100, seed=1))
    told: list[float] = []

    def end_after_thirty(rounds: int, error: float) -> bool:
        told.append(error)
        assert rounds == len(told)
        return rounds == 30

    fitted = fit(model, model.start, data, random_state=7, threads=1, watch=end_after_thirty)
    assert len(told) == 30
    assert fitted.metrics["rmse"] == pytest.approx(min(told), rel=1e-5)
    assert LIBRARIES[model.family].count_rounds(fitted.estimator) == told.index(min(told)) + 1


@pytest.mark.parametrize("name", ["gbtree.squarederror", "gbdt.squarederror"])
def test_fit_that_is_watched_to_its_end_is_the_same(name: str) -> None:
    model = MODELS[name]
    data = encode(model, PROBLEM, "rich", REFERENCES, make_split(400), make_split(100, seed=1))
    options = {"random_state": 7, "threads": 1}
    watched = fit(model, model.start, data, watch=lambda *_: False, **options)
    assert watched.metrics == fit(model, model.start, data, **options).metrics
