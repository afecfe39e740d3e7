"""Numbers: predictions as the estimator gives them, with intervals around them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from include.models.intervals import DEFAULT_LEVEL, Intervals, calibrate
from include.models.outputs.protocol import Stored
from include.problem.data import Columns, Values
from include.problem.declaration import Problem


@dataclass(frozen=True)
class Numbers:
    """See `Outputs`.

    Attributes:
        unit: Of the target.
        is_never_negative: Whether training never sees a target below 0: none is said to be there, then.
        intervals: How far actual values are from predictions; None where too few rows were held out to say.
    """

    unit: str
    is_never_negative: bool
    intervals: Intervals | None = None
    needs_calibration = False
    columns: ClassVar[Mapping[str, Stored]] = MappingProxyType(
        {"predicted": "number", "predicted_low": "number", "predicted_high": "number"}
    )

    @classmethod
    def start(cls, problem: Problem, target: Values) -> Self:  # noqa: ARG003
        return cls.from_dict(problem, {"intervals": None})

    def refit(self, problem: Problem, target: Values) -> Self:
        return self

    def finish(self, given: Values) -> Values:
        return given

    def calibrate(self, problem: Problem, actual: Values, given: Values) -> tuple[Self, Values]:
        return self, given

    def bound(self, actual: Values, predicted: Values, categories: Columns) -> Self:
        return replace(self, intervals=calibrate(actual, predicted, categories))

    def find_intervals(
        self, predicted: Values, rows: Columns, level: float = DEFAULT_LEVEL
    ) -> tuple[Values, Values] | None:
        """Both ends, each (n,), of the intervals of n predictions, see `Intervals.find`; None where none are known."""
        if self.intervals is None:
            return None
        low, high = self.intervals.find(predicted, rows, level)
        return (np.maximum(low, 0.0), np.maximum(high, 0.0)) if self.is_never_negative else (low, high)

    def cover(self, actual: Values, predicted: Values, rows: Columns, level: float) -> npt.NDArray[np.bool_] | None:
        ends = self.find_intervals(predicted, rows, level)
        return None if ends is None else (ends[0] <= actual) & (actual <= ends[1])

    def answer(self, predicted: Values, rows: Columns, level: float) -> dict[str, Any]:
        ends = self.find_intervals(predicted, rows, level)
        intervals = None if ends is None else np.column_stack(ends).tolist()
        return {"predictions": predicted.tolist(), "unit": self.unit, "intervals": intervals, "level": level}

    def measure(self, actual: Values, predicted: Values) -> dict[str, list[dict[str, Any]]]:
        return {}

    def record(self, predicted: Values) -> dict[str, list[Any]]:
        return {"predicted": predicted.tolist()}

    def tabulate(self, predicted: Values, rows: Columns) -> dict[str, npt.NDArray[Any] | None]:
        low, high = self.find_intervals(predicted, rows) or (None, None)
        return {"predicted": predicted, "predicted_low": low, "predicted_high": high}

    def to_dict(self) -> dict[str, Any]:
        return {"intervals": self.intervals and self.intervals.to_dict()}

    @classmethod
    def from_dict(cls, problem: Problem, values: Mapping[str, Any]) -> Self:
        intervals = Intervals.from_dict(values["intervals"]) if values["intervals"] else None
        return cls(problem.unit, problem.target_min is not None and problem.target_min >= 0, intervals)
