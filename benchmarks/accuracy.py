"""Accuracy per second: families beside each other; ending trials early, searching on a sample, and blending trials."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import geometric_mean
from typing import Any

from benchmarks.plain_script import KeptTrials
from benchmarks.published import Rows, publish_all
from benchmarks.report import Report
from benchmarks.trip_data import pick
from include.models.fitting import Fitted, encode, fit, fit_estimator, predict_encoded
from include.models.folds import choose_sample
from include.models.libraries.protocol import EncodedData
from include.models.libraries.table import blend
from include.models.table import MODELS, ModelType
from include.tuning.curves import Watch
from include.tuning.search import Limits, Trial, tune

TYPES = ("gbdt.squarederror", "gbtree.squarederror")
TRIALS, SEED = 12, 42
BLENDED = 5
SAMPLE_SHARE = 4


@dataclass(frozen=True)
class Measured:
    """An error on the test rows, and seconds of CPU."""

    error: float
    seconds: float


def run() -> Report:
    """Fits and searches on one thread: seconds of CPU, without encoding."""
    lines, ratios = [], []
    for rows in publish_all():
        by_type = {name: _measure(rows, MODELS[name]) for name in TYPES}
        lines += [
            [rows.name, name, *(f"{each.error:,.4g}, {each.seconds:.2f} s" for each in measured.values())]
            for name, measured in by_type.items()
        ]
        leafwise, depthwise = by_type.values()
        first, whole = leafwise["first"], leafwise["search"]
        ratios.append([_divide(first, depthwise["first"]), _divide(leafwise["ended early"], whole)])
        ratios[-1] += [_divide(leafwise["sample"], whole), _divide(depthwise["ended early"], depthwise["search"])]
        ratios[-1] += [_divide(measured["blend"], measured["ended early"]) for measured in (leafwise, depthwise)]
    means = [[geometric_mean(each[at][kind] for each in ratios) for kind in (0, 1)] for at in range(len(ratios[0]))]
    of = (
        "first fits of LightGBM / of XGBoost",
        "LightGBM, ended early / not",
        "LightGBM, sample / all rows",
        "XGBoost, ended early / not",
        f"LightGBM, ended early, blend of {BLENDED} / best trial",
        f"XGBoost, ended early, blend of {BLENDED} / best trial",
    )
    return Report(
        "Accuracy per second",
        "no higher error in fewer seconds",
        [
            "table",
            "model type",
            "first parameters",
            f"{TRIALS} trials",
            "ended early",
            f"1/{SAMPLE_SHARE} of the rows",
            f"blend of {BLENDED}",
        ],
        lines,
        [
            "RMSE on the rows that judge, and seconds of CPU on one thread, without encoding",
            "searches: the best trial as it was fitted; on a sample, with the fit of its parameters to all rows",
            f"blend: the mean of the {BLENDED} best trials, or of as many as were not ended early, as they were fitted",
            *(
                f"{what}: error x {error:.3f}, seconds x {seconds:.2f} (geometric means)"
                for what, (error, seconds) in zip(of, means, strict=True)
            ),
        ],
    )


def _divide(one: Measured, other: Measured) -> tuple[float, float]:
    return one.error / other.error, one.seconds / other.seconds


def _measure(rows: Rows, model: ModelType) -> dict[str, Measured]:
    feature_set = rows.problem.feature_set_names[0]
    count, times = len(rows.train), rows.train.rows.get(str(rows.problem.time))
    chosen = choose_sample(count, times, most=count // SAMPLE_SHARE, random_state=SEED)
    few = pick(rows.train, chosen)
    data, sampled = (
        encode(model, rows.problem, feature_set, rows.references, train, rows.validation) for train in (rows.train, few)
    )

    def search(of: EncodedData, *, watched: bool, keep: int = 1) -> list[Trial]:
        """The trials that the search kept the estimators of, the best first."""

        def fit_trial(parameters: Mapping[str, Any], watch: Watch) -> Fitted:
            return fit(model, parameters, of, random_state=SEED, threads=1, watch=watch if watched else None)

        trials = KeptTrials()
        tune(model, fit_trial, trials, Limits(TRIALS, 3600, TRIALS), random_state=SEED, keep=keep)
        return sorted((each for each in trials.load() if each.estimator is not None), key=lambda each: each.loss or 0.0)

    def fit_again(parameters: Mapping[str, Any]) -> Any:
        return fit_estimator(model, parameters, data, random_state=SEED, threads=1)

    ways: dict[str, Callable[[], Any]] = {
        "first": lambda: fit_again(model.start),
        "search": lambda: search(data, watched=False)[0].estimator,
        "ended early": lambda: search(data, watched=True)[0].estimator,
        "sample": lambda: fit_again(search(sampled, watched=False)[0].parameters),
        "blend": lambda: blend([each.estimator for each in search(data, watched=True, keep=BLENDED)[:BLENDED]]),
    }
    measured = {}
    for name, make in ways.items():
        begun = time.process_time()
        estimator = make()
        seconds = time.process_time() - begun
        predicted = predict_encoded(estimator, data.encoder.transform(rows.test.rows))
        measured[name] = Measured(rows.problem.objective.measure_error(rows.test.target, predicted), seconds)
    return measured
