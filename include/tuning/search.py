"""Tunes one model type with hyperopt's TPE, by one worker or several, and however often one is killed.

What a trial is follows from its number, the seed, and the trials up to a fixed distance before it, so that the sequence
is the same whoever does a trial, and when.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Protocol

from include.models.fitting import Fitted
from include.models.table import ModelType
from include.tuning.curves import LEAST_FINISHED, Point, Watch
from include.tuning.proposals import Parameters, choose_first, propose

log = logging.getLogger(__name__)
Fit = Callable[[Parameters, Watch], Fitted]
SECONDS_BETWEEN_LOOKS = 0.2


@dataclass(frozen=True)
class Trial:
    """One finished evaluation.

    Attributes:
        loss: The error on validation, see `Fitted.loss`; None if the fit failed.
        curve: How its validation error fell, where it was boosted in rounds.
        has_ended: Whether it was ended because it could not win any more; its errors are those up to then.
        estimator: What was fitted, where the trial is among the best so far that are to be kept; None where it is not,
            or was read back.
    """

    number: int
    parameters: Parameters
    loss: float | None
    metrics: Mapping[str, float]
    error: str | None
    started_at: datetime
    finished_at: datetime
    curve: Sequence[Point] = ()
    has_ended: bool = False
    estimator: Any = field(default=None, compare=False, repr=False)

    @property
    def seconds(self) -> float:
        """Time of the proposal and the evaluation, whatever has happened to the clock."""
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class Best:
    """The search's result."""

    parameters: dict[str, Any]
    loss: float
    trials: int
    stopped_by: str


@dataclass(frozen=True)
class Limits:
    """When a search ends, and how its trials are shared out.

    Attributes:
        max_evaluations: Trials; with 0 there is no search, but one trial of the parameters known to be best.
        time_budget: Seconds of work of each worker.
        patience: Trials in a row without a better one, among those that the next trial would be proposed from.
        concurrency: Trials that can be done at once, as none of them is proposed from another.
    """

    max_evaluations: int
    time_budget: float
    patience: int
    workers: int = 1
    concurrency: int = 4

    def count_earlier(self, number: int) -> int:
        """How many trials, from the first on, this one is proposed from, and is compared with on its way."""
        if number < self.concurrency:
            return 0
        # Trials can be ended early as soon as so many have been finished, which is worth waiting for.
        return min(number, max(LEAST_FINISHED, number - self.concurrency + 1))


class TrialStore(Protocol):
    """Keeps one search's finished trials for all of its workers, and says which of them does which trial."""

    def begin(self, first: Sequence[Parameters]) -> list[Parameters]:
        """The points that the search begins with: those given, unless a worker has given others before."""
        ...

    def load(self, start: int = 0) -> list[Trial]:
        """The finished trials from a number on, in order."""
        ...

    def claim(self, number: int) -> bool:
        """Whether no other worker does this trial; none will, until it is released or this worker is dead."""
        ...

    def release(self, number: int) -> None:
        """Gives a claimed trial back, finished or not."""
        ...

    def append(self, trial: Trial) -> None:
        """Keeps a finished trial; doing so twice changes nothing."""
        ...


