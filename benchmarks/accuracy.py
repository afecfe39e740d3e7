"""Accuracy per second: families beside each other, and what ending trials early and searching on a sample are worth."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import geometric_mean
from typing import Any

import numpy as np

from benchmarks.plain_script import KeptTrials
from benchmarks.published import Rows, publish_all
from benchmarks.report import Report
from include.models.fitting import Fitted, encode, fit, fit_estimator, predict_encoded
from include.models.folds import draw_sample
from include.models.libraries.protocol import EncodedData
from include.models.table import MODELS, ModelType
from include.tuning.curves import Watch
from include.tuning.search import Limits, tune

TYPES = ("gbdt.squarederror", "gbtree.squarederror")
TRIALS, SEED = 12, 42
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
    means = [[geometric_mean(each[at][kind] for each in ratios) for kind in (0, 1)] for at in range(len(ratios[0]))]
    of = ("first fits of LightGBM / of XGBoost", "LightGBM, ended early / not", "LightGBM, sample / all rows")
    return Report(
        "Accuracy per second",
        "no higher error in fewer seconds",
        ["table", "model type", "first parameters", f"{TRIALS} trials", "ended early", f"1/{SAMPLE_SHARE} of the rows"],
        lines,
        [
            "RMSE on the rows that judge, and seconds of CPU on one thread, without encoding",
            "searches: with the fit of the best parameters to all rows",
            *(
                f"{what}: error x {error:.3f}, seconds x {seconds:.2f} (geometric means)"
                for what, (error, seconds) in zip((*of, "XGBoost, ended early / not"), means, strict=True)
            ),
        ],
    )


def _divide(one: Measured, other: Measured) -> tuple[float, float]:
    return one.error / other.error, one.seconds / other.seconds


def _measure(rows: Rows, model: ModelType) -> dict[str, Measured]:
    feature_set = rows.problem.feature_set_names[0]
    few = draw_sample(rows.problem, rows.train, len(rows.train) // SAMPLE_SHARE, SEED)
    data, sampled = (
        encode(model, rows.problem, feature_set, rows.references, train, rows.validation) for train in (rows.train, few)
    )

    def search(of: EncodedData, watched: bool) -> Any:
        def fit_trial(parameters: Mapping[str, Any], watch: Watch) -> Fitted:
            return fit(model, parameters, of, random_state=SEED, threads=1, watch=watch if watched else None)

        best = tune(model, fit_trial, KeptTrials(), Limits(TRIALS, 3600, TRIALS), random_state=SEED)
        return best.parameters

    ways: dict[str, Callable[[], Mapping[str, Any]]] = {
        "first": lambda: model.start,
        "search": lambda: search(data, watched=False),
        "ended early": lambda: search(data, watched=True),
        "sample": lambda: search(sampled, watched=False),
    }
    measured = {}
    for name, choose in ways.items():
        begun = time.process_time()
        estimator = fit_estimator(model, choose(), data, random_state=SEED, threads=1)
        seconds = time.process_time() - begun
        predicted = predict_encoded(estimator, data.encoder.transform(rows.test.rows))
        measured[name] = Measured(float(np.sqrt(np.mean((predicted - rows.test.target) ** 2))), seconds)
    return measured
