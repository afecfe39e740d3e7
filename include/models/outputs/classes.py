"""Classes: calibrated probabilities, the class that is decided for, and the set of classes that come into question."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from include.models.outputs.calibration import Calibration, calibrate
from include.models.outputs.curves import measure_classes
from include.models.outputs.label_sets import LabelSets, make_label_sets
from include.models.outputs.protocol import Stored
from include.models.outputs.thresholds import choose_threshold, decide
from include.problem.class_weights import find_class_weights
from include.problem.data import Columns, Values
from include.problem.declaration import Problem


@dataclass(frozen=True)
class Classes:
    """See `Outputs`.

    Attributes:
        labels: Of the k classes.
        weights: How much rows of each class counted when the estimator was fitted, (k,): its probabilities are those of
            rows that are as frequent as that.
        threshold: Of two classes, from which probability on a row is taken for the second; None of more, of which the
            most probable one is decided for.
        label_sets: None where too few rows were held out to say.
    """

    labels: tuple[str, ...]
    weights: Values
    calibration: Calibration = field(default_factory=Calibration)
    threshold: float | None = None
    label_sets: LabelSets | None = None
    needs_calibration = True
    columns: ClassVar[Mapping[str, Stored]] = MappingProxyType({"predicted_class": "text", "probabilities": "numbers"})

    @classmethod
    def start(cls, problem: Problem, target: Values) -> Self:
        return cls(problem.labels, find_class_weights(problem, target))

    def refit(self, problem: Problem, target: Values) -> Self:
        return replace(self, weights=find_class_weights(problem, target))

    def finish(self, given: Values) -> Values:
        return self.calibration.apply(self._unweigh(given))

    def _unweigh(self, given: Values) -> Values:
        if self.weights.min() == self.weights.max():
            return given
        whole = given / self.weights
        unweighed: Values = whole / whole.sum(axis=1, keepdims=True)
        return unweighed

    def calibrate(self, problem: Problem, actual: Values, given: Values) -> tuple[Self, Values]:
        calibration, across = calibrate(actual, self._unweigh(given))
        threshold = choose_threshold(problem, actual, across) if len(self.labels) == 2 else None
        return replace(self, calibration=calibration, threshold=threshold), across

    def bound(self, actual: Values, predicted: Values, categories: Columns) -> Self:
        return replace(self, label_sets=make_label_sets(actual, predicted))

    def cover(self, actual: Values, predicted: Values, rows: Columns, level: float) -> npt.NDArray[np.bool_] | None:
        if self.label_sets is None:
            return None
        return self.label_sets.find(predicted, level)[np.arange(len(actual)), actual.astype(np.intp)]

    def decide(self, predicted: Values) -> npt.NDArray[np.intp]:
        """The number of the class that each row is taken for, (n,)."""
        return decide(predicted, self.threshold)

    def name(self, predicted: Values) -> npt.NDArray[np.object_]:
        """The label that each row is taken for, (n,)."""
        named: npt.NDArray[np.object_] = np.array(self.labels, dtype=object)[self.decide(predicted)]
        return named

    def answer(self, predicted: Values, rows: Columns, level: float) -> dict[str, Any]:
        names = np.array(self.labels, dtype=object)
        inside = self.label_sets.find(predicted, level) if self.label_sets else None
        return {
            "predictions": self.name(predicted).tolist(),
            "probabilities": [dict(zip(self.labels, row, strict=True)) for row in predicted.tolist()],
            "threshold": self.threshold,
            "label_sets": None if inside is None else [names[row].tolist() for row in inside],
            "level": level,
        }

    def measure(self, actual: Values, predicted: Values) -> dict[str, list[dict[str, Any]]]:
        return measure_classes(self.labels, actual, predicted, self.threshold)

    def record(self, predicted: Values) -> dict[str, list[Any]]:
        return {"predicted_class": self.name(predicted).tolist(), "probabilities": predicted.tolist()}

    def tabulate(self, predicted: Values, rows: Columns) -> dict[str, npt.NDArray[Any] | None]:
        return {"predicted_class": self.name(predicted), "probabilities": predicted}

    def to_dict(self) -> dict[str, Any]:
        return {
            "weights": self.weights.tolist(),
            "calibration": self.calibration.to_dict(),
            "threshold": self.threshold,
            "label_sets": self.label_sets and self.label_sets.least.tolist(),
        }

    @classmethod
    def from_dict(cls, problem: Problem, values: Mapping[str, Any]) -> Self:
        sets = values["label_sets"]
        return cls(
            problem.labels,
            np.array(values["weights"], dtype="float64"),
            Calibration.from_dict(values["calibration"]),
            values["threshold"],
            LabelSets(np.array(sets, dtype="float64")) if sets else None,
        )
