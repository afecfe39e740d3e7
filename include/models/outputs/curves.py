"""How good probabilities of classes are, in tables of plain JSON values: what charts of a model are drawn from."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from include.models.outputs.thresholds import decide
from include.problem.data import Values
from include.problem.objectives.classification import BINS, take_score

# Of a curve; more of them make no other picture.
MOST_POINTS = 100
SCORE_BINS = 20
Row = dict[str, Any]
Flags = npt.NDArray[np.bool_]


class _Told(NamedTuple):
    """One class against all others: which of the rows are of it, (n,), and how probable that was, (n,)."""

    label: str
    happened: Flags
    probability: Values

    @property
    def can_rank(self) -> bool:
        """Whether there are rows of the class, and others."""
        return bool(self.happened.any() and not self.happened.all())


def measure_classes(
    labels: Sequence[str], actual: Values, predicted: Values, threshold: float | None
) -> dict[str, list[Row]]:
    """Tables on the probabilities of k classes, by n > 0 rows that the model has not learnt from.

    Curves and calibration are of each class against all others; of two classes, of the second one alone. A class that
    none of the rows has, or all of them, has no curve.

    Args:
        labels: The k labels, in the order of the classes' numbers.
        actual: The number of each row's class, (n,).
        predicted: Probabilities, (n, k).
        threshold: Of two classes, the probability from which on a row is taken for the second one. None: as of more
            classes, a row is taken for the most probable one.

    Returns:
        classes: By class: label, rows, share, mean_probability, roc_auc, pr_auc, precision, recall, and the threshold
            of the class that has one; None is what cannot be said.
        roc: By class and point: label, false_positive_rate, true_positive_rate, and the probability from which on rows
            are taken for the class; None: no row is. Both ends and the point of the threshold are exact.
        pr: Likewise: label, recall, precision, probability.
        calibration: By class and bin of probabilities that has rows: label, low, high, rows, mean_probability and
            frequency.
        confusion: By actual and decided class: actual, decided, rows, and their share of the actual class's.
        scores: By actual class and bin of the probability of the second of two classes, else of the most probable one:
            label, low, high, rows, and their share of the class's.
    """
    from sklearn.metrics import confusion_matrix

    codes, scores = actual.astype(np.intp), take_score(predicted)
    counts = confusion_matrix(codes, decide(predicted, threshold), labels=range(len(labels)))
    classes = [_Told(label, codes == at, predicted[:, at]) for at, label in enumerate(labels)]
    told = classes[1:] if len(labels) == 2 else classes
    curves = [each for each in told if each.can_rank]
    return {
        "classes": [
            {
                **_describe_class(each),
                "precision": _divide(counts[at, at], counts[:, at].sum()),
                "recall": _divide(counts[at, at], counts[at].sum()),
                "threshold": threshold if at == 1 else None,
            }
            for at, each in enumerate(classes)
        ],
        "roc": [{"label": each.label, **point} for each in curves for point in _trace_roc(each, threshold)],
        "pr": [{"label": each.label, **point} for each in curves for point in _trace_pr(each, threshold)],
        "calibration": [{"label": each.label, **part} for each in told for part in _calibrate(each)],
        "confusion": [
            {"actual": label, "decided": other, "rows": int(count), "share": _divide(count, row.sum())}
            for label, row in zip(labels, counts, strict=True)
            for other, count in zip(labels, row, strict=True)
        ],
        "scores": [{"label": each.label, **part} for each in classes for part in _count_scores(scores[each.happened])],
    }


def _divide(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _describe_class(told: _Told) -> Row:
    from sklearn.metrics import average_precision_score, roc_auc_score

    happened, probability = told.happened, told.probability
    return {
        "label": told.label,
        "rows": int(happened.sum()),
        "share": float(happened.mean()),
        "mean_probability": float(probability.mean()),
        "roc_auc": float(roc_auc_score(happened, probability)) if told.can_rank else None,
        "pr_auc": float(average_precision_score(happened, probability)) if told.can_rank else None,
    }


def _trace_roc(told: _Told, threshold: float | None) -> Iterator[Row]:
    from sklearn.metrics import roc_curve

    false, true, limits = roc_curve(told.happened, told.probability, drop_intermediate=False)
    for at in _thin(false + true, limits, threshold):
        rates = {"false_positive_rate": float(false[at]), "true_positive_rate": float(true[at])}
        yield {**rates, "probability": float(limits[at]) if at else None}


def _trace_pr(told: _Told, threshold: float | None) -> Iterator[Row]:
    from sklearn.metrics import precision_recall_curve

    precision, recall, limits = (values[::-1] for values in precision_recall_curve(told.happened, told.probability))
    # The first point, where no row is taken for the class, has no limit of its own.
    limits = np.concatenate([[np.inf], limits])
    for at in _thin(recall, limits, threshold):
        rates = {"recall": float(recall[at]), "precision": float(precision[at])}
        yield {**rates, "probability": float(limits[at]) if at else None}


def _thin(along: Values, limits: Values, threshold: float | None) -> npt.NDArray[np.intp]:
    """The places of points to keep: about as far from each other `along` the curve, and those that have to be exact.

    Args:
        along: How far each point is along the curve, ascending.
        limits: The probability from which on rows count at each point, descending.
    """
    steps = np.linspace(along[0], along[-1], MOST_POINTS - 1)[1:-1]
    exact = [0, len(along) - 1]
    if threshold is not None:
        exact.append(int(np.searchsorted(-limits, -threshold, side="right")) - 1)
    return np.unique([*np.searchsorted(along, steps), *exact])


def _calibrate(told: _Told) -> Iterator[Row]:
    bins, weights = _bin(told.probability, BINS), (None, told.probability, told.happened)
    rows, chances, hits = (np.bincount(bins, weights=each, minlength=BINS) for each in weights)
    for at in np.flatnonzero(rows).tolist():
        yield {
            "low": at / BINS,
            "high": (at + 1) / BINS,
            "rows": int(rows[at]),
            "mean_probability": float(chances[at] / rows[at]),
            "frequency": float(hits[at] / rows[at]),
        }


def _count_scores(scores: Values) -> Iterator[Row]:
    counts = np.bincount(_bin(scores, SCORE_BINS), minlength=SCORE_BINS)
    for at, count in enumerate(counts.tolist()):
        ends = {"low": at / SCORE_BINS, "high": (at + 1) / SCORE_BINS}
        yield {**ends, "rows": count, "share": _divide(count, len(scores))}


def _bin(probability: Values, bins: int) -> npt.NDArray[np.intp]:
    return np.minimum((probability * bins).astype(np.intp), bins - 1)
