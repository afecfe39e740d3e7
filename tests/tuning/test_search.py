import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Barrier, Lock, Thread
from time import sleep
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.models.fitting import Fitted
from include.models.table import MODELS, ModelType
from include.tuning.curves import Watch
from include.tuning.proposals import Parameters, propose
from include.tuning.search import Best, Limits, Trial, tune
from tests.waiting import wait_until

# Every kind of distribution, and more trials than the 20 that TPE draws at random before it learns.
MODEL = ModelType(
    "sklearn",
    space={
        "depth": ("int", 1, 12),
        "rate": ("loguniform", 1e-3, 1.0),
        "share": ("uniform", 0.5, 1.0),
        "intercept": ("choice", True, False),
    },
    start={"depth": 6, "rate": 0.1, "share": 0.8, "intercept": True},
)
COIN = ModelType("sklearn", space={"side": ("choice", "head", "tail")}, start={"side": "head"})
TRIALS = 26
TIMES = ("started_at", "finished_at")
LIMITS = Limits(max_evaluations=TRIALS, time_budget=1e9, patience=1000)


@dataclass
class MemoryStore:
    """Keeps trials as a database would: through JSON."""

    rows: dict[int, str] = field(default_factory=dict)
    first: list[Parameters] = field(default_factory=list)
    claimed: set[int] = field(default_factory=set)
    lock: Lock = field(default_factory=Lock)

    def begin(self, first: Sequence[Parameters]) -> list[Parameters]:
        with self.lock:
            self.first = self.first or list(first)
            return self.first

    def load(self, start: int = 0) -> list[Trial]:
        with self.lock:
            rows = [json.loads(row) for number, row in sorted(self.rows.items()) if number >= start]
        return [Trial(**{**row, **{time: datetime.fromisoformat(row[time]) for time in TIMES}}) for row in rows]

    def claim(self, number: int) -> bool:
        with self.lock:
            is_free = number not in self.claimed
            self.claimed.add(number)
            return is_free

    def release(self, number: int) -> None:
        with self.lock:
            self.claimed.remove(number)

    def append(self, trial: Trial) -> None:
        times = {time: getattr(trial, time).isoformat() for time in TIMES}
        with self.lock:
            self.rows.setdefault(trial.number, json.dumps({**trial.__dict__, **times}, allow_nan=False))


def bowl(parameters: Mapping[str, Any]) -> Fitted:
    """An error with one lowest point, at depth 8, rate 0.05, share 0.9."""
    rmse = (
        abs(parameters["depth"] - 8)
        + abs(math.log(parameters["rate"] / 0.05))
        + 5 * abs(parameters["share"] - 0.9)
        + (0.5 if parameters["intercept"] else 1.0)
    )
    return Fitted(None, {"rmse": rmse, "mae": rmse / 2}, rmse)


def refuse_deep(parameters: Mapping[str, Any]) -> Fitted:
    """As `bowl`, but a third of the space cannot be fitted."""
    if parameters["depth"] > 8:
        raise ValueError(f"depth {parameters['depth']} is too deep")
    return bowl(parameters)


