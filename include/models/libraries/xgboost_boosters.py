"""XGBoost: boosters of trees and linear ones, in files of its own.

A booster's Shapley values are xgboost's exact TreeSHAP (Lundberg et al., "Consistent Individualized Feature Attribution
for Tree Ensembles", 2018).
"""

import json
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from include.models.encoder import Encoder
from include.models.libraries.protocol import (
    EARLY_STOPPING_ROUNDS,
    MAXIMUM_ROUNDS,
    Contributions,
    EncodedData,
    FitOptions,
    Link,
    Planned,
)
from include.models.spool import Scratch, Spool
from include.models.table import ModelType
from include.problem.data import Values

LINEAR_ROUNDS = 100
# Of a file of bins. For each of them, xgboost holds buffers for the rows of each node: of small pages, several times as
# much as the rows themselves need. Of large ones, making the bins takes more. The booster is the same.
PAGE_ROWS = 500_000
LINKS: Mapping[str, Link] = MappingProxyType(
    {"reg:gamma": "log", "reg:tweedie": "log", "binary:logistic": "logit", "multi:softprob": "softmax"}
)
# The attribute of a booster that says what it has learnt instead of the target itself: kept in its own file, so that no
# one can predict without it. Of two classes it gives the probability of the second alone.
LEARNT, LOGARITHM, PROBABILITY = "learnt", "logarithm", "probability"


class XGBoost:
    """See `Library`."""

    packages: tuple[str, ...] = ("xgboost",)
    values_per_thread: int = 300_000
    file = "estimator.ubj"

    def owns(self, estimator: Any) -> bool:
        return hasattr(estimator, "inplace_predict")

    def explains(self, estimator: Any) -> bool:
        return True

    def link(self, estimator: Any) -> Link:
        objective = json.loads(estimator.save_config())["learner"]["objective"]["name"]
        return "log" if estimator.attr(LEARNT) == LOGARITHM else LINKS.get(objective, "identity")

    def prepare(self, model: ModelType, data: EncodedData) -> EncodedData:
        # Quantised once here, not in every trial.
        import xgboost

        def learn(target: Values) -> Values:
            return np.log(target) if model.log_target else target

        def make(matrix: Any, target: Values, weight: Values | None, **options: Any) -> Any:
            types = data.encoder.feature_types
            if isinstance(matrix, Spool):
                batches = _iterate(matrix, learn, target, weight, types)
                bins = xgboost.ExtMemQuantileDMatrix(batches, enable_categorical=True, **options)
                # xgboost is through with its files when it deletes the matrix.
                weakref.finalize(bins, batches.scratch.delete)
                return bins
            # The linear booster reads values, not histogram bins.
            kind = xgboost.DMatrix if model.fixed["booster"] == "gblinear" else xgboost.QuantileDMatrix
            return kind(matrix, learn(target), weight=weight, feature_types=types, enable_categorical=True, **options)

        train = make(data.train, data.train_target, data.train_weight)
        if data.validation is None:
            return replace(data, train=train)
        by_bins = {} if model.fixed["booster"] == "gblinear" else {"ref": train}
        validation = make(data.validation, data.validation_target, data.validation_weight, **by_bins)
        return replace(data, train=train, validation=validation)

    def fit(self, model: ModelType, parameters: Mapping[str, Any], data: EncodedData, options: FitOptions) -> Any:
        import xgboost

        planned = plan(model, parameters, options)
        booster = xgboost.train(
            {**planned.parameters, "nthread": options.threads},
            data.train,
            planned.rounds,
            evals=[(data.validation, "validation")] if planned.stops else (),
            callbacks=_stopping(options) if planned.stops else None,
            verbose_eval=False,
        )
        return finish(model, booster, planned)

    def predict(self, estimator: Any, matrix: Any) -> npt.ArrayLike:
        import xgboost

        if hasattr(matrix, "tocsr"):  # the linear booster, which alone takes sparse matrices, cannot do it in place
            matrix = xgboost.DMatrix(matrix)
        is_raw = isinstance(matrix, np.ndarray)
        raw = np.asarray(estimator.inplace_predict(matrix) if is_raw else estimator.predict(matrix), dtype=np.float64)
        match estimator.attr(LEARNT):
            case "logarithm":
                return np.exp(raw)
            case "probability":
                return np.column_stack([1 - raw, raw])
        return raw

    def count_rounds(self, estimator: Any) -> int:
        return int(estimator.num_boosted_rounds())

    def contribute(self, estimator: Any, matrix: Any, encoder: Encoder) -> Contributions:
        import xgboost

        columns = xgboost.DMatrix(matrix, feature_types=encoder.feature_types, enable_categorical=True)
        values = np.asarray(estimator.predict(columns, pred_contribs=True), dtype=np.float64)
        if values.ndim == 3:  # one of each class
            values = values.transpose(0, 2, 1)
        return Contributions(values[:, :-1], values[0, -1], self.link(estimator))

    def save(self, estimator: Any, path: Path) -> None:
        estimator.save_model(path)

    def load(self, path: Path, threads: int) -> Any:
        import xgboost

        booster = xgboost.Booster(model_file=path)
        booster.set_param({"nthread": threads})
        return booster


