"""Tunes one model type with hyperopt's TPE; a search that was killed goes on as if it had not been.

After each trial its document and the generator's state are stored. Restoring both gives exactly the sequence of
proposals that the uninterrupted search would have made; the documents alone would not.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from include.models.fitting import Fitted
from include.models.table import ModelType
from include.tuning.curves import Point, Watch
from include.tuning.proposals import choose_first, make_space, make_suggest, start_trials, to_plain

log = logging.getLogger(__name__)
Fit = Callable[[Mapping[str, Any], Watch], Fitted]
_Key = tuple[tuple[str, Any], ...]
# Loss, metrics and error of a trial.
_Evaluated = tuple[float | None, dict[str, float], str | None]


@dataclass(frozen=True)
class Trial:
    """One finished evaluation.

    Attributes:
        loss: RMSE on validation, in the target's unit; None if the fit failed.
        estimator: What was fitted, where the trial is among the best so far that are to be kept; None where it is not,
            or was read back.
    """

    number: int
    parameters: Mapping[str, Any]
    loss: float | None
    metrics: Mapping[str, float]
    error: str | None
    started_at: datetime
    finished_at: datetime
    document: Mapping[str, Any]
    generator: Mapping[str, Any]
    estimator: Any = field(default=None, compare=False, repr=False)

    @property
    def curve(self) -> Sequence[Point]:
        """How its validation error fell, where it was boosted in rounds."""
        return [(at, error) for at, error in self.document["result"].get("curve", ())]

    @property
    def has_ended(self) -> bool:
        """Whether it was ended because it could not win any more; its errors are those up to then."""
        return bool(self.document["result"].get("has_ended"))

    @property
    def seconds(self) -> float:
        """Wall time of the evaluation."""
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
    """When a search ends: evaluations, seconds of work, and trials in a row without a better one.

    With 0 evaluations there is no search: one trial is done, of the parameters known to be best.
    """

    max_evaluations: int
    time_budget: float
    patience: int


class TrialStore(Protocol):
    """Keeps the finished trials of one search, in order."""

    def load(self) -> list[Trial]: ...

    def append(self, trial: Trial) -> None: ...


def tune(
    model: ModelType,
    fit: Fit,
    store: TrialStore,
    limits: Limits,
    *,
    random_state: int,
    known: Sequence[Mapping[str, Any]] = (),
    keep: int = 1,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> Best:
    """Searches the model type's space for the parameters with the lowest validation RMSE.

    Args:
        fit: Fits with given parameters, and asks after each round of a booster whether to end it; a failure is a failed
            trial, not the end of the search.
        known: Parameters found to be good by earlier searches, the best first: the search begins with them.
        keep: How many of the best trials the store is given the estimators of.
        store: Holds the trials that an earlier, interrupted call finished, and takes the new ones.
        on_trial: Called with each trial after it is stored, for instance to track it.

    Raises:
        RuntimeError: Not one trial succeeded; the message holds the last trial's error.
    """
    import numpy as np
    from hyperopt import STATUS_FAIL, STATUS_OK, fmin, trials_from_docs
    from hyperopt.exceptions import AllTrialsFailed

    generator = np.random.default_rng(random_state)
    done = store.load()
    if done:
        # What is known may be more by now; the search goes on with what it began with.
        first = done[0].document["result"]["first"]
        generator.bit_generator.state = done[-1].generator
        trials = trials_from_docs([dict(trial.document) for trial in done])
        log.info("Going on after %d stored trials.", len(done))
    else:
        first = choose_first(model, known)
        trials = start_trials(model, first)
    progress = _Progress(limits)
    for trial in done:
        progress.add(trial)
    fitted: dict[_Key, _Evaluated] = {
        _key(trial.parameters): (trial.loss, dict(trial.metrics), trial.error) for trial in done
    }
    # Of the newest trial alone: estimators can be large.
    estimators: dict[_Key, Any] = {}

    def objective(point: Mapping[str, Any]) -> dict[str, Any]:
        parameters = to_plain(point)
        # The same parameters and seed give the same model: a small space proposes them again and again.
        key = _key(parameters)
        estimators.clear()
        watch = Watch(progress.curves, parameters.get("learning_rate", 1.0))
        if key not in fitted:
            estimators[key], fitted[key] = _evaluate(fit, parameters, watch)
        loss, metrics, error = fitted[key]
        status = STATUS_FAIL if loss is None else STATUS_OK
        answer = {"status": status, "loss": loss, "parameters": parameters, "metrics": metrics, "error": error}
        answer |= {"curve": watch.curve, "has_ended": watch.has_ended}
        return answer if len(trials.trials) > 1 else answer | {"first": first}

    def take(trials: Any, *_: Any) -> tuple[bool, list[Any]]:
        document = trials.trials[-1]
        result = document["result"]
        trial = Trial(
            number=len(trials.trials) - 1,
            parameters=result["parameters"],
            loss=result["loss"],
            metrics=result["metrics"],
            error=result["error"],
            started_at=document["book_time"].replace(tzinfo=UTC),
            finished_at=datetime.now(UTC),
            document=to_plain(document),
            generator=generator.bit_generator.state,
        )
        if progress.is_among_best(trial, keep):
            trial = replace(trial, estimator=estimators.get(_key(trial.parameters)))
        store.append(trial)
        progress.add(trial)
        on_trial(trial)
        return progress.stopped_by is not None, []

    if progress.stopped_by is None:
        try:
            fmin(
                objective,
                make_space(model),
                algo=make_suggest(model, first),
                # One more than allowed, so that our own count, which knows the resumed trials, is what ends it.
                max_evals=limits.max_evaluations + 1,
                trials=trials,
                rstate=generator,
                early_stop_fn=take,
                show_progressbar=False,
                verbose=False,
            )
        except AllTrialsFailed as error:
            raise RuntimeError(f"None of {progress.count} trials could be fitted: {progress.last_error}") from error
    if progress.best is None:
        raise RuntimeError(f"None of {progress.count} trials could be fitted: {progress.last_error}")
    best_loss = progress.best.loss
    assert best_loss is not None  # only successful trials become the best
    return Best(dict(progress.best.parameters), best_loss, progress.count, progress.stopped_by or "exhausted")


def _key(parameters: Mapping[str, Any]) -> _Key:
    return tuple(sorted(parameters.items()))


def _evaluate(fit: Fit, parameters: Mapping[str, Any], watch: Watch) -> tuple[Any, _Evaluated]:
    try:
        fitted = fit(parameters, watch)
    except Exception as error:  # whatever an estimator raises on odd parameters
        log.warning("A trial failed with %s: %s", dict(parameters), error)
        return None, (None, {}, f"{type(error).__name__}: {error}")
    metrics = fitted.metrics
    if not math.isfinite(metrics["rmse"]):
        return None, (None, {}, "the validation error is not a finite number")
    return fitted.estimator, (metrics["rmse"], metrics, None)


class _Progress:
    """What the finished trials say of whether to go on."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.count = 0
        self.seconds = 0.0
        self.since_best = 0
        self.best: Trial | None = None
        self.last_error: str | None = None
        # Of those that were not ended early, by their parameters.
        self.losses: dict[_Key, float] = {}
        # Of the trials that were not ended before they had stopped by themselves.
        self.curves: list[Sequence[Point]] = []

    def add(self, trial: Trial) -> None:
        self.count += 1
        self.seconds += trial.seconds
        self.last_error = trial.error or self.last_error
        if trial.loss is not None and not trial.has_ended:
            self.losses.setdefault(_key(trial.parameters), trial.loss)
        if trial.curve and trial.loss is not None and not trial.has_ended:
            self.curves.append(trial.curve)
        if self.is_best(trial.loss):
            self.best, self.since_best = trial, 0
        else:
            self.since_best += 1

    def is_best(self, loss: float | None) -> bool:
        """Whether a trial with this loss is better than all before it."""
        return loss is not None and (self.best is None or self.best.loss is None or loss < self.best.loss)

    def is_among_best(self, trial: Trial, most: int) -> bool:
        """Whether, of the trials so far that have a model of their own, no more than so many are as good as this one.

        A trial that failed, was ended early or has the parameters of an earlier one is none of them.
        """
        if trial.loss is None or trial.has_ended or _key(trial.parameters) in self.losses:
            return False
        return sum(loss <= trial.loss for loss in self.losses.values()) < most

    @property
    def stopped_by(self) -> str | None:
        reached = {
            "max_evaluations": self.count >= max(self.limits.max_evaluations, 1),
            "time_budget": self.seconds >= self.limits.time_budget,
            "patience": self.since_best >= self.limits.patience,
        }
        return next((name for name, is_reached in reached.items() if is_reached), None)
