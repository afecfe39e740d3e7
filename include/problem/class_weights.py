"""How much a row counts when a model is fitted to classes."""

import numpy as np

from include.problem.data import Values
from include.problem.declaration import Problem


def find_class_weights(problem: Problem, target: Values) -> Values:
    """The weight of each class, (k,): as declared, or such that all classes count alike; without classes, (0,).

    Args:
        target: The number of each row's class, (n,), of the rows that a model learns from.
    """
    if problem.class_weights != "balanced":
        return np.array([problem.class_weights.get(label, 1.0) for label in problem.labels])
    counts = np.bincount(target.astype(np.intp), minlength=len(problem.labels))
    return len(target) / len(counts) / np.maximum(counts, 1)