def _iterate(
    spool: Spool, learn: Callable[[Values], Values], target: Values, weight: Values | None, feature_types: list[str]
) -> Any:
    """The matrix with its labels as xgboost reads it, several times, to write its bins into files.

    Args:
        learn: What is learnt of targets.
    """
    from xgboost.core import DataIter

    # What it reads are attributes: a class, which is a cycle, would hold them until the next collection of garbage.
    class Batches(DataIter):
        def __init__(self, spool: Spool, target: Values, weight: Values | None) -> None:
            self.scratch = Scratch()
            super().__init__(cache_prefix=str(self.scratch.path / "bins"))
            self._spool, self._target, self._weight = spool, target, weight
            self.reset()

        def reset(self) -> None:
            self._left = self._spool.cut(PAGE_ROWS)

        def next(self, input_data: Any) -> bool:
            batch = next(self._left, None)
            if batch is not None:
                weight = None if self._weight is None else self._weight[batch]
                rows = self._spool.read(batch.start, batch.stop)
                input_data(data=rows, label=learn(self._target[batch]), weight=weight, feature_types=feature_types)
            return batch is not None

    return Batches(spool, target, weight)


def plan(model: ModelType, parameters: Mapping[str, Any], options: FitOptions) -> Planned:
    """What xgboost is called with, but for the threads."""
    chosen = {
        **parameters,
        "device": options.device,
        "seed": options.random_state,
        "eval_metric": options.metric,
        **({"num_class": options.classes} if model.classes == "several" else {}),
    }
    stops = model.stops_early and "n_estimators" not in chosen
    rounds = chosen.pop("n_estimators", LINEAR_ROUNDS if chosen["booster"] == "gblinear" else MAXIMUM_ROUNDS)
    return Planned(chosen, rounds, stops)


def finish(model: ModelType, booster: Any, planned: Planned) -> Any:
    """The booster that xgboost gave, with its rounds to the best one, and with what it has learnt."""
    best = booster[: booster.best_iteration + 1] if planned.stops else booster
    best.reset()  # or it would hold gradients and predictions of all rows as long as there is a booster
    # Predictions are made wherever the model is loaded, from matrices in memory.
    best.set_param({"device": "cpu"})
    if model.log_target:
        best.set_attr(**{LEARNT: LOGARITHM})
    elif model.classes == "two":
        best.set_attr(**{LEARNT: PROBABILITY})
    return best


def _stopping(options: FitOptions) -> list[Any]:
    from xgboost.callback import EarlyStopping, TrainingCallback

    class Watching(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            watch = options.watch
            return watch is not None and watch(epoch + 1, evals_log["validation"][options.metric][-1])

    # The first one that ends the fit keeps those behind it from noting the round.
    return [EarlyStopping(rounds=EARLY_STOPPING_ROUNDS), Watching()]
