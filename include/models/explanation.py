"""What moves a model's predictions: contributions of its features to those of a few rows.

A booster's are its library's own; they are summed over the columns that encode one feature.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from include.models.artifact import Model
from include.models.libraries.table import kind_of, members_of
from include.problem.data import Columns, count_rows

# Points enough for a picture; TreeSHAP of a deep booster takes some ten milliseconds a row.
SAMPLE_ROWS = 250
# Steps of an axis of factors, the smallest first.
RATIOS = (1.01, 1.02, 1.05, 1.1, 1.25, 1.5, 2.0, 4.0, 10.0, 100.0)
MOST_TICKS = 9


@dataclass(frozen=True)
class Explanation:
    """Contributions of k features to n predictions.

    Attributes:
        features: The k names, the strongest first.
        contributions: Shape (n, k), in the unit of the model's margin: the target's, or its logarithm where the
            objective has a log link or the booster learns the logarithm.
        base: The margin without any feature.
        unit: Of the contributions: the target's, behind `log` where they multiply.
        multiplies: Whether contributions are logarithms of factors on the prediction, rather than summands.
    """

    features: tuple[str, ...]
    contributions: npt.NDArray[np.float64]
    base: float
    unit: str
    multiplies: bool = False

    @property
    def strengths(self) -> list[dict[str, Any]]:
        """Mean absolute contribution by feature, the strongest first."""
        means = np.abs(self.contributions).mean(axis=0)
        return [
            {"feature": name, "mean_abs_shap": float(mean)} for name, mean in zip(self.features, means, strict=True)
        ]


def can_explain(model: Model) -> bool:
    """Whether the estimator is a booster, which explains itself, or a blend of boosters."""
    return kind_of(model.estimator).explains(model.estimator)


def explain(model: Model, rows: Columns) -> Explanation:
    """Explains the predictions of n rows; keep n small, one-hot encodings are dense here.

    Raises:
        TypeError: The estimator is not a booster (see `can_explain`).
    """
    matrix = model.encoder.transform(rows)
    found = kind_of(model.estimator).contribute(model.estimator, matrix, model.encoder)
    return _by_feature(model, found.values, found.base, multiplies=found.multiplies)


def is_linear(model: Model) -> bool:
    """Whether the estimator is a linear model of scikit-learn, or a blend of them."""
    return all(hasattr(member, "coef_") for member in members_of(model.estimator))


def explain_linear(model: Model, rows: Columns) -> Explanation:
    """Explains a linear model's predictions of n rows: each coefficient times its column's distance from the mean.

    The means are those of the training split, kept in the model's metadata; without them, contributions are told from
    zero.

    Raises:
        TypeError: The estimator is not a linear model (see `is_linear`).
    """
    if not is_linear(model):
        raise TypeError(f"{type(model.estimator).__name__} has no coefficients")
    # The mean of linear models is one.
    members = members_of(model.estimator)
    coefficients = np.mean([np.ravel(member.coef_) for member in members], axis=0, dtype=np.float64)
    means = np.asarray(model.metadata.get("means") or np.zeros_like(coefficients))
    values = (sparse.csr_matrix(model.encoder.transform(rows)).toarray() - means) * coefficients
    # Some of these models keep the intercept in an array.
    intercept = float(np.mean([np.ravel(member.intercept_)[0] for member in members]))
    return _by_feature(model, values, intercept + float(means @ coefficients))


def _by_feature(model: Model, values: npt.NDArray[np.float64], base: float, *, multiplies: bool = False) -> Explanation:
    """Adds up the columns that encode one feature, the strongest feature first."""
    owners = [name.split("=", 1)[0] for name in model.encoder.feature_names]
    names = list(dict.fromkeys(owners))
    columns = np.zeros((len(values), len(names)))
    np.add.at(columns.T, [names.index(owner) for owner in owners], values.T)
    order = np.argsort(-np.abs(columns).mean(axis=0), kind="stable")
    unit = f"{'log ' * multiplies}{model.problem.unit}".strip()
    return Explanation(tuple(names[at] for at in order), columns[:, order], base, unit, multiplies)


def sample(rows: Columns, most: int, random_state: int) -> dict[str, npt.NDArray[Any]]:
    """At most so many of the rows, drawn without replacement, in their order."""
    count = count_rows(rows)
    if count <= most:
        return dict(rows)
    chosen = np.sort(np.random.default_rng(random_state).choice(count, most, replace=False))
    return {name: values[chosen] for name, values in rows.items()}


def tick_factors(low: float, high: float) -> list[float]:
    """Factors to name on an axis of their logarithms from `low` to `high`: 1 and equal steps from it."""
    ratio = next((ratio for ratio in RATIOS if (high - low) / math.log(ratio) < MOST_TICKS), RATIOS[-1])
    steps = range(math.ceil(low / math.log(ratio)), math.floor(high / math.log(ratio)) + 1)
    return [ratio**step for step in steps]


def show_factor(factor: float) -> str:
    """A factor as `x 0.74`."""
    return f"x {factor:.2f}" if factor < 10 else f"x {factor:.0f}"


def draw_summary(explanation: Explanation, title: str) -> Any:
    """A matplotlib figure: bars of the mean absolute contributions beside every row's contribution as a point."""
    from matplotlib.figure import Figure

    names = explanation.features[::-1]
    at = np.arange(len(names))
    figure = Figure(figsize=(11, 0.42 * len(names) + 1.6), layout="constrained")
    bars, points = figure.subplots(1, 2, sharey=True)
    bars.barh(at, np.abs(explanation.contributions).mean(axis=0)[::-1], color="#3b6fb6")
    label = "factor on the prediction" if explanation.multiplies else explanation.unit
    bars.set(title="mean |SHAP|", xlabel=label, yticks=at, yticklabels=names)
    jitter = np.random.default_rng(0).uniform(-0.3, 0.3, len(explanation.contributions))
    for row in at:
        points.plot(
            explanation.contributions[:, ::-1][:, row], row + jitter, ".", markersize=2, alpha=0.5, color="#c05a2e"
        )
    points.axvline(0, color="gray", linewidth=0.8)
    points.set(title="SHAP by row", xlabel=label)
    for axes in (bars, points) if explanation.multiplies else ():
        axes.xaxis.set_major_formatter(lambda value, _: show_factor(math.exp(value)))
    figure.suptitle(title)
    return figure
