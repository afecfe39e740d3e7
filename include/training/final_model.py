"""The last step of a model type: evaluates its best model, fits it on all rows, and stores it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from include.models import explanation
from include.models.artifact import Model
from include.models.estimates import learn_estimates, name_estimated
from include.models.evaluation import columns_of_slices, measure_slices
from include.models.fitting import find_rounds, list_members, reads_batches, threads_for
from include.models.folds import predict_across
from include.models.libraries.protocol import EncodedData
from include.models.libraries.table import blend
from include.models.table import ModelType, get_model, type_of
from include.problem.data import Pieces, Split, Values
from include.problem.declaration import Problem
from include.problem.mapped import release
from include.settings import Settings
from include.tracking import model_logging, runs
from include.tracking.trial_writer import complete_trials
from include.training.engines.protocol import Engine
from include.training.engines.table import IN_TASK, choose_engine
from include.training.inputs import (
    describe_data,
    fit_options,
    hold_rows,
    is_sampled,
    lineage_of,
    read_rows,
    read_together,
)
from include.training.job import Job
from include.training.making import describe_code, describe_set
from include.training.results import Candidate, Trained
from include.tuning.trials import WarehouseTrials, load_estimator_of

EXAMPLE_ROWS = 3


def train_model(url: str, settings: Settings, job: Job, tuned: Candidate) -> Trained:
    """Evaluates the best trial's model on held-out splits, and stores the final model as one artifact.

    Of a blend, that is the mean of the best trials' models. The final model has learnt from all rows, those of the
    held-out splits included. Its errors are those of its twin, the best trial's model, which is stored beside it, to be
    judged; so are its intervals, which are for that reason rather too wide than too narrow. Without REFIT the best
    trial's model is the final one.

    Returns:
        model, run_id, model_uri, judged_sha256 (of the twin's files) and metrics (`validation_mae`, `test_mae`, ...).
    """
    model_type, options = get_model(type_of(tuned["model"])), fit_options(settings, job)
    lineage = lineage_of(url, job)
    engine = choose_engine(settings, model_type)
    is_sample = is_sampled(settings, lineage.training_set, model_type)
    # What a search has fitted to all rows, a task can fit.
    of_trials = engine if is_sample else IN_TASK
    of_set = describe_data(url, job)
    hold = partial(hold_rows, of_set[0], most=settings.in_memory_rows, random_state=job.random_state)
    names = ("train", "validation", "test") if lineage.training_set.has_test_split else ("train", "validation")
    splits = {name: read_rows(url, job.set_version, [name], settings.in_memory_rows) for name in names}
    train, validation = splits["train"], splits["validation"]
    held_out = {name: rows for name, rows in splits.items() if name != "train"}
    learnt: Pieces = train if reads_batches(model_type) else hold(train)
    data = of_trials.encode(model_type, *of_set, learnt, validation if model_type.stops_early else None)
    members = list_members(tuned["parameters"])
    # A limit may have been lowered since a search kept estimators: the encoder here is of other rows, then.
    load = None if is_sample else partial(load_estimator_of, url, job.run_key, model_type.name)
    estimator = blend([_load_or_fit(load, job, of_trials, model_type, each, data, options) for each in members])
    metadata: dict[str, Any] = {
        "family": job.family,
        "model": tuned["model"],
        "parameters": dict(tuned["parameters"]),
        "lineage": dict(lineage.tags),
        "made_of": {**describe_set(url, job.set_version), **describe_code()},
        "fit": {"device": options["device"], "found": {}, **of_trials.made_by},
    }
    judged = Model.of(data, estimator, metadata)
    given = {name: judged.estimate_pieces(rows) for name, rows in held_out.items()}
    judged, predicted = _calibrate(judged, model_type, of_set, partial(hold, train), held_out, given, options)
    model, of = judged, len(train)
    if settings.refit:
        del data, learnt  # or they would be held beside those of all rows
        release()
        every = read_together(url, job.set_version, splits, settings.in_memory_rows)
        learnt, of = every if reads_batches(model_type) else hold(every), len(every)
        data = engine.encode(model_type, *of_set, learnt)
        found = find_rounds(model_type, estimator)
        fit = {**metadata["fit"], "found": found, **engine.made_by}
        metadata = {**metadata, "splits": [*splits], "fit": fit}
        parameters = {**tuned["parameters"], **found}
        estimator = engine.fit(model_type, parameters, data, job.set_version, [*splits], **options)
        outputs = judged.outputs.refit(judged.problem, data.train_target)
        model = Model(data.encoder, estimator, outputs, metadata)
    if explanation.is_linear(model):
        metadata["means"] = np.asarray(data.train.mean(axis=0)).ravel().tolist()
    if of > settings.in_memory_rows:
        metadata["fit"]["in_memory_rows"] = settings.in_memory_rows
    rows = len(data.train_target)
    del data
    release()
    metrics, slices = _evaluate(judged, partial(hold, train), held_out, predicted)
    # The newest split judges.
    judging = list(held_out)[-1]
    model = model.bound(held_out[judging], predicted[judging])
    tables, figures = _explain(model, validation, job)
    tracker = runs.open_tracker(settings)
    if tuned["model"] == model_type.name:  # the trials of a blend are those of its model type
        with WarehouseTrials(url, job.run_key, model_type.name, job.set_version) as store:
            complete_trials(tracker, tuned["run_id"], model_type.name, store.load())
    twin_digest = model_logging.log_twin(tracker, tuned["run_id"], judged) if settings.refit else None
    model_uri = model_logging.log_model(
        tracker,
        tuned["run_id"],
        job.family,
        model,
        metrics=metrics,
        tables={"slices": slices, **tables, **model.outputs.measure(held_out[judging].target, predicted[judging])},
        figures=figures,
        example=validation.take(np.arange(min(EXAMPLE_ROWS, len(validation)))).rows,
    )
    return {
        "model": tuned["model"],
        "run_id": tuned["run_id"],
        "model_uri": model_uri,
        "judged_sha256": twin_digest,
        "metrics": metrics,
        "fitted_to": f"{rows:,} of {of:,} rows, evenly over time" if rows < of else "",
    }


def _load_or_fit(
    load: Callable[[Mapping[str, Any], int], Any] | None,
    job: Job,
    engine: Engine,
    model_type: ModelType,
    parameters: Mapping[str, Any],
    data: EncodedData,
    options: Mapping[str, Any],
) -> Any:
    """The estimator as the search fitted it; where it is not kept, fitted again.

    Args:
        load: Gives the kept estimator with these parameters and so many threads; None where it may not be used.
    """
    kept = load(parameters, threads_for(options["threads"])) if load else None
    if kept is not None:
        return kept
    return engine.fit(model_type, parameters, data, job.set_version, ["train"], **options)


def _calibrate(
    model: Model,
    model_type: ModelType,
    of_set: tuple[Problem, str, Mapping[str, Any]],
    hold_train: Callable[[], Split],
    held_out: Mapping[str, Pieces],
    given: Mapping[str, Values],
    options: Mapping[str, Any],
) -> tuple[Model, dict[str, Values]]:
    """The model calibrated on rows that it has not learnt from and that do not judge it, and its predictions by split.

    These are the rows that validate, where others test; else those that train, each predicted by a model that was
    fitted without it.

    Args:
        hold_train: Gives the rows that train, in memory.
        given: What the estimator gives of the held-out splits.
    """
    if not model.outputs.needs_calibration:
        return model, dict(given)
    problem = of_set[0]
    if "test" in held_out:
        outputs, across = model.outputs.calibrate(problem, held_out["validation"].target, given["validation"])
        return replace(model, outputs=outputs), {"validation": across, "test": outputs.finish(given["test"])}
    parameters = {**model.metadata["parameters"], **find_rounds(model_type, model.estimator)}
    train = hold_train()
    across = predict_across(model_type, parameters, *of_set, train, **options)
    outputs, _ = model.outputs.calibrate(problem, train.target, across)
    return replace(model, outputs=outputs), {name: outputs.finish(values) for name, values in given.items()}


def _evaluate(
    judged: Model,
    hold_train: Callable[[], Split],
    held_out: Mapping[str, Pieces],
    predicted: Mapping[str, Values],
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Errors by split, those with what is estimated when one predicts among them, and errors by split and slice."""
    problem, objective = judged.problem, judged.problem.objective
    is_estimated = any(column.estimated_by for column in problem.inputs)
    estimate = learn_estimates(problem, hold_train().rows) if is_estimated else None
    metrics: dict[str, float] = {}
    slices: list[dict[str, Any]] = []
    for name, split in held_out.items():
        errors = objective.measure(split.target, predicted[name])
        metrics |= {f"{name}_{measure_name}": value for measure_name, value in errors.items()}
        if estimate:
            estimated = judged.outputs.finish(judged.estimate_pieces(split, estimate))
            metrics[name_estimated(objective, name)] = objective.measure_error(split.target, estimated)
        cut = measure_slices(problem, split.columns(columns_of_slices(problem)), split.target, predicted[name])
        slices += [{"split": name, **row} for row in cut]
    return metrics, slices


def _explain(model: Model, validation: Pieces, job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
    """What drives the model's predictions, as a table and a figure; neither where it cannot be explained."""
    if not explanation.can_explain(model):
        return {}, {}
    sample = explanation.sample(validation, explanation.SAMPLE_ROWS, job.random_state)
    explained = explanation.explain(model, sample)
    title = f"{model.metadata['model']}: what drives its predictions"
    figure = explanation.draw_summary(explained, title)
    return {"shap_summary": explained.strengths}, {"shap_summary.png": figure}
