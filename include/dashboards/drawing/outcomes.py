"""What pages say of one prediction: a number with its interval, or a class with its probability."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from include.dashboards.drawing.tables import Fact
from include.models.artifact import Model
from include.models.intervals import DEFAULT_LEVEL
from include.problem.data import Columns, Values
from include.problem.declaration import Problem
from include.problem.objectives.table import Task
from include.problem.words import show_amount

# Of several classes, so many are named beside the most probable one.
MOST_OTHERS = 2


class Outcome(Protocol):
    """One prediction. A new task is a class beside those below, and an entry in the table."""

    @property
    def place(self) -> float:
        """Where it is on the axis on which models are compared."""

    @property
    def placed(self) -> str:
        """What is written there."""

    @property
    def axis(self) -> str:
        """What that axis shows."""

    @property
    def ends(self) -> Sequence[float] | None:
        """Both ends, on that axis, of what is to hold nine of ten actual values; None where it has none there."""

    @property
    def limit(self) -> tuple[float, str] | None:
        """From where on, on that axis, predictions are other ones, and what they are then; None where nowhere."""

    @property
    def region(self) -> str:
        """What is to hold nine of ten actual values, without its unit; empty where that is not known."""

    @property
    def region_in_unit(self) -> str:
        """The same with its unit."""

    def list_facts(self, title: str, details: str) -> list[Fact]:
        """What is predicted.

        Args:
            details: Stands beside the prediction.
        """

    def judge(self, actual: float, row: str, said: str) -> list[Fact]:
        """What really was, and how far the prediction is from it.

        Args:
            actual: As the warehouse has it.
            row: Names the row.
            said: Stands beside the error: whether the model knew the row.
        """

    def to_dict(self) -> dict[str, Any]:
        """The same for programs, as plain JSON values."""


@dataclass(frozen=True)
class NumberOutcome:
    """See `Outcome`."""

    value: float
    ends: Sequence[float] | None
    unit: str
    limit: tuple[float, str] | None = None

    @property
    def place(self) -> float:
        return self.value

    @property
    def placed(self) -> str:
        return show_amount(self.value, self.unit)

    @property
    def axis(self) -> str:
        return f"{self.unit or 'prediction'}, with the interval that holds 9 of 10 actual values"

    @property
    def region(self) -> str:
        return " to ".join(map(show_amount, self.ends)) if self.ends else ""

    @property
    def region_in_unit(self) -> str:
        return f"{self.region} {self.unit}".rstrip() if self.region else ""

    def list_facts(self, title: str, details: str) -> list[Fact]:
        return [Fact(title, self.placed, details)]

    def judge(self, actual: float, row: str, said: str) -> list[Fact]:
        is_bad = self.ends is not None and not self.ends[0] <= actual <= self.ends[1]
        error = show_amount(self.value - actual, self.unit, signed=True)
        return [
            Fact("Actual", show_amount(actual, self.unit), row),
            Fact("Error", error, said, "bad" if is_bad else ""),
        ]

    def to_dict(self) -> dict[str, Any]:
        low, high = self.ends or (None, None)
        return {"value": self.value, "low": low, "high": high, "shown": self.placed, "interval": self.region_in_unit}


@dataclass(frozen=True)
class ClassOutcome:
    """See `Outcome`.

    Attributes:
        label: The class decided for.
        probabilities: Of each class, in the order of their numbers.
        threshold: Of two classes, from which probability of the second one on it is decided for; None of more.
        label_set: The classes that come into question; None where that is not known.
    """

    problem: Problem
    label: str
    probabilities: Mapping[str, float]
    threshold: float | None
    label_set: Sequence[str] | None
    ends: Sequence[float] | None = None

    @property
    def _shown(self) -> str:
        """The class whose probability is shown: the second of two, else the one decided for."""
        labels = list(self.probabilities)
        return labels[1] if len(labels) == 2 else self.label

    @property
    def place(self) -> float:
        return self.probabilities[self._shown]

    @property
    def placed(self) -> str:
        return f"{self.label} ({show_amount(self.place)})"

    @property
    def axis(self) -> str:
        return f"probability of {self._shown if len(self.probabilities) == 2 else 'the class decided for'}"

    @property
    def limit(self) -> tuple[float, str] | None:
        if self.threshold is None:
            return None
        return self.threshold, f"taken for {self._shown} from {show_amount(self.threshold)} on"

    @property
    def region(self) -> str:
        *others, last = self.label_set or ("",)
        return f"{', '.join(others)} or {last}" if others else last

    @property
    def region_in_unit(self) -> str:
        return self.region

    def list_facts(self, title: str, details: str) -> list[Fact]:
        told = self.limit[1] if self.limit else self._tell_others()
        return [
            Fact(title, self.label, details),
            Fact(f"Probability of {self._shown}", show_amount(self.place), told),
        ]

    def _tell_others(self) -> str:
        others = sorted(
            (name for name in self.probabilities if name != self._shown), key=self.probabilities.__getitem__
        )
        return ", ".join(f"{name} {show_amount(self.probabilities[name])}" for name in others[: -MOST_OTHERS - 1 : -1])

    def judge(self, actual: float, row: str, said: str) -> list[Fact]:
        label, objective = self.problem.labels[int(actual)], self.problem.objective
        loss = objective.measure_error(np.array([actual]), np.array([[*self.probabilities.values()]]))
        is_bad = self.label_set is not None and label not in self.label_set
        return [
            Fact("Actual", label, row),
            Fact("Error", objective.show(loss), f"{objective.name}, {said}", "bad" if is_bad else ""),
        ]

    def to_dict(self) -> dict[str, Any]:
        return {
            "value": self.label,
            "probability": self.probabilities[self.label],
            "probabilities": dict(self.probabilities),
            "threshold": self.threshold,
            "label_set": self.label_set,
            "shown": self.placed,
        }


def _list_numbers(problem: Problem, answer: Mapping[str, Any]) -> list[Outcome]:
    values = answer["predictions"]
    intervals = answer["intervals"] or [None] * len(values)
    return [NumberOutcome(value, ends, problem.unit) for value, ends in zip(values, intervals, strict=True)]


def _list_classes(problem: Problem, answer: Mapping[str, Any]) -> list[Outcome]:
    labels = answer["predictions"]
    sets = answer["label_sets"] or [None] * len(labels)
    return [
        ClassOutcome(problem, label, probabilities, answer["threshold"], label_set)
        for label, probabilities, label_set in zip(labels, answer["probabilities"], sets, strict=True)
    ]


_OUTCOMES: Mapping[Task, Callable[[Problem, Mapping[str, Any]], list[Outcome]]] = MappingProxyType(
    {"regression": _list_numbers, "classification": _list_classes}
)


def list_outcomes(model: Model, predicted: Values, rows: Columns) -> list[Outcome]:
    """What a model's predictions of n rows, see `Model.predict`, are to people."""
    answer = model.outputs.answer(predicted, rows, DEFAULT_LEVEL)
    return _OUTCOMES[model.problem.task](model.problem, answer)
