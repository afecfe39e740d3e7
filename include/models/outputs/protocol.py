"""What a task's outputs have to be able to do. A new task is a module beside this one, and an entry in the table."""

from collections.abc import Mapping
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from include.problem.data import Columns, Values
from include.problem.declaration import Problem


class Outputs(Protocol):
    """What stands between an estimator and those who ask: how its outputs become predictions, and how sure they are.

    Attributes:
        needs_calibration: Whether predictions are calibrated before they are judged, see `calibrate`.
    """

    needs_calibration: bool

    @classmethod
    def start(cls, problem: Problem, target: Values) -> Self:
        """The outputs of an estimator that was fitted to these targets, (n,), not yet calibrated."""

    def finish(self, given: Values) -> Values:
        """Predictions by what the estimator gives, of the same shape."""

    def calibrate(self, problem: Problem, actual: Values, given: Values) -> tuple[Self, Values]:
        """The outputs calibrated on n rows that were neither learnt from nor judge, and predictions of these rows.

        Args:
            actual: (n,).
            given: By an estimator that has not learnt from the rows.

        Returns:
            Beside the outputs predictions by such ones as were calibrated without each row, so that they can be
            measured.
        """

    def bound(self, actual: Values, predicted: Values, categories: Columns) -> Self:
        """The outputs with what says how sure predictions are, by n rows that were not learnt from.

        Args:
            predicted: Of the rows, by `finish`.
            categories: Columns of the rows, each (n,), of whose values each is to hold its share.
        """

    def cover(self, actual: Values, predicted: Values, rows: Columns, level: float) -> npt.NDArray[np.bool_] | None:
        """Whether each actual value is where it is said to be with the probability `level`; None if nothing is said."""

    def answer(self, predicted: Values, rows: Columns, level: float) -> dict[str, Any]:
        """What is told of n predictions, as plain JSON values by key."""

    def measure(self, actual: Values, predicted: Values) -> dict[str, list[dict[str, Any]]]:
        """Tables by name, of plain JSON values, on predictions of n > 0 rows: what pages draw beside errors."""

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""

    @classmethod
    def from_dict(cls, problem: Problem, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
