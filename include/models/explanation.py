"""What moves a model's predictions: contributions of its features to those of a few rows.

A booster's are its library's own, a linear model's follow from its coefficients; they are summed over the columns that
encode one feature. They add up to a margin; where that is on the scale of predictions, such as a probability, its
`Scale` says.
"""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from include.models.artifact import Model
from include.models.factors import show_factor
from include.models.libraries.protocol import Contributions, Link
from include.models.libraries.table import kind_of, members_of
from include.models.linear import contribute_linear
from include.models.scale import Scale
from include.problem.data import Columns, Pieces, Values
from include.problem.declaration import Problem

# Points enough for a picture; TreeSHAP of a deep booster takes some ten milliseconds a row.
SAMPLE_ROWS = 250


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
        scale: Where margins are on the scale of predictions.
        classes: The number of the class that each row's contributions are for, (n,); None without classes.
        of_each: Of several classes the contributions to the margin of each class, (n, k, classes), and the margins
            without any feature, (classes,): only all of them together say how probable one is.
    """

    features: tuple[str, ...]
    contributions: npt.NDArray[np.float64]
    base: Values
    unit: str
    factor_on: str = ""
    scale: Scale = field(default_factory=Scale)
    classes: npt.NDArray[np.intp] | None = None
    of_each: tuple[npt.NDArray[np.float64], Values] | None = None

    @property
    def multiplies(self) -> bool:
        """Whether contributions are logarithms of factors, rather than summands."""
        return bool(self.factor_on)

    @property
    def start(self) -> Values:
        """The prediction without any feature, (n,), see `changes`."""
        return self._path[:, 0]

    @property
    def predicted(self) -> Values:
        """The prediction with all features, (n,), see `changes`: `start` and what each feature changes."""
        return self._path[:, -1]

    @cached_property
    def changes(self) -> npt.NDArray[np.float64]:
        """What each feature changes of the prediction, (n, k): of a number, or of the probability of one class.

        That is the probability of the second of two classes, or else of the most probable one, see `name_scale`, as it
        is predicted: after calibration. A contribution to a margin changes the prediction by an amount that depends on
        where the margin is. Here they are added one after the other, the strongest of each row first.
        """
        changes = np.empty_like(self.contributions)
        np.put_along_axis(changes, self._order, np.diff(self._path, axis=1), axis=1)
        return changes

    def name_scale(self, at: int) -> str:
        """What `changes` of a row are changes of, such as `probability of Yes`; empty where it is a number."""
        return "" if self.classes is None else f"probability of {self.scale.labels[self.classes[at]]}"

    @cached_property
    def _order(self) -> npt.NDArray[np.intp]:
        """The positions of each row's features, the strongest first, (n, k)."""
        return np.argsort(-np.abs(self.contributions), axis=1, kind="stable")

    @cached_property
    def _path(self) -> npt.NDArray[np.float64]:
        """The prediction of each row without any feature, and with one more of them each time, (n, k + 1)."""
        if self.of_each is None:
            base, steps = self.base[:, None], np.take_along_axis(self.contributions, self._order, axis=1)
        else:
            steps = np.take_along_axis(self.of_each[0], self._order[:, :, None], axis=1)
            base = np.broadcast_to(self.of_each[1], (len(steps), 1, steps.shape[2]))
        margins = np.cumsum(np.concatenate([base, steps], axis=1), axis=1)
        shape = margins.shape[:2]
        classes = None if self.classes is None else np.repeat(self.classes, shape[1])
        return self.scale.place(margins.reshape(-1, *margins.shape[2:]), classes).reshape(shape)

    @property
    def strengths(self) -> list[dict[str, Any]]:
        """Mean absolute contribution by feature, the strongest first."""
        means = np.abs(self.contributions).mean(axis=0)
        return [
            {"feature": name, "mean_abs_shap": float(mean)} for name, mean in zip(self.features, means, strict=True)
        ]


def can_explain(model: Model) -> bool:
    """Whether the estimator is a booster, which explains itself, a linear model, or a blend of either."""
    return is_linear(model) or kind_of(model.estimator).explains(model.estimator)


def explain(model: Model, rows: Columns) -> Explanation:
    """Explains the predictions of n rows; keep n small, one-hot encodings are dense here.

    Of a linear model, each coefficient counts times its column's distance from the mean of the training split, which is
    kept in the model's metadata; without that, from zero.

    Raises:
        TypeError: The estimator has neither Shapley values of its own nor coefficients (see `can_explain`).
    """
    if is_linear(model):
        return _by_feature(model, contribute_linear(model, rows))
    matrix = model.encoder.transform(rows)
    found = kind_of(model.estimator).contribute(model.estimator, matrix, model.encoder)
    return _by_feature(model, found)


def is_linear(model: Model) -> bool:
    """Whether the estimator is a linear model of scikit-learn, or a blend of them."""
    return all(hasattr(member, "coef_") for member in members_of(model.estimator))


def _by_feature(model: Model, found: Contributions) -> Explanation:
    """Adds up the columns that encode one feature, the strongest feature first."""
    owners = [name.split("=", 1)[0] for name in model.encoder.feature_names]
    names = list(dict.fromkeys(owners))
    summed = np.zeros((len(names), len(found.values), *found.values.shape[2:]))
    np.add.at(summed, [names.index(owner) for owner in owners], found.values.swapaxes(0, 1))
    columns, scale = summed.swapaxes(0, 1), Scale(found.link, model.problem.labels, model.outputs.finish)
    classes = _choose_classes(columns, found.base, scale)
    contributions, base = _pick(columns, found.base, classes) if columns.ndim == 3 else (columns, found.base)
    order = np.argsort(-np.abs(contributions).mean(axis=0), kind="stable")
    unit, factor_on = _name_link(found.link, model.problem)
    return Explanation(
        tuple(names[at] for at in order),
        contributions[:, order],
        np.broadcast_to(base, len(columns)),
        unit,
        factor_on,
        scale,
        classes,
        (columns[:, order], found.base) if columns.ndim == 3 else None,
    )


def _choose_classes(
    columns: npt.NDArray[np.float64], base: npt.NDArray[np.float64], scale: Scale
) -> npt.NDArray[np.intp] | None:
    """The class of each row whose probability is explained, (n,): the second of two, else the most probable one."""
    if not scale.labels:
        return None
    if columns.ndim == 2:
        return np.ones(len(columns), dtype=np.intp)
    most_probable: npt.NDArray[np.intp] = scale.predict(columns.sum(axis=1) + base).argmax(axis=1)
    return most_probable


def _pick(
    columns: npt.NDArray[np.float64], base: npt.NDArray[np.float64], classes: npt.NDArray[np.intp] | None
) -> tuple[npt.NDArray[np.float64], Values]:
    """The contributions to the margin of one class of each row, (n, k), and that margin without them, (n,)."""
    # Only differences between classes say something.
    values = columns - columns.mean(axis=2, keepdims=True)
    picked = np.take_along_axis(values, np.asarray(classes)[:, None, None], axis=2)[:, :, 0]
    return picked, (base - base.mean())[classes]


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


def sample(rows: Pieces, most: int, random_state: int) -> Columns:
    """At most so many of the rows, drawn without replacement, in their order."""
    count = len(rows)
    if count <= most:
        return rows.take(np.arange(count)).rows
    return rows.take(np.sort(np.random.default_rng(random_state).choice(count, most, replace=False))).rows


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
