"""What the columns of a linear model add to its margin: coefficients times distances."""

import numpy as np
import numpy.typing as npt
from scipy import sparse

from include.models.artifact import Model
from include.models.libraries.protocol import Contributions
from include.models.libraries.table import kind_of, members_of
from include.problem.data import Columns, Values

# The log-odds of a class of which a linear model has seen no row: as good as never.
NEVER = -30.0


def contribute_linear(model: Model, rows: Columns) -> Contributions:
    """Each coefficient times its column's distance from the mean, see `explain`."""
    # The mean of linear models is one.
    members, link = members_of(model.estimator), kind_of(model.estimator).link(model.estimator)
    coefficients = np.array([np.atleast_2d(member.coef_) for member in members], dtype=np.float64).mean(axis=0)
    # Some of these models keep the intercept in an array.
    intercepts = np.array([np.atleast_1d(member.intercept_) for member in members], dtype=np.float64).mean(axis=0)
    if link == "softmax":
        seen = members[0].classes_.astype(np.intp)
        coefficients, intercepts = _complete(coefficients, intercepts, seen, len(model.problem.labels))
    means = np.asarray(model.metadata.get("means") or np.zeros(coefficients.shape[1]))
    distances = sparse.csr_matrix(model.encoder.transform(rows)).toarray() - means
    values, base = distances[:, :, None] * coefficients.T, intercepts + coefficients @ means
    if link == "softmax":
        return Contributions(values, base, link)
    return Contributions(values[:, :, 0], base[0], link)


def _complete(
    coefficients: npt.NDArray[np.float64], intercepts: Values, seen: npt.NDArray[np.intp], classes: int
) -> tuple[npt.NDArray[np.float64], Values]:
    """The coefficients and the intercept of every class, also of those of which the model has seen no row."""
    if len(coefficients) < len(seen):  # of two classes, they are those of the difference
        coefficients, intercepts = (np.stack([-each[0], each[0]]) / 2 for each in (coefficients, intercepts))
    of_every, start = np.zeros((classes, coefficients.shape[1])), np.full(classes, NEVER)
    of_every[seen], start[seen] = coefficients, intercepts
    return of_every, start