def tune(
    model: ModelType,
    fit: Fit,
    store: TrialStore,
    limits: Limits,
    *,
    random_state: int,
    known: Sequence[Parameters] = (),
    keep: int = 1,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> Best:
    """Searches the model type's space for the parameters with the lowest validation error, until the search has ended.

    Several workers that call this with the same arguments and one store share the trials.

    Args:
        fit: Fits with given parameters, and asks after each round of a booster whether to end it; a failure is a failed
            trial, not the end of the search.
        known: Parameters found to be good by earlier searches, the best first: the search begins with them.
        keep: How many of the best trials the store is given the estimators of.
        store: Holds the trials that other workers and earlier, interrupted calls finished, and takes the new ones.
        on_trial: Called with each trial of this worker after it is stored, for instance to track it.

    Raises:
        RuntimeError: Not one trial succeeded; the message holds the last trial's error.
    """
    first = store.begin(choose_first(model, known))
    done: dict[int, Trial] = {}
    while (number := _claim_next(store, done, limits)) is not None:
        earlier = [done[before] for before in range(limits.count_earlier(number))]
        started_at, begun = datetime.now(UTC), time.monotonic()
        parameters = propose(model, first, number, [(t.parameters, t.loss) for t in earlier], random_state)
        trial = _evaluate(fit, number, parameters, started_at, earlier, done, keep)
        trial = replace(trial, finished_at=started_at + timedelta(seconds=time.monotonic() - begun))
        store.append(trial)
        store.release(number)
        done[number] = replace(trial, estimator=None)
        on_trial(trial)
    best = _find_best(done.values())
    if best is None or best.loss is None:
        raise RuntimeError(f"None of {len(done)} trials could be fitted: {done[max(done)].error}")
    return Best(dict(best.parameters), best.loss, len(done), _find_stop(done, limits) or "exhausted")


def _claim_next(store: TrialStore, done: dict[int, Trial], limits: Limits) -> int | None:
    """The number of a trial to do, claimed; None where the search has ended. Reads what others have done meanwhile."""
    while True:
        pending = _find_pending(done, _read(store, done), limits)
        known, is_busy = len(done), False
        for number in pending:
            if not store.claim(number):
                is_busy = True
                continue
            # It may have been finished between the look and the claim, or the time used up. Then, only gaps are filled.
            _read(store, done)
            if number not in done and (number < max(done, default=-1) or not _is_spent(done, limits)):
                return number
            store.release(number)
        if len(done) > known:
            continue
        if not is_busy:
            return None
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _find_pending(done: Mapping[int, Trial], missing: int, limits: Limits) -> list[int]:
    """The numbers of the trials that are to be done, and that can be proposed from those that are."""
    pending = []
    for number in range(missing, max(limits.max_evaluations, 1)):
        earlier = limits.count_earlier(number)
        if earlier > missing or _count_since_best(done, earlier) >= limits.patience:
            break
        if number not in done:
            pending.append(number)
    return pending


def _read(store: TrialStore, done: dict[int, Trial]) -> int:
    """Adds the trials that others have finished; returns the lowest number that nobody has."""
    missing = next(number for number in count() if number not in done)
    for trial in store.load(missing):
        done.setdefault(trial.number, trial)
    return next(number for number in count(missing) if number not in done)


def _evaluate(
    fit: Fit,
    number: int,
    parameters: Parameters,
    started_at: datetime,
    earlier: Sequence[Trial],
    done: Mapping[int, Trial],
    keep: int,
) -> Trial:
    # The same parameters and seed give the same model: a small space proposes them again and again. What has a curve,
    # though, may have been compared with other trials than this one will be.
    known = (*earlier, *(trial for trial in done.values() if not trial.curve))
    if same := next((trial for trial in known if trial.parameters == parameters), None):
        return replace(same, number=number, started_at=started_at)
    finished = [trial.curve for trial in earlier if trial.curve and trial.loss is not None and not trial.has_ended]
    watch = Watch(finished, parameters.get("learning_rate", 1.0))
    estimator, metrics, loss, error = None, {}, None, None
    try:
        fitted = fit(parameters, watch)
        if math.isfinite(fitted.loss):
            estimator, metrics, loss = fitted.estimator, fitted.metrics, fitted.loss
        else:
            error = "the validation error is not a finite number"
    except Exception as raised:  # whatever an estimator raises on odd parameters
        log.warning("A trial failed with %s: %s", dict(parameters), raised)
        error = f"{type(raised).__name__}: {raised}"
    trial = Trial(
        number=number,
        parameters=parameters,
        loss=loss,
        metrics=metrics,
        error=error,
        started_at=started_at,
        finished_at=started_at,  # until its time is known
        curve=watch.curve,
        has_ended=watch.has_ended,
    )
    return replace(trial, estimator=estimator) if _is_among_best(trial, done, keep) else trial


def _is_among_best(trial: Trial, done: Mapping[int, Trial], most: int) -> bool:
    """Whether fewer than so many others are as good, of which each has other parameters; none that was ended counts."""
    if trial.loss is None or trial.has_ended:
        return False
    others = [other for other in done.values() if other.loss is not None and not other.has_ended]
    losses = {tuple(sorted(other.parameters.items())): other.loss for other in others}
    return sum(loss <= trial.loss for loss in losses.values() if loss is not None) < most


def _find_best(trials: Iterable[Trial]) -> Trial | None:
    """The trial with the lowest loss, the first of several; None where all have failed."""
    return min((trial for trial in trials if trial.loss is not None), key=lambda t: (t.loss, t.number), default=None)


def _count_since_best(done: Mapping[int, Trial], end: int) -> int:
    """How many trials before number `end` came after the best of them."""
    best = _find_best(done[number] for number in range(end))
    return end - 1 - best.number if best else end


def _is_spent(done: Mapping[int, Trial], limits: Limits) -> bool:
    return bool(done) and sum(trial.seconds for trial in done.values()) >= limits.time_budget * limits.workers


def _find_stop(done: Mapping[int, Trial], limits: Limits) -> str | None:
    """What has ended the search."""
    reached = {
        "max_evaluations": len(done) >= max(limits.max_evaluations, 1),
        "time_budget": _is_spent(done, limits),
        "patience": _count_since_best(done, limits.count_earlier(len(done))) >= limits.patience,
    }
    return next((name for name, is_reached in reached.items() if is_reached), None)
