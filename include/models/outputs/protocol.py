"""What a task's outputs have to be able to do. A new task is a module beside this one, and an entry in the table."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt

from include.problem.data import Columns, Values
from include.problem.declaration import Problem

# What a column of the tables of predictions holds by row; the numbers are as many as there are classes.
Stored = Literal["number", "text", "numbers"]


class Outputs(Protocol):
    """What stands between an estimator and those who ask: how its outputs become predictions, and how sure they are.

    Attributes:
        needs_calibration: Whether predictions are calibrated before they are judged, see `calibrate`.
        columns: Those of `prediction.batch` that hold predictions, see `tabulate`.
    """

    needs_calibration: bool
    columns: ClassVar[Mapping[str, Stored]]

    @classmethod
    def start(cls, problem: Problem, target: Values) -> Self:
        """The outputs of an estimator that was fitted to these targets, (n,), not yet calibrated."""

    def refit(self, problem: Problem, target: Values) -> Self:
        """The same outputs, of an estimator that was fitted again, to these targets, (n,)."""

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

    def record(self, predicted: Values) -> dict[str, list[Any]]:
        """What `prediction.log` keeps of n predictions, as n plain JSON values by column."""

    def tabulate(self, predicted: Values, rows: Columns) -> dict[str, npt.NDArray[Any] | None]:
        """What `prediction.batch` keeps of n predictions, in the order of `columns`: (n,), or (n, k) of k classes.

        None where nothing is known.
        """

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""

    @classmethod
    def from_dict(cls, problem: Problem, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
