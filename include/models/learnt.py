"""What the rows that a model learnt from held in each column, so that an answer can say what was not among it.

A single row is compared within microseconds: one look-up per value.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from include.models.categories import MISSING, Categories, Tally, restore
from include.problem.data import Columns
from include.problem.declaration import Problem
from include.problem.kinds import MISSING_CODE

Reason = Literal["missing", "unseen", "out_of_range"]
MOST_LETTERS = 60
MOST_WARNINGS = 100


@dataclass(frozen=True)
class Unusual:
    """A value that a model has to predict without having learnt from the like of it.

    Attributes:
        row: Its row's number, from 0.
    """

    row: int
    column: str
    reason: Reason
    message: str


@dataclass(frozen=True)
class Learnt:
    """The values of the training rows, in a few figures by column.

    Attributes:
        ranges: Least and greatest value of each number.
        categories: All values of each category, whole numbers or texts.
        complete: Columns that had a value in every row, in the order of the warnings on them.
    """

    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    categories: Mapping[str, Categories] = field(default_factory=dict)
    complete: tuple[str, ...] = ()

    def find_unusual(self, rows: Columns) -> list[Unusual]:
        """The values of rows that are not as those learnt, by row."""
        found: list[Unusual] = []
        for name, (low, high) in self.ranges.items():
            for row, value in enumerate(rows[name].tolist()):
                if not low <= value <= high and value == value:
                    found.append(Unusual(row, name, "out_of_range", _say_range(name, value, low, high)))
        for name, known in self.categories.items():
            is_known = known.positions.__contains__
            for row, value in enumerate(rows[name].tolist()):
                if not is_known(value) and value is not None and value != MISSING_CODE:
                    found.append(Unusual(row, name, "unseen", f"{name} {_show(value)} is new: predicted as missing"))
        for name in self.complete:
            if (is_missing := _IS_MISSING.get(rows[name].dtype.kind)) is None:
                continue
            for row, value in enumerate(rows[name].tolist()):
                if is_missing(value):
                    found.append(Unusual(row, name, "missing", f"{name} is missing, as in no row learnt"))
        return sorted(found, key=lambda unusual: unusual.row) if len(found) > 1 else found

    def count_unusual(self, rows: Columns) -> dict[str, dict[Reason, int]]:
        """Column -> reason -> how many values of many rows are so; nothing where none is."""
        counts: dict[str, dict[Reason, int]] = {}

        def note(name: str, reason: Reason, where: npt.NDArray[np.bool_]) -> None:
            if count := int(where.sum()):
                counts.setdefault(name, {})[reason] = count

        for name, (low, high) in self.ranges.items():
            note(name, "out_of_range", (rows[name] < low) | (rows[name] > high))
        for name, known in self.categories.items():
            note(name, "unseen", (known.find(rows[name]) == MISSING) & ~_find_missing(rows[name]))
        for name in self.complete:
            note(name, "missing", _find_missing(rows[name]))
        return counts

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "ranges": {name: list(ends) for name, ends in self.ranges.items()},
            "categories": {name: known.tolist() for name, known in self.categories.items()},
            "complete": list(self.complete),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> "Learnt":
        """The inverse of `to_dict`."""
        return cls(
            ranges={name: (low, high) for name, (low, high) in state["ranges"].items()},
            categories={name: restore(known) for name, known in state["categories"].items()},
            complete=tuple(state["complete"]),
        )


class Learning:
    """Learns what rows hold, piece by piece."""

    def __init__(self, problem: Problem) -> None:
        self._inputs = problem.inputs
        self._incomplete: set[str] = set()
        self._ranges: dict[str, tuple[float, float]] = {}
        self._tallies: dict[str, Tally] = {}

    def add(self, rows: Columns) -> None:
        """Takes in a piece, columns as in `Problem.dtypes`."""
        for column in self._inputs:
            name, values = column.name, rows[column.name]
            missing = _find_missing(values)
            if missing.any():
                self._incomplete.add(name)
                values = values[~missing]
            if not len(values):
                continue
            if column.of_kind.view == "quantity":
                low, high = float(values.min()), float(values.max())
                least, most = self._ranges.get(name, (low, high))
                self._ranges[name] = min(least, low), max(most, high)
            elif column.of_kind.view == "frequencies" and column.kind != "flag":
                self._tallies.setdefault(name, Tally()).add(values)

    def settle(self) -> Learnt:
        """What all pieces held."""
        names = [column.name for column in self._inputs]
        return Learnt(
            ranges={name: self._ranges[name] for name in names if name in self._ranges},
            categories={name: self._tallies[name].settle() for name in names if name in self._tallies},
            complete=tuple(sorted({*names} - self._incomplete)),
        )


def describe_unusual(unusual: Sequence[Unusual], rows: int) -> list[str]:
    """The `warnings` of an answer to so many rows, `MOST_WARNINGS` at most; of several rows each names its own."""
    told = [f"inputs[{each.row}]: " * (rows > 1) + each.message for each in unusual[:MOST_WARNINGS]]
    more = len(unusual) - len(told)
    return [*told, f"and {more:,} more"] if more else told


def _say_range(name: str, value: float, low: float, high: float) -> str:
    where, end = ("above", high) if value > high else ("below", low)
    return f"{name} {value:.10g} is {where} all values learnt ({end:.10g})"


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}..."


# By the kind of the type in NumPy, of values as Python's own.
_IS_MISSING: Mapping[str, Callable[[Any], bool]] = {
    "f": lambda value: value != value,
    "i": MISSING_CODE.__eq__,
    "O": lambda value: value is None,
    "M": lambda value: value is None,
}


def _find_missing(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    match values.dtype.kind:
        case "f":
            missing = np.isnan(values)
        case "i":
            missing = values == MISSING_CODE
        case "M":
            missing = np.isnat(values)
        case _:
            missing = np.array([value is None for value in values.tolist()])
    found: npt.NDArray[np.bool_] = missing.astype(bool, copy=False)
    return found
