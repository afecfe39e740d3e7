"""Fits one model type with given parameters on encoded examples."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from include.models.encoder import Encoder, Encoding
from include.models.evaluation import measure
from include.models.table import ModelType, Statistic
from include.problem.data import Split, Values
from include.problem.declaration import Problem

MAXIMUM_ROUNDS = 1500
EARLY_STOPPING_ROUNDS = 20
LINEAR_ROUNDS = 100
# Of the rounds that were found to be best, in a fit on all rows. On three pairs of months, a factor of 1.0 gained 2.9,
# 1.0 and 4.8 % of RMSE on the month after, 1.3 gained 3.1, 1.2 and 5.1 %.
MORE_ROUNDS = 1.2
# The attribute of a booster that says what it has learnt instead of the target itself.
LEARNT, LOGARITHM = "learnt", "logarithm"
_STATISTICS: Mapping[Statistic, Callable[[Values], Any]] = {
    "median": np.median,
    "spread": lambda target: np.subtract(*np.quantile(target, [0.75, 0.25])) or 1.0,
}


@dataclass(frozen=True)
class EncodedData:
    """The matrices that every trial of a model type shares, encoded once.

    The targets are those of the splits, also where xgboost's matrices hold their logarithms.
    """

    encoder: Encoder
    train: Any
    train_target: Values
    validation: Any
    validation_target: Values


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator, and its errors on the validation split."""

    estimator: Any
    metrics: dict[str, float]


def encode(
    model: ModelType,
    problem: Problem,
    feature_set: str,
    references: Mapping[str, Any],
    train: Split,
    validation: Split,
) -> EncodedData:
    """Fits the encoder on the training split and encodes both splits the way the model type takes them.

    Args:
        feature_set: Its name, see `find_feature_set`.
        references: What its features look up, by name.
    """
    encoding: Encoding = "native" if model.native_categories else "one_hot"
    encoder = Encoder(problem, feature_set, encoding, references).fit(train.rows)
    matrices = [encoder.transform(split.rows) for split in (train, validation)]
    if model.family == "xgboost":
        # Quantised once here, not in every trial.
        targets = (np.log(split.target) if model.log_target else split.target for split in (train, validation))
        pairs = list(zip(matrices, targets, strict=True))
        matrices = _quantise(encoder, pairs, linear=model.fixed["booster"] == "gblinear")
    return EncodedData(encoder, matrices[0], train.target, matrices[1], validation.target)


def _quantise(encoder: Encoder, pairs: list[tuple[Any, Values]], *, linear: bool) -> list[Any]:
    import xgboost

    options = {"feature_types": encoder.feature_types, "enable_categorical": True}
    if linear:  # the linear booster reads values, not histogram bins
        return [xgboost.DMatrix(matrix, target, **options) for matrix, target in pairs]
    train, validation = pairs
    quantised = xgboost.QuantileDMatrix(*train, **options)
    return [quantised, xgboost.QuantileDMatrix(*validation, ref=quantised, **options)]


def threads_for(threads: int) -> int:
    """Threads for one fit: `threads`, or where it is 0, as many as there are cores to use, in a container by its limit.

    Fits side by side share the cores; the last one has all of them.
    """
    import joblib

    return threads or joblib.cpu_count()


def fit_estimator(
    model: ModelType,
    parameters: Mapping[str, Any],
    data: EncodedData,
    *,
    random_state: int,
    threads: int = 0,
    device: str = "cpu",
) -> Any:
    """Fits on the training split; boosters stop when the validation error has stopped falling.

    Args:
        device: Where xgboost computes, `cpu` or `cuda`; other libraries compute on the CPU.

    Returns:
        A scikit-learn regressor or an xgboost Booster.
    """
    of_target = {name: float(_STATISTICS[statistic](data.train_target)) for name, statistic in model.of_target.items()}
    scale = _scale_of(data.train_target)
    in_unit = {name: parameters[name] * scale for name in model.in_unit if name in parameters and scale != 1}
    options = {**model.fixed, **of_target, **parameters, **in_unit}
    if model.family == "xgboost":
        booster = _fit_xgboost({**options, "device": device}, data, random_state, threads_for(threads))
        if model.log_target:
            # Kept in the booster's own file, so that no one can predict without it.
            booster.set_attr(**{LEARNT: LOGARITHM})
        return booster
    return _fit_sklearn(model, options, data, random_state, threads_for(threads))