def search(
    store: MemoryStore,
    fit: Callable[[Mapping[str, Any]], Fitted] = bowl,
    limits: Limits = LIMITS,
    model: ModelType = MODEL,
    seed: int = 42,
    known: Sequence[Mapping[str, Any]] = (),
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> Best:
    def fit_watched(parameters: Mapping[str, Any], _: Watch) -> Fitted:
        return fit(parameters)

    return tune(model, fit_watched, store, limits, random_state=seed, known=known, on_trial=on_trial)


def sequence(store: MemoryStore) -> list[tuple]:
    return [(trial.number, dict(trial.parameters), trial.loss, trial.error) for trial in store.load()]


class Killed(BaseException):
    """What no search may catch."""


GOOD = {"depth": 8, "rate": 0.04, "share": 0.9, "intercept": True}
FAIR = {"depth": 7, "rate": 0.2, "share": 0.7, "intercept": False}


def run_with_kills(store: MemoryStore, kills: list[tuple[str, int]], seed: int) -> Best:
    """A search that is killed at the given calls, during a fit or after a trial was stored, and started over.

    Each time, something else is known; what counts is what it began with.
    """
    for moment, call in kills:
        calls = {"during a fit": count(), "after a trial was stored": count()}

        def die_at(now: str, moment: str = moment, call: int = call, calls: dict[str, count] = calls) -> None:
            if next(calls[now]) == call and now == moment:
                raise Killed

        def fit(parameters: Mapping[str, Any], die_at: Callable[[str], None] = die_at) -> Fitted:
            die_at("during a fit")
            return refuse_deep(parameters)

        # With a process, its claims end.
        store.claimed.clear()
        with suppress(Killed):
            return search(
                store,
                fit,
                seed=seed,
                known=[GOOD, FAIR] if not store.rows else [FAIR],
                on_trial=lambda trial, die_at=die_at: die_at("after a trial was stored"),
            )
    store.claimed.clear()
    return search(store, refuse_deep, seed=seed, known=[] if store.rows else [GOOD, FAIR])


KILLS = st.lists(
    st.tuples(st.sampled_from(["during a fit", "after a trial was stored"]), st.integers(0, TRIALS - 1)), max_size=4
)


@given(seed=st.integers(0, 2**32 - 1), kills=KILLS)
@settings(deadline=None, max_examples=8)
def test_killed_search_goes_on_with_exactly_the_sequence_of_an_uninterrupted_one(
    seed: int, kills: list[tuple[str, int]]
) -> None:
    whole, broken = MemoryStore(), MemoryStore()
    best = search(whole, refuse_deep, seed=seed, known=[GOOD, FAIR])
    assert run_with_kills(broken, kills, seed) == best
    assert sequence(broken) == sequence(whole)
    assert [number for number, *_ in sequence(broken)] == list(range(TRIALS))


def search_with(
    workers: int, store: MemoryStore, fit: Callable[[Mapping[str, Any]], Fitted], limits: Limits
) -> list[Best]:
    """What each of several workers in threads of their own returns."""
    found: list[Best] = []
    together = Barrier(workers)

    def work() -> None:
        together.wait()
        found.append(search(store, fit, replace(limits, workers=workers), known=[GOOD, FAIR]))

    threads = [Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def fit_slowly(parameters: Mapping[str, Any]) -> Fitted:
    """As `refuse_deep`, in a time that depends on the parameters: workers overtake each other."""
    sleep(parameters["share"] / 100)
    return refuse_deep(parameters)


@pytest.mark.parametrize("limits", [LIMITS, replace(LIMITS, patience=6), replace(LIMITS, max_evaluations=5)])
def test_several_workers_do_exactly_the_trials_that_one_does(limits: Limits) -> None:
    alone = MemoryStore()
    best = search(alone, refuse_deep, limits, known=[GOOD, FAIR])
    for workers in (2, 4):
        shared = MemoryStore()
        assert search_with(workers, shared, fit_slowly, limits) == [best] * workers
        assert sequence(shared) == sequence(alone)


def test_each_trial_is_done_by_one_worker() -> None:
    store, fitted = MemoryStore(), []

    def fit(parameters: Mapping[str, Any]) -> Fitted:
        fitted.append(tuple(parameters.values()))
        return fit_slowly(parameters)

    search_with(4, store, fit, LIMITS)
    assert len(fitted) == len(set(fitted)) == len(store.rows) == TRIALS


def test_trial_of_a_worker_that_was_killed_is_done_by_another() -> None:
    store = MemoryStore()
    store.claim(1)
    together = Barrier(2)

    def bury() -> None:
        together.wait()
        wait_until(lambda: set(store.rows) == {0, 2, 3}, "all that can be done without it is done")
        store.release(1)

    thread = Thread(target=bury)
    thread.start()
    together.wait()
    best = search(store)
    thread.join()
    alone = MemoryStore()
    assert search(alone) == best
    assert sequence(store) == sequence(alone)


def test_trial_that_another_finishes_between_the_look_and_the_claim_is_not_the_end_of_the_search() -> None:
    whole, limits = MemoryStore(), replace(LIMITS, concurrency=1)
    best = search(whole, limits=limits)

    class Overtaken(MemoryStore):
        def claim(self, number: int) -> bool:
            if number % 4 == 3:
                self.rows.setdefault(number, whole.rows[number])
            return super().claim(number)

    store = Overtaken()
    assert search(store, limits=limits) == best
    assert sequence(store) == sequence(whole)


def test_time_that_another_uses_up_between_the_look_and_the_claim_ends_the_search() -> None:
    whole = MemoryStore()
    search(whole, limits=replace(LIMITS, max_evaluations=8))
    trials = whole.load()

    class Overtaken(MemoryStore):
        def claim(self, number: int) -> bool:
            if number == 6:  # another worker does it, and is done before the next one is claimed
                self.rows[6] = whole.rows[6]
                return False
            return super().claim(number)

    store = Overtaken({number: whole.rows[number] for number in range(6)})
    best = search(store, limits=replace(LIMITS, time_budget=sum(trial.seconds for trial in trials[:7])))
    assert (best.trials, best.stopped_by) == (7, "time_budget")


@pytest.mark.parametrize("hours", [2, -2])
def test_clock_that_is_set_during_a_trial_takes_and_gives_no_time(hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        ahead = timedelta()

        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + cls.ahead

    def fit(parameters: Mapping[str, Any]) -> Fitted:
        Clock.ahead = timedelta(hours=hours)
        return bowl(parameters)

    monkeypatch.setattr("include.tuning.search.datetime", Clock)
    store = MemoryStore()
    assert search(store, fit, Limits(5, 600, 1000)).trials == 5
    assert all(0 <= trial.seconds < 600 for trial in store.load())


def test_worker_without_time_fills_the_gaps_that_a_killed_one_has_left_and_no_more() -> None:
    whole, broken = MemoryStore(), MemoryStore()
    search(whole, limits=Limits(4, 1e9, 1000))
    broken.rows = {number: row for number, row in whole.rows.items() if number in (0, 2)}
    best = search(broken, limits=Limits(50, 1e-9, 1000))
    assert (best.trials, best.stopped_by) == (3, "time_budget")
    assert sequence(broken) == sequence(whole)[:3]


DIE = ModelType("sklearn", space={"side": ("choice", *range(8))}, start={"side": 3})
FOLDS = 3


def throw(parameters: Mapping[str, Any], watch: Watch) -> Fitted:
    """Each side is proposed often, and may be ended at one time and not at another."""
    error = float(parameters["side"] * 5 % 8)
    for fold in range(1, FOLDS + 1):
        if watch.after_fold(fold, FOLDS, error):
            break
    return Fitted(None, {"folds": fold}, watch.limit(error))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("concurrency", [1, 2, 4, 7])
def test_trial_follows_from_those_up_to_a_fixed_distance_before_it_alone(concurrency: int, seed: int) -> None:
    limits = replace(LIMITS, concurrency=concurrency)
    whole = MemoryStore()
    tune(DIE, throw, whole, limits, random_state=seed)
    trials = whole.load()
    assert {trial.has_ended for trial in trials} == {True, False}

    class OfOne(MemoryStore):
        def claim(self, number: int) -> bool:
            return number == trial.number and super().claim(number)

    def die(_: Trial) -> None:
        raise Killed

    for trial in trials:
        store = OfOne({number: whole.rows[number] for number in range(limits.count_earlier(trial.number))})
        with suppress(Killed):
            tune(DIE, throw, store, limits, random_state=seed, on_trial=die)
        [again] = store.load(trial.number)
        assert again == replace(trial, started_at=again.started_at, finished_at=again.finished_at)


@pytest.mark.parametrize(
    ("concurrency", "expected"),
    [
        (1, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (2, [0, 0, 2, 3, 3, 4, 5, 6, 7, 8]),
        (4, [0, 0, 0, 0, 3, 3, 3, 4, 5, 6]),
        (6, [0, 0, 0, 0, 0, 0, 3, 3, 3, 4]),
    ],
)
def test_trial_is_compared_with_those_up_to_a_fixed_distance_before_it(concurrency: int, expected: list[int]) -> None:
    lengths: list[int] = []

    def fit(parameters: Mapping[str, Any], watch: Watch) -> Fitted:
        lengths.append(len(watch.finished))
        watch(10, 1.0)
        return bowl(parameters)

    tune(MODEL, fit, MemoryStore(), Limits(10, 1e9, 1000, concurrency=concurrency), random_state=42)
    assert lengths == expected


def test_search_starts_from_the_tables_start_and_finds_better() -> None:
    store = MemoryStore()
    best = search(store)
    assert store.load()[0].parameters == MODEL.start
    assert best.loss == min(trial.loss for trial in store.load()) < store.load()[0].loss  # type: ignore[operator,type-var]
    assert bowl(best.parameters).metrics["rmse"] == best.loss


def test_search_begins_with_what_is_known_then_with_the_tables_start() -> None:
    store = MemoryStore()
    search(store, known=[GOOD, FAIR, GOOD, MODEL.start])
    begun = [trial.parameters for trial in store.load()[:3]]
    assert begun == [GOOD, FAIR, MODEL.start]


def test_known_parameters_change_nothing_of_a_search_that_begins_with_the_tables_start() -> None:
    plain, known = MemoryStore(), MemoryStore()
    search(plain)
    search(known, known=[MODEL.start])
    assert sequence(plain) == sequence(known)


@pytest.mark.parametrize(
    "outside",
    [{**GOOD, "depth": 13}, {**GOOD, "intercept": "yes"}, {"depth": 8}, {**GOOD, "other": 1.0}],
    ids=["too large", "no choice", "too few", "too many"],
)
def test_known_parameters_that_the_space_does_not_hold_are_left_out(outside: Mapping[str, Any]) -> None:
    store = MemoryStore()
    search(store, limits=Limits(2, 1e9, 1000), known=[outside, FAIR])
    assert [trial.parameters for trial in store.load()] == [FAIR, MODEL.start]


@pytest.mark.parametrize(("known", "expected"), [([GOOD, FAIR], GOOD), ([], dict(MODEL.start))])
def test_no_evaluations_are_one_trial_of_the_best_that_is_known(
    known: list[dict[str, Any]], expected: dict[str, Any]
) -> None:
    store = MemoryStore()
    best = search(store, limits=Limits(0, 1e9, 1000), known=known)
    assert (best.parameters, best.trials, len(store.rows)) == (expected, 1, 1)


def test_search_proposes_only_what_the_space_allows() -> None:
    store = MemoryStore()
    search(store)
    for trial in store.load():
        depth, rate, share, intercept = (trial.parameters[name] for name in MODEL.space)
        assert isinstance(depth, int) and 1 <= depth <= 12
        assert 1e-3 <= rate <= 1
        assert 0.5 <= share <= 1
        assert isinstance(intercept, bool)


def test_same_seed_gives_the_same_search_and_another_seed_another() -> None:
    stores = [MemoryStore(), MemoryStore(), MemoryStore()]
    for store, seed in zip(stores, (1, 1, 2), strict=True):
        search(store, seed=seed)
    first, same, other = map(sequence, stores)
    assert first == same != other


def test_finished_search_is_not_continued() -> None:
    store, calls = MemoryStore(), []
    best = search(store)
    assert search(store, lambda parameters: calls.append(parameters) or bowl(parameters)) == best
    assert (calls, len(store.rows)) == ([], TRIALS)


def test_each_trial_is_reported_once_after_it_is_stored() -> None:
    store, reported = MemoryStore(), []
    search(store, on_trial=lambda trial: reported.append((trial.number, len(store.rows))))
    assert reported == [(number, number + 1) for number in range(TRIALS)]


def test_identical_parameters_are_fitted_once() -> None:
    store, fitted = MemoryStore(), []

    def fit(parameters: Mapping[str, Any]) -> Fitted:
        fitted.append(parameters["side"])
        rmse = 1.0 if parameters["side"] == "head" else 2.0
        return Fitted(None, {"rmse": rmse}, rmse)

    best = search(store, fit, Limits(12, 1e9, 1000), COIN)
    assert sorted(fitted) == ["head", "tail"]
    assert (best.parameters, best.trials, len(store.rows)) == ({"side": "head"}, 12, 12)


def test_identical_parameters_are_not_fitted_again_after_a_kill() -> None:
    store, limits = MemoryStore(), Limits(12, 1e9, 1000)
    search(store, lambda parameters: Fitted(None, {"rmse": 1.0}, 1.0), limits, COIN)
    store.rows = {number: row for number, row in store.rows.items() if number < 8}

    def refuse(parameters: Mapping[str, Any]) -> Fitted:
        pytest.fail(f"{parameters} had been fitted before")

    assert search(store, refuse, limits, COIN).trials == 12


def test_failed_trials_are_kept_with_their_error_and_the_search_goes_on() -> None:
    store = MemoryStore()
    best = search(store, refuse_deep)
    failed = [trial for trial in store.load() if trial.loss is None]
    assert failed
    assert all(trial.error == f"ValueError: depth {trial.parameters['depth']} is too deep" for trial in failed)
    assert all(trial.metrics == {} for trial in failed)
    assert (best.parameters["depth"] <= 8, best.trials) == (True, TRIALS)


def test_search_survives_a_failed_first_trial() -> None:
    def fit(parameters: Mapping[str, Any]) -> Fitted:
        if parameters == MODEL.start:
            raise MemoryError
        return bowl(parameters)

    store = MemoryStore()
    assert search(store, fit).trials == TRIALS
    assert store.load()[0].error == "MemoryError: "


@pytest.mark.parametrize("rmse", [math.nan, math.inf])
def test_error_that_is_no_number_is_a_failed_trial(rmse: float) -> None:
    store = MemoryStore()

    def fit(parameters: Mapping[str, Any]) -> Fitted:
        return Fitted(None, {"rmse": rmse}, rmse) if parameters == MODEL.start else bowl(parameters)

    search(store, fit, Limits(3, 1e9, 1000))
    first, second, _ = store.load()
    assert (first.loss, first.error) == (None, "the validation error is not a finite number")
    assert second.loss is not None


@pytest.mark.parametrize("trials", [1, TRIALS])
def test_search_without_one_success_is_an_error_that_says_why(trials: int) -> None:
    def fit(parameters: Mapping[str, Any]) -> Fitted:
        raise ValueError("no such solver")

    store, limits = MemoryStore(), Limits(trials, 1e9, 1000)
    message = f"None of {trials} trials could be fitted: ValueError: no such solver"
    with pytest.raises(RuntimeError, match=message):
        search(store, fit, limits)
    with pytest.raises(RuntimeError, match=message):  # and again when it is tried again
        search(store, fit, limits)
    assert len(store.rows) == trials


def test_search_stops_after_the_allowed_evaluations() -> None:
    best = search(MemoryStore(), limits=Limits(5, 1e9, 1000))
    assert (best.trials, best.stopped_by) == (5, "max_evaluations")


@pytest.mark.parametrize(("concurrency", "trials"), [(1, 5), (4, 8), (5, 9), (8, 12)])
def test_search_stops_once_no_trial_that_the_next_would_be_proposed_from_has_improved_for_long(
    concurrency: int, trials: int
) -> None:
    limits = Limits(50, 1e9, 4, concurrency=concurrency)
    best = search(MemoryStore(), lambda parameters: Fitted(None, {"rmse": 3.0}, 3.0), limits)
    assert (best.trials, best.loss, best.stopped_by) == (trials, 3.0, "patience")


def test_failed_trials_count_as_no_improvement() -> None:
    def fit(parameters: Mapping[str, Any]) -> Fitted:
        if parameters != MODEL.start:
            raise ValueError
        return bowl(parameters)

    assert search(MemoryStore(), fit, Limits(50, 1e9, 4)).stopped_by == "patience"


def test_search_stops_when_its_time_is_used_up_but_not_before_the_first_trial() -> None:
    best = search(MemoryStore(), limits=Limits(50, 1e-9, 1000))
    assert (best.trials, best.stopped_by) == (1, "time_budget")


def test_time_of_a_killed_search_counts() -> None:
    store = MemoryStore()
    search(store, limits=Limits(4, 1e9, 1000))
    used = sum(trial.seconds for trial in store.load())
    assert search(store, limits=Limits(50, used, 1000)).trials == 4


def test_more_evaluations_continue_a_finished_search() -> None:
    longer, whole = MemoryStore(), MemoryStore()
    search(longer, limits=Limits(10, 1e9, 1000))
    search(longer)
    search(whole)
    assert sequence(longer) == sequence(whole)


@pytest.mark.parametrize("name", MODELS)
def test_space_of_every_model_type_can_be_searched(name: str) -> None:
    store = MemoryStore()
    search(store, lambda parameters: Fitted(None, {"rmse": 1.0}, 1.0), Limits(3, 1e9, 1000), MODELS[name])
    assert [set(trial.parameters) for trial in store.load()] == [set(MODELS[name].space)] * 3


@dataclass
class KeepingStore(MemoryStore):
    """Says which trials came with an estimator."""

    kept: list[int] = field(default_factory=list)

    def append(self, trial: Trial) -> None:
        if trial.estimator is not None:
            self.kept.append(trial.number)
        super().append(replace(trial, estimator=None))


def search_losses(store: MemoryStore, losses: Sequence[float | None], keep: int) -> None:
    """A search whose trials have these losses, or fail; each has parameters of its own."""
    remaining = iter(losses[len(store.rows) :])

    def fit(parameters: Mapping[str, Any], _: Watch) -> Fitted:
        loss = next(remaining)
        if loss is None:
            raise ValueError("no such solver")
        return Fitted("estimator", {"rmse": loss}, loss)

    tune(MODEL, fit, store, Limits(len(losses), 1e9, 1000), random_state=1, keep=keep)


@pytest.mark.parametrize(("keep", "kept"), [(1, [0, 3, 5]), (2, [0, 2, 3, 5]), (3, [0, 2, 3, 5]), (9, [0, 2, 3, 4, 5])])
def test_estimators_of_the_best_trials_so_far_are_kept(keep: int, kept: list[int]) -> None:
    store = KeepingStore()
    search_losses(store, [5.0, None, 6.0, 4.0, 6.0, 3.0], keep)
    assert store.kept == kept


def test_search_that_goes_on_keeps_what_an_uninterrupted_one_would_have_kept() -> None:
    whole, broken, losses = KeepingStore(), KeepingStore(), [5.0, 4.0, 6.0, 4.5, 7.0, 3.0, 4.2]
    search_losses(whole, losses, 2)
    for trials in (2, 4, 7):
        search_losses(broken, losses[:trials], 2)
    assert whole.kept == broken.kept == [0, 1, 3, 5]


def test_trial_with_parameters_of_an_earlier_one_or_that_was_ended_early_is_not_kept() -> None:
    store = KeepingStore()

    def fit(parameters: Mapping[str, Any], watch: Watch) -> Fitted:
        watch.has_ended = parameters["side"] == "tail"
        return Fitted("estimator", {"rmse": 1.0}, 1.0)

    tune(COIN, fit, store, Limits(12, 1e9, 1000), random_state=1, keep=5)
    assert store.kept == [0]
    assert {trial.has_ended for trial in store.load()} == {False, True}


def test_time_to_propose_is_time_of_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    store, proposed = MemoryStore(), []

    def note(*arguments: Any) -> Parameters:
        proposed.append(datetime.now(UTC))
        return propose(*arguments)

    monkeypatch.setattr("include.tuning.search.propose", note)
    search(store, limits=replace(LIMITS, max_evaluations=6))
    trials = store.load()
    assert len(trials) == len(proposed) == 6
    assert all(trial.started_at <= moment <= trial.finished_at for trial, moment in zip(trials, proposed, strict=True))
