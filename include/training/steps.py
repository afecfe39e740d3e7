"""The steps of training one family on one training set: tune and train each model type, register the best."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from include.models import explanation
from include.models.artifact import Model
from include.models.estimates import ESTIMATED, learn_estimates
from include.models.evaluation import measure, measure_slices
from include.models.fitting import encode, find_rounds, fit_estimator, threads_for
from include.models.folds import encode_folds, fit_folds
from include.models.table import ModelType, get_model
from include.problem.data import Split
from include.problem.declaration import Problem
from include.problem.words import show_amount
from include.sets.examples import get_training_set, load_references, load_split, read_problem_of
from include.settings import Settings
from include.tracking import model_logging, registry, runs
from include.tracking.lineage import Lineage, find_commit
from include.tracking.trial_writer import write_trials
from include.training.job import Job
from include.training.making import describe_code, describe_set
from include.training.results import Registered, Trained, Tuned
from include.tuning.search import Best, Trial, tune
from include.tuning.trials import WarehouseTrials, load_estimator_of

log = logging.getLogger(__name__)
EXAMPLE_ROWS = 3
LOG_MARGIN = 0.05


def _lineage(url: str, job: Job) -> Lineage:
    training_set = get_training_set(url, job.set_version)
    return Lineage(job.run_key, training_set, job.feature_set, find_commit(), job.random_state)


def _link(job: Job) -> str:
    """As Markdown, which MLflow shows."""
    return f"Trained by [this Airflow run]({job.page})." if job.page else ""


def _load(url: str, job: Job) -> tuple[Problem, str, Mapping[str, Any], Split, Split]:
    """What data is encoded by and from: the declaration that the set was made with, and both splits."""
    train, validation = (load_split(url, job.set_version, split) for split in ("train", "validation"))
    problem = read_problem_of(url, job.set_version)
    references = load_references(url, job.set_version)
    return problem, job.feature_set, references, train, validation


def _options(settings: Settings, job: Job) -> dict[str, Any]:
    """How every fit of a job is done, whatever the parameters."""
    return {
        "random_state": job.random_state,
        "threads": settings.threads_per_model,
        "device": settings.xgboost_device,
    }


def tune_model(
    url: str,
    settings: Settings,
    job: Job,
    model: str,
    *,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> Tuned:
    """Searches the model type's best parameters; each trial is kept in the warehouse and tracked in MLflow.

    Args:
        on_trial: Called with each finished trial, also with those that an interrupted try had finished.
    """
    model_type = get_model(model)
    tracker = runs.open_tracker(settings)
    run_id = runs.open_run(tracker, _lineage(url, job), job.family, model, _link(job))
    tracked = runs.list_tracked_trials(tracker, run_id)
    try:
        with (
            WarehouseTrials(url, job.run_key, model, job.set_version) as store,
            write_trials(tracker, run_id, model) as write,
        ):

            def track(trial: Trial) -> None:
                if trial.number not in tracked:
                    write(trial)
                on_trial(trial)
                log.info("%s %s", model, _describe_trial(settings.problem, trial))

            best = _search(url, settings, job, model_type, store, track)
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
    on_trial: Callable[[Trial], None],
) -> Best:
    """Goes on after the stored trials, which it hands to `on_trial` as it does the new ones."""
    for trial in store.load():
        on_trial(trial)
    folds = encode_folds(model, *_load(url, job), random_state=job.random_state)
    return tune(
        model,
        lambda parameters: fit_folds(model, parameters, folds, **_options(settings, job)),
        store,
        job.limits,
        random_state=job.random_state,
        on_trial=on_trial,
    )


def _describe_trial(problem: Problem, trial: Trial) -> str:
    outcome = show_amount(trial.loss, problem.unit) if trial.loss is not None else trial.error
    return f"trial {trial.number}: {outcome} in {trial.seconds:.1f} s with {dict(trial.parameters)}"


def train_model(url: str, settings: Settings, job: Job, tuned: Tuned) -> Trained:
    """Evaluates the best trial's model on held-out splits, and stores the final model as one artifact.

    The final model has learnt from all rows, those of the held-out splits included. Its errors are those of its twin,
    the best trial's model, which is stored beside it, to be judged. Without REFIT the best trial's model is the final
    one.

    Returns:
        model, run_id, model_uri, judged_sha256 (of the twin's files) and metrics (`validation_rmse`, `test_mae`, ...;
        in the target's unit but for r2).
    """
    model_type, options = get_model(tuned["model"]), _options(settings, job)
    lineage = _lineage(url, job)
    loaded = _load(url, job)
    problem, _, _, train, validation = loaded
    data, estimate = encode(model_type, *loaded), learn_estimates(problem, train.rows)
    threads = threads_for(settings.threads_per_model)
    estimator = load_estimator_of(url, job.run_key, model_type.name, tuned["parameters"], threads)
    if estimator is None:
        estimator = fit_estimator(model_type, tuned["parameters"], data, **options)
    held_out = {"validation": validation}
    if lineage.training_set.has_test_split:
        held_out["test"] = load_split(url, job.set_version, "test")
    metadata: dict[str, Any] = {
        "family": job.family,
        "model": model_type.name,
        "parameters": dict(tuned["parameters"]),
        "lineage": dict(lineage.tags),
        "made_of": {**describe_set(url, job.set_version), **describe_code()},
        "fit": {"device": options["device"], "found": {}},
    }
    judged = model = Model(data.encoder, estimator, metadata)
    if settings.refit:
        data = encode(model_type, *loaded[:3], reduce(add, held_out.values(), train), validation)
        found = find_rounds(model_type, estimator)
        metadata = {**metadata, "splits": ["train", *held_out], "fit": {**metadata["fit"], "found": found}}
        estimator = fit_estimator(model_type, {**tuned["parameters"], **found}, data, **options)
        model = Model(data.encoder, estimator, metadata)
    if explanation.is_linear(model):
        metadata["means"] = np.asarray(data.train.mean(axis=0)).ravel().tolist()
    metrics: dict[str, float] = {}
    slices: list[dict[str, Any]] = []
    for name, split in held_out.items():
        predicted = judged.predict(split.rows)
        metrics |= {f"{name}_{measure_name}": value for measure_name, value in measure(split.target, predicted).items()}
        if estimate:
            estimated = judged.predict(estimate(split.rows))
            metrics[f"{name}_{ESTIMATED}"] = measure(split.target, estimated)["rmse"]
        slices += [{"split": name, **row} for row in measure_slices(model.problem, split.rows, split.target, predicted)]
    tables, figures = {"slices": slices}, {}
    if explanation.can_explain(model):
        sample = explanation.sample(validation.rows, explanation.SAMPLE_ROWS, job.random_state)
        explained = explanation.explain(model, sample)
        tables["shap_summary"] = explained.strengths
        figures["shap_summary.png"] = explanation.draw_summary(
            explained, f"{model_type.name}: what drives its predictions"
        )
    tracker = runs.open_tracker(settings)
    twin_digest = model_logging.log_twin(tracker, tuned["run_id"], judged) if settings.refit else None
    model_uri = model_logging.log_model(
        tracker,
        tuned["run_id"],
        job.family,
        model,
        metrics=metrics,
        tables=tables,
        figures=figures,
        example={name: values[:EXAMPLE_ROWS] for name, values in validation.rows.items()},
    )
    return {
        "model": model_type.name,
        "run_id": tuned["run_id"],
        "model_uri": model_uri,
        "judged_sha256": twin_digest,
        "metrics": metrics,
    }


def describe_registered(problem: Problem, registered: Registered) -> str:
    """What `register_best` returned, in one sentence."""
    rmse = show_amount(registered["metrics"]["validation_rmse"], problem.unit)
    return (
        f"Best: {registered['model']}, RMSE {rmse} on validation; registered as version {registered['version']}"
        f" of {registered['name']}, trained on set {registered['training_set_version']}."
    )


def choose_best(trained: Sequence[Trained]) -> Trained:
    """The model with the lowest validation RMSE; one whose RMSE is no number comes after all others.

    One that learns the logarithm has to be lower by `LOG_MARGIN`: a few dear rows decide on the RMSE of a skewed
    target, so that less than that is chance, and what is right by the logarithm is too low by the mean.
    """

    def rank(candidate: Trained) -> tuple[bool, float]:
        rmse, log_target = candidate["metrics"]["validation_rmse"], get_model(candidate["model"]).log_target
        return not math.isfinite(rmse), rmse / (1 - LOG_MARGIN) if log_target else rmse

    return min(trained, key=rank)


def register_best(url: str, settings: Settings, job: Job, trained: Sequence[Trained]) -> Registered:
    """Registers the family's model with the lowest validation RMSE as `challenger`.

    Returns:
        What the asset event says: name, version, model, family, run_id, metrics and the training set's version.
    """
    best = choose_best(trained)
    tracker = runs.open_tracker(settings)
    lineage = _lineage(url, job)
    problem = settings.problem
    rmse = show_amount(best["metrics"]["validation_rmse"], problem.unit)
    tags = {**lineage.tags, "family": job.family, "model": best["model"], "run_id": best["run_id"]}
    if best["judged_sha256"]:
        tags[registry.JUDGED_DIGEST_TAG] = best["judged_sha256"]
    version = registry.register_model(
        tracker,
        settings.registered_model,
        best["run_id"],
        best["model_uri"],
        tags,
        f"{best['model']}, validation RMSE {rmse}, training set {job.set_version}. {_link(job)}".strip(),
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