def _scale_of(target: Values) -> float:
    """The power of ten by which parameters in the target's unit are multiplied: 1 where it deviates by about 10."""
    deviation = float(target.std())
    return 10.0 ** round(math.log10(deviation) - 1) if 0 < deviation < math.inf else 1.0


def fit(model: ModelType, parameters: Mapping[str, Any], data: EncodedData, **options: Any) -> Fitted:
    """Fits as `fit_estimator` does, with its options, and measures the errors on the validation split."""
    estimator = fit_estimator(model, parameters, data, **options)
    return Fitted(estimator, measure(data.validation_target, predict_encoded(estimator, data.validation)))


def find_rounds(model: ModelType, fitted: Any) -> dict[str, int]:
    """The parameter that a fit on all rows has beside those of the fit on fewer: how many rounds are boosted.

    A booster that stopped at its best round gets some more, without looking at the validation split: with more rows it
    can learn for longer.
    """
    return {"n_estimators": round(fitted.num_boosted_rounds() * MORE_ROUNDS)} if stops_early(model) else {}


def stops_early(model: ModelType) -> bool:
    """Whether the validation split says how many rounds are best.

    Dropping trees changes the earlier ones' weights, so that a dart booster has no best round to go back to.
    """
    return model.fixed.get("booster") == "gbtree"


def _fit_sklearn(model: ModelType, options: dict[str, Any], data: EncodedData, random_state: int, threads: int) -> Any:
    module, class_name = model.name.rsplit(".", 1)
    if model.seeded:
        options["random_state"] = random_state
    if model.parallel:
        options["n_jobs"] = threads
    from threadpoolctl import threadpool_limits

    estimator = getattr(import_module(f"sklearn.{module}"), class_name)(**options)
    # Sums of linear algebra are other ones in their last digits with other threads.
    with threadpool_limits(1, user_api="blas"):
        estimator.fit(data.train, data.train_target)
    return predict_by_one_thread(estimator)


def _fit_xgboost(parameters: Mapping[str, Any], data: EncodedData, random_state: int, threads: int) -> Any:
    import xgboost

    options = {**parameters, "seed": random_state, "nthread": threads, "eval_metric": "rmse"}
    booster_kind = options["booster"]
    stops = booster_kind == "gbtree" and "n_estimators" not in options
    rounds = options.pop("n_estimators", LINEAR_ROUNDS if booster_kind == "gblinear" else MAXIMUM_ROUNDS)
    booster = xgboost.train(
        options,
        data.train,
        rounds,
        evals=[(data.validation, "validation")],
        early_stopping_rounds=EARLY_STOPPING_ROUNDS if stops else None,
        verbose_eval=False,
    )
    best = booster[: booster.best_iteration + 1] if stops else booster
    # Predictions are made wherever the model is loaded, from matrices in memory.
    best.set_param({"device": "cpu"})
    return best


def predict_by_one_thread(estimator: Any) -> Any:
    """The same scikit-learn estimator, set so that its predictions are the same every time.

    A forest adds up its trees in the order in which threads finish: with two, the last digits differ by chance.
    """
    if "n_jobs" in estimator.get_params():
        estimator.set_params(n_jobs=1)
    return estimator


def learns_logarithm(booster: Any) -> bool:
    """Whether an xgboost booster gives the logarithm of the target."""
    return bool(booster.attr(LEARNT) == LOGARITHM)


def predict_encoded(estimator: Any, matrix: Any) -> Values:
    """Predictions of the target, (n,), from a matrix of the encoder, or from xgboost's own matrix."""
    if hasattr(estimator, "inplace_predict"):
        import xgboost

        if hasattr(matrix, "tocsr"):  # the linear booster, which alone takes sparse matrices, cannot do it in place
            matrix = xgboost.DMatrix(matrix)
        is_raw = isinstance(matrix, np.ndarray)
        raw = estimator.inplace_predict(matrix) if is_raw else estimator.predict(matrix)
        if learns_logarithm(estimator):
            return np.exp(np.asarray(raw, dtype=np.float64))
    else:
        raw = estimator.predict(matrix)
    return np.asarray(raw, dtype=np.float64)
