"""Fits one model type with given parameters on encoded examples."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from include.models.encoder import Encoder, Encoding
from include.models.libraries.protocol import EncodedData, FitOptions, Fits, Watch
from include.models.libraries.table import LIBRARIES, blend, kind_of, members_of
from include.models.outputs.table import OUTPUTS
from include.models.spool import Spool
from include.models.table import ModelType, Statistic
from include.problem.class_weights import find_class_weights
from include.problem.data import Pieces, Split, Values
from include.problem.declaration import Problem
from include.problem.mapped import release

# Of the rounds that were found to be best, in a fit on all rows. On three pairs of months, a factor of 1.0 gained 2.9,
# 1.0 and 4.8 % of the error on the month after, 1.3 gained 3.1, 1.2 and 5.1 %.
MORE_ROUNDS = 1.2
_STATISTICS: Mapping[Statistic, Callable[[Values], Any]] = {
    "median": np.median,
    "spread": lambda target: np.subtract(*np.quantile(target, [0.75, 0.25])) or 1.0,
}


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator, and how good it is on the validation split.

    Attributes:
        metrics: All measures of the problem's objective, by their keys.
        loss: The one of them that decides, which a search lowers.
    """

    estimator: Any
    metrics: dict[str, float]
    loss: float


def encode(
    model: ModelType,
    problem: Problem,
    feature_set: str,
    references: Mapping[str, Any],
    train: Pieces,
    validation: Pieces | None = None,
) -> EncodedData:
    """Fits the encoder on the training split and encodes both splits the way the model type takes them.

    Args:
        feature_set: Its name, see `find_feature_set`.
        references: What its features look up, by name.
        train: Held in memory where the model type does not read its matrix in batches, see `reads_batches`.
        validation: None where the fit does not look at it.
    """
    encoder = fit_encoder(model, problem, feature_set, references, train)
    of_classes = find_class_weights(problem, train.target)
    weight = weigh(of_classes, train.target, train.weights)
    data = EncodedData(encoder, _encode_rows(encoder, train), train.target, train_weight=weight)
    if validation is not None:
        data = replace(
            data,
            validation=_encode_rows(encoder, validation),
            validation_target=validation.target,
            validation_weight=weigh(of_classes, validation.target, weights_of_validation(validation)),
        )
    prepared = LIBRARIES[model.family].prepare(model, data)
    release()
    return prepared


def fit_encoder(
    model: ModelType, problem: Problem, feature_set: str, references: Mapping[str, Any], train: Pieces
) -> Encoder:
    """The encoder of the model type, fitted on the training split."""
    encoding: Encoding = "native" if model.native_categories else "one_hot"
    return Encoder(problem, feature_set, encoding, references).fit_pieces(piece.rows for piece in train.pieces())


def reads_batches(model: ModelType) -> bool:
    """Whether a fit can be on more rows than memory holds: boosters of trees sum up each batch in bins.

    The others, which take one-hot matrices, need all rows at once.
    """
    return model.native_categories


def _encode_rows(encoder: Encoder, rows: Pieces) -> Any:
    if isinstance(rows, Split):
        return encoder.transform(rows.rows)
    return Spool(encoder.transform(piece.rows) for piece in rows.pieces())


def weigh(of_classes: Values, target: Values, own: Values | None) -> Values | None:
    """How much each row counts, (n,), by the weights of the classes, see `find_class_weights`, and its own."""
    if not of_classes.size or of_classes.min() == of_classes.max():
        return own
    weights: Values = of_classes[target.astype(np.intp)]
    return weights if own is None else weights * own


def weights_of_validation(rows: Pieces) -> Values | None:
    """How much each row that validates counts; None where no row counts, in a fold or in the split.

    The error of such rows would be 0 or missing in each round, and boosters would stop after the first one.
    """
    weights = rows.weights
    return weights if weights is not None and weights.any() else None


def threads_for(threads: int) -> int:
    """How many threads: `threads`, or where it is 0, as many as there are cores to use, in a container by its limit."""
    import joblib

    return threads or joblib.cpu_count()


