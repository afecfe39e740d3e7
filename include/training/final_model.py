"""The last step of a model type: evaluates its best model, fits it on all rows, and stores it."""

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from include.models import explanation
from include.models.artifact import Model
from include.models.estimates import Estimate, learn_estimates, name_estimated
from include.models.evaluation import measure_slices
from include.models.fitting import find_rounds, list_members, threads_for
from include.models.folds import predict_across
from include.models.libraries.protocol import EncodedData
from include.models.libraries.table import blend
from include.models.table import ModelType, get_model, type_of
from include.problem.data import Split, Values
from include.problem.declaration import Problem
from include.sets.examples import load_split
from include.settings import Settings
from include.tracking import model_logging, runs
from include.tracking.trial_writer import complete_trials
from include.training.engines.protocol import Engine
from include.training.engines.table import IN_TASK, choose_engine
from include.training.inputs import fit_options, is_sampled, lineage_of, load_data
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
    # What a search has fitted to all rows, a task can fit.
    of_trials = engine if is_sampled(settings, lineage.training_set) else IN_TASK
    loaded = load_data(url, job)
    *_, train, validation = loaded
    data = of_trials.encode(model_type, *loaded)
    members = list_members(tuned["parameters"])
    estimator = blend([_load_or_fit(url, job, of_trials, model_type, each, data, options) for each in members])
    held_out = {"validation": validation}
    if lineage.training_set.has_test_split:
        held_out["test"] = load_split(url, job.set_version, "test")
    metadata: dict[str, Any] = {
        "family": job.family,
        "model": tuned["model"],
        "parameters": dict(tuned["parameters"]),
        "lineage": dict(lineage.tags),
        "made_of": {**describe_set(url, job.set_version), **describe_code()},
        "fit": {"device": options["device"], "found": {}, **of_trials.made_by},
    }
    judged = Model.of(data, estimator, metadata)
    given = {name: judged.estimate(split.rows) for name, split in held_out.items()}
    judged, predicted = _calibrate(judged, model_type, loaded, held_out, given, options)
    model = judged
    if settings.refit:
        del data  # or it would be held beside that of all rows
        data = engine.encode(model_type, *loaded[:3], reduce(add, held_out.values(), train), validation)
        found = find_rounds(model_type, estimator)
        splits = ["train", *held_out]
        metadata = {**metadata, "splits": splits, "fit": {**metadata["fit"], "found": found, **engine.made_by}}
        parameters = {**tuned["parameters"], **found}
        estimator = engine.fit(model_type, parameters, data, job.set_version, splits, **options)
        outputs = judged.outputs.refit(judged.problem, data.train_target)
        model = Model(data.encoder, estimator, outputs, metadata)
    if explanation.is_linear(model):
        metadata["means"] = np.asarray(data.train.mean(axis=0)).ravel().tolist()
    metrics, slices = _evaluate(judged, learn_estimates(judged.problem, train.rows), held_out, predicted)
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
        example={name: values[:EXAMPLE_ROWS] for name, values in validation.rows.items()},
    )
    return {
        "model": tuned["model"],
        "run_id": tuned["run_id"],
        "model_uri": model_uri,
        "judged_sha256": twin_digest,
        "metrics": metrics,
    }


def _load_or_fit(
    url: str,
    job: Job,
    engine: Engine,
    model_type: ModelType,
    parameters: Mapping[str, Any],
    data: EncodedData,
    options: Mapping[str, Any],
) -> Any:
    """The estimator as the search fitted it; where it is not kept, fitted again."""
    kept = load_estimator_of(url, job.run_key, model_type.name, parameters, threads_for(options["threads"]))
    if kept is not None:
        return kept
    return engine.fit(model_type, parameters, data, job.set_version, ["train"], **options)


def _calibrate(
    model: Model,
    model_type: ModelType,
    loaded: tuple[Problem, str, Mapping[str, Any], Split, Split],
    held_out: Mapping[str, Split],
    given: Mapping[str, Values],
    options: Mapping[str, Any],
) -> tuple[Model, dict[str, Values]]:
    """The model calibrated on rows that it has not learnt from and that do not judge it, and its predictions by split.

    These are the rows that validate, where others test; else those that train, each predicted by a model that was
    fitted without it.

    Args:
        given: What the estimator gives of the held-out splits.
    """
    if not model.outputs.needs_calibration:
        return model, dict(given)
    problem, feature_set, references, train, validation = loaded
    if "test" in held_out:
        outputs, across = model.outputs.calibrate(problem, validation.target, given["validation"])
        return replace(model, outputs=outputs), {"validation": across, "test": outputs.finish(given["test"])}
    parameters = {**model.metadata["parameters"], **find_rounds(model_type, model.estimator)}
    across = predict_across(model_type, parameters, problem, feature_set, references, train, **options)
    outputs, _ = model.outputs.calibrate(problem, train.target, across)
    return replace(model, outputs=outputs), {name: outputs.finish(values) for name, values in given.items()}


def _evaluate(
    judged: Model,
    estimate: Estimate | None,
    held_out: Mapping[str, Split],
    predicted: Mapping[str, Values],
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Errors by split, those with what is estimated when one predicts among them, and errors by split and slice."""
    objective = judged.problem.objective
    metrics: dict[str, float] = {}
    slices: list[dict[str, Any]] = []
    for name, split in held_out.items():
        errors = objective.measure(split.target, predicted[name])
        metrics |= {f"{name}_{measure_name}": value for measure_name, value in errors.items()}
        if estimate:
            estimated = judged.predict(estimate(split.rows))
            metrics[name_estimated(objective, name)] = objective.measure_error(split.target, estimated)
        cut = measure_slices(judged.problem, split.rows, split.target, predicted[name])
        slices += [{"split": name, **row} for row in cut]
    return metrics, slices


def _explain(model: Model, validation: Split, job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
    """What drives the model's predictions, as a table and a figure; neither where it cannot be explained."""
    if not explanation.can_explain(model):
        return {}, {}
    sample = explanation.sample(validation.rows, explanation.SAMPLE_ROWS, job.random_state)
    explained = explanation.explain(model, sample)
    title = f"{model.metadata['model']}: what drives its predictions"
    figure = explanation.draw_summary(explained, title)
    return {"shap_summary": explained.strengths}, {"shap_summary.png": figure}
