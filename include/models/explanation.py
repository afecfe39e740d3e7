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
from include.models.libraries.protocol import Contributions, Link
from include.models.libraries.table import kind_of, members_of
from include.problem.data import Columns, Values, count_rows
from include.problem.declaration import Problem

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
            objective has a log link or the booster learns the logarithm; of two classes the log-odds of the second
            one, of more those of the most probable one against the mean of all. Probabilities are calibrated behind it.
        base: The margin without any feature, (n,).
        unit: Of the contributions: the target's, behind `log` where they multiply, or `log-odds`.
        factor_on: What contributions are logarithms of factors on, such as `the prediction` or `the odds of Yes`;
            empty where they are summands of the prediction.
    """

    features: tuple[str, ...]
    contributions: npt.NDArray[np.float64]
    base: Values
    unit: str
    factor_on: str = ""

    @property
    def multiplies(self) -> bool:
        """Whether contributions are logarithms of factors, rather than summands."""
        return bool(self.factor_on)

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
    return _by_feature(model, found)


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
    coefficients = np.mean([np.atleast_2d(member.coef_) for member in members], axis=0, dtype=np.float64)
    # Some of these models keep the intercept in an array.
    intercepts = np.mean([np.atleast_1d(member.intercept_) for member in members], axis=0, dtype=np.float64)
    means = np.asarray(model.metadata.get("means") or np.zeros(coefficients.shape[1]))
    distances = sparse.csr_matrix(model.encoder.transform(rows)).toarray() - means
    values, base = distances[:, :, None] * coefficients.T, intercepts + coefficients @ means
    link = kind_of(model.estimator).link(model.estimator)
    return _by_feature(
        model, Contributions(values, base, link) if link == "softmax" else Contributions(values[:, :, 0], base[0], link)
    )


def _by_feature(model: Model, found: Contributions) -> Explanation:
    """Adds up the columns that encode one feature, the strongest feature first."""
    values, base = _choose_class(found)
    owners = [name.split("=", 1)[0] for name in model.encoder.feature_names]
    names = list(dict.fromkeys(owners))
    columns = np.zeros((len(values), len(names)))
    np.add.at(columns.T, [names.index(owner) for owner in owners], values.T)
    order = np.argsort(-np.abs(columns).mean(axis=0), kind="stable")
    unit, factor_on = _name_link(found.link, model.problem)
    return Explanation(tuple(names[at] for at in order), columns[:, order], base, unit, factor_on)


def _choose_class(found: Contributions) -> tuple[npt.NDArray[np.float64], Values]:
    """The contributions to the margin of one class of each row, (n, columns), and its base, (n,)."""
    if found.link != "softmax":
        return found.values, np.full(len(found.values), found.base)
    # Only differences between classes say something.
    values = found.values - found.values.mean(axis=2, keepdims=True)
    base = found.base - found.base.mean()
    at = (values.sum(axis=1) + base).argmax(axis=1)
    return np.take_along_axis(values, at[:, None, None], axis=2)[:, :, 0], base[at]


def _name_link(link: Link, problem: Problem) -> tuple[str, str]:
    """The unit of contributions, and what they are factors on, see `Explanation`."""
    match link:
        case "log":
            return f"log {problem.unit}".strip(), "the prediction"
        case "logit":
            return "log-odds", f"the odds of {problem.labels[1]}"
        case "softmax":
            return "log-odds", "the odds of the most probable class"
    return problem.unit, ""


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
    label = f"factor on {explanation.factor_on}" if explanation.multiplies else explanation.unit
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
