"""From which probability on a row is taken for one of the positive class of two: by costs, precision or recall."""

import numpy as np
import numpy.typing as npt

from include.problem.data import Values
from include.problem.declaration import Problem


def choose_threshold(problem: Problem, actual: Values, predicted: Values) -> float:
    """The least probability at which a row counts as positive.

    By costs it follows from calibrated probabilities alone: a row is taken for positive where to miss it would cost
    more than a false alarm (C. Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI 2001). By `least_precision`
    it is the lowest one that reaches it, so that most rows are found; by `least_recall` the highest one. Where no
    threshold reaches the precision, it is the one that comes nearest; where no row is positive, nothing is known of
    either, and the more probable class is taken.

    Args:
        actual: The number of each row's class, (n,), of rows that were not learnt from.
        predicted: Probabilities, (n, 2).
    """
    is_positive = actual == 1
    if (problem.least_precision is None and problem.least_recall is None) or not is_positive.any():
        missed, false_alarm = problem.cost_missed or 1.0, problem.cost_false_alarm or 1.0
        return false_alarm / (false_alarm + missed)
    from sklearn.metrics import precision_recall_curve

    # Of the last precision and recall there is no threshold.
    precision, recall, thresholds = precision_recall_curve(is_positive, predicted[:, 1])
    precision, recall = precision[:-1], recall[:-1]
    if problem.least_recall is not None:
        return float(thresholds[np.flatnonzero(recall >= problem.least_recall)[-1]])
    reached = np.flatnonzero(precision >= min(float(problem.least_precision or 0), float(precision.max())))
    return float(thresholds[reached[0]])


def decide(predicted: Values, threshold: float | None) -> npt.NDArray[np.intp]:
    """The number of the class that each row is taken for, (n,).

    Args:
        predicted: Probabilities, (n, k).
        threshold: Of two classes, the probability from which on a row is taken for the second one; None: it is taken
            for the most probable one.
    """
    if threshold is None:
        decided: npt.NDArray[np.intp] = predicted.argmax(axis=1)
    else:
        decided = (predicted[:, 1] >= threshold).astype(np.intp)
    return decided
