"""The first and the last step of training one family on one set: tunes a model type, and registers the best one."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from include.models.fitting import Fitted
from include.models.folds import encode_folds, fit_folds, sample
from include.models.table import ModelType, get_model, type_of
from include.problem.declaration import Problem
from include.problem.objectives.objective import Objective
from include.sets.examples import get_training_set, open_rows
from include.settings import Settings
from include.tracking import registry, runs
from include.tracking.lineage import check_commit
from include.tracking.trial_writer import write_trials
from include.training.inputs import describe_data, fit_options, is_sampled, limit_search, lineage_of, link_to_run
from include.training.job import Job
from include.training.results import Registered, Trained, Tuned
from include.tuning.curves import Watch
from include.tuning.search import Best, Trial, tune
from include.tuning.trials import WarehouseTrials

log = logging.getLogger(__name__)
LOG_MARGIN = 0.05


def tune_model(
    url: str,
    settings: Settings,
    job: Job,
    model: str,
    *,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> Tuned:
    """Searches the model type's best parameters; each trial is kept in the warehouse and tracked in MLflow.

    Several calls for the same job, in any processes, share the trials; each ends when the search has ended.

    Args:
        on_trial: Called with each trial that this call has done.
    """
    model_type = get_model(model)
    tracker = runs.open_tracker(settings)
    with WarehouseTrials(url, job.run_key, model, job.set_version, settings.kept_trials) as store:
        with store.alone():
            run_id = runs.open_run(tracker, lineage_of(url, job), job.family, model, link_to_run(job))
        try:
            with write_trials(tracker, run_id, model) as write:

                def track(trial: Trial) -> None:
                    write(trial)
                    on_trial(trial)
                    log.info("%s %s", model, _describe_trial(settings.problem, trial))

                champion = registry.find_version(tracker, settings.registered_model, registry.CHAMPION)
                known = store.find_known(
                    champion.tags.get("run_key") if champion else None, also_of_this_set=not job.limits.max_evaluations
                )
                best = _search(url, settings, job, model_type, store, known, track)
        except RuntimeError:
            runs.fail_run(tracker, run_id)
            raise
    return {
        "model": model,
        "run_id": run_id,
        "parameters": best.parameters,
        "loss": best.loss,
        "trials": best.trials,
        "stopped_by": best.stopped_by,
    }


def _search(
    url: str,
    settings: Settings,
    job: Job,
    model: ModelType,
    store: WarehouseTrials,
    known: Sequence[Mapping[str, Any]],
    on_trial: Callable[[Trial], None],
) -> Best:
    training_set = get_training_set(url, job.set_version)
    is_sample = is_sampled(settings, training_set, model)
    problem, feature_set, references = describe_data(url, job)
    train, validation = (
        sample(problem, rows, most=limit_search(settings, model), random_state=job.random_state)
        for rows in (open_rows(url, job.set_version, [split]) for split in ("train", "validation"))
    )
    if is_sample:
        every = training_set.counts["train"] + training_set.counts["validation"]
        log.info("The search uses %d of %d rows, evenly over time.", len(train) + len(validation), every)
    folds = encode_folds(model, problem, feature_set, references, train, validation, random_state=job.random_state)

    def fit_trial(parameters: Mapping[str, Any], watch: Watch) -> Fitted:
        fitted = fit_folds(model, parameters, folds, watch=watch, **fit_options(settings, job))
        # What was fitted to a sample is not the model that is wanted in the end.
        return replace(fitted, estimator=None) if is_sample else fitted

    return tune(
        model,
        fit_trial,
        store,
        job.limits,
        random_state=job.random_state,
        known=known,
        keep=settings.kept_trials,
        on_trial=on_trial,
    )


def _describe_trial(problem: Problem, trial: Trial) -> str:
    outcome = problem.objective.show(trial.loss) if trial.loss is not None else trial.error
    ended = ", ended early" if trial.has_ended else ""
    return f"trial {trial.number}: {outcome} in {trial.seconds:.1f} s{ended} with {dict(trial.parameters)}"


def describe_registered(problem: Problem, registered: Registered) -> str:
    """What `register_best` returned, in one sentence."""
    error = _show_error(problem, registered["metrics"])
    return (
        f"Best: {registered['model']}, {error} on validation; registered as version {registered['version']}"
        f" of {registered['name']}, trained on set {registered['training_set_version']}."
    )


def _show_error(problem: Problem, metrics: Mapping[str, float]) -> str:
    objective = problem.objective
    return f"{objective.name} {objective.show(metrics[f'validation_{objective.key}'])}"


def rank(model: str, error: float) -> tuple[bool, float]:
    """By what models of a family are compared, the best first; one whose validation error is no number comes last.

    One that learns the logarithm has to be lower by `LOG_MARGIN`: a few dear rows decide on the error of a skewed
    target, so that less than that is chance, and what is right by the logarithm is too low by the mean.
    """
    return not math.isfinite(error), error / (1 - LOG_MARGIN) if get_model(type_of(model)).log_target else error


def choose_best(objective: Objective, trained: Sequence[Trained]) -> Trained:
    """The model with the lowest validation error, see `rank`."""
    return min(trained, key=lambda each: rank(each["model"], each["metrics"][f"validation_{objective.key}"]))


def register_best(url: str, settings: Settings, job: Job, trained: Sequence[Trained]) -> Registered:
    """Registers the family's model with the lowest validation error as `challenger`.

    Returns:
        What the asset event says: name, version, model, family, run_id, metrics and the training set's version.

    Raises:
        SettingsError: The code differs from its commit.
    """
    check_commit(settings)
    problem = settings.problem
    best = choose_best(problem.objective, trained)
    tracker = runs.open_tracker(settings)
    lineage = lineage_of(url, job)
    error = _show_error(problem, best["metrics"])
    tags = {**lineage.tags, "family": job.family, "model": best["model"], "run_id": best["run_id"]}
    if best["judged_sha256"]:
        tags[registry.JUDGED_DIGEST_TAG] = best["judged_sha256"]
    if fitted_to := best.get("fitted_to"):
        tags["fitted_to"] = fitted_to
    version = registry.register_model(
        tracker,
        settings.registered_model,
        best["run_id"],
        best["model_uri"],
        tags,
        f"{best['model']}, validation {error}, training set {job.set_version}. {link_to_run(job)}".strip(),
        f"{problem.label}{f' in {problem.unit}' if problem.unit else ''}.",
    )
    return {
        "name": settings.registered_model,
        "version": version,
        "family": job.family,
        "model": best["model"],
        "run_id": best["run_id"],
        "metrics": best["metrics"],
        "training_set_version": job.set_version,
    }