def count_threads(threads: int, model: ModelType, data: EncodedData) -> int:
    """Threads for one fit: `threads`, or where it is 0, as many as make it quicker, at most one per core.

    Fits side by side share the cores; the last one may have all of them.
    """
    values = len(data.train_target) * len(data.encoder.feature_names)
    return threads or max(1, min(threads_for(0), values // LIBRARIES[model.family].values_per_thread))


def fit_estimator(
    model: ModelType,
    parameters: Mapping[str, Any],
    data: EncodedData,
    *,
    random_state: int,
    threads: int = 0,
    device: str = "cpu",
    watch: Watch | None = None,
    library: Fits | None = None,
) -> Any:
    """Fits on the training split; boosters stop when the validation error has stopped falling.

    Args:
        parameters: Values by name; or, for a blend, the values of its members, see `list_members`.
        device: Where xgboost computes, `cpu` or `cuda`; other libraries compute on the CPU.
        watch: See `FitOptions`.
        library: What fits; None: the family's library, in this process.

    Returns:
        An estimator of the family's library, one of scikit-learn's, or a booster of xgboost or LightGBM; or a blend.
    """
    of_target = {name: float(_STATISTICS[statistic](data.train_target)) for name, statistic in model.of_target.items()}
    scale = _scale_of(data.train_target)
    problem = data.encoder.problem
    # Libraries of boosters call the error of a number as it is stored.
    metric = model.metric or problem.objective.key
    fits: Fits = library or LIBRARIES[model.family]
    options = FitOptions(random_state, count_threads(threads, model, data), device, metric, watch, len(problem.labels))

    def fit_member(chosen: Mapping[str, Any]) -> Any:
        in_unit = {name: chosen[name] * scale for name in model.in_unit if name in chosen and scale != 1}
        return fits.fit(model, {**model.fixed, **of_target, **chosen, **in_unit}, data, options)

    return blend([fit_member(chosen) for chosen in list_members(parameters)])


def list_members(parameters: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The parameters of each member of a blend, whose values are lists; those of a single estimator as they are."""
    if not any(isinstance(value, list) for value in parameters.values()):
        return [parameters]
    return [dict(zip(parameters, values, strict=True)) for values in zip(*parameters.values(), strict=True)]


def join_members(members: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The inverse of `list_members`."""
    if len(members) == 1:
        return dict(members[0])
    return {name: [member[name] for member in members] for name in members[0]}


def _scale_of(target: Values) -> float:
    """The power of ten by which parameters in the target's unit are multiplied: 1 where it deviates by about 10."""
    deviation = float(target.std())
    return 10.0 ** round(math.log10(deviation) - 1) if 0 < deviation < math.inf else 1.0


def fit(model: ModelType, parameters: Mapping[str, Any], data: EncodedData, **options: Any) -> Fitted:
    """Fits as `fit_estimator` does, with its options, and measures the errors on the validation split."""
    estimator, problem = fit_estimator(model, parameters, data, **options), data.encoder.problem
    outputs = OUTPUTS[problem.task].start(problem, data.train_target)
    predicted = outputs.finish(predict_encoded(estimator, data.validation))
    metrics = problem.objective.measure(data.validation_target, predicted)
    return Fitted(estimator, metrics, metrics[problem.objective.key])


def find_rounds(model: ModelType, fitted: Any) -> dict[str, int]:
    """The parameter that a fit on all rows has beside those of the fit on fewer: how many rounds are boosted.

    Of a blend, these are the rounds of each member.

    A booster that stopped at its best round gets some more, without looking at the validation split: with more rows it
    can learn for longer.
    """
    if not model.stops_early:
        return {}
    count = LIBRARIES[model.family].count_rounds
    return join_members([{"n_estimators": round(count(member) * MORE_ROUNDS)} for member in members_of(fitted)])


def predict_encoded(estimator: Any, matrix: Any) -> Values:
    """What the estimator gives, (n,), of classes their probabilities, (n, k).

    Args:
        matrix: One of the encoder, or one in its library's own form.
    """
    return np.asarray(kind_of(estimator).predict(estimator, matrix), dtype=np.float64)
