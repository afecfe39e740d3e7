"""How good predictions are by slice of the rows."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from include.problem.checks import HOUR
from include.problem.data import Columns, Values
from include.problem.declaration import Problem
from include.problem.kinds import MISSING_CODE
from include.problem.parts import Slice

# What is in no band, and what is not among the most frequent values.
OTHER = "other"
MISSING = "missing"
# Labels by number, of which several may be the same, and the number of each row, (n,).
_Labels = tuple[list[str], npt.NDArray[np.intp]]


def measure_slices(problem: Problem, rows: Columns, actual: Values, predicted: Values) -> list[dict[str, Any]]:
    """Errors by slice: a row for each value of each of the problem's slicings, with `rows` and the measures."""
    measure = problem.objective.measure
    return [
        {"slicing": slicing, "value": value, "rows": int(inside.sum()), **measure(actual[inside], predicted[inside])}
        for slicing, value, inside in cut(problem, rows)
    ]


def columns_of_slices(problem: Problem) -> list[str]:
    """The columns that rows are cut by."""
    return list(dict.fromkeys(_column_of(problem, slicing) for slicing in problem.slices))


def cut(
    problem: Problem, rows: Columns, *, minimum_rows: int | None = None
) -> Iterator[tuple[str, str, npt.NDArray[np.bool_]]]:
    """The label, the value and the rows, (n,), of each slice of each of the problem's slicings.

    Args:
        minimum_rows: A value with as many rows has a slice of its own, even if others are more frequent.
    """
    for slicing in problem.slices:
        labels, at = _label(problem, slicing, rows, minimum_rows)
        known = {value: number for number, value in enumerate(sorted(set(labels)))}
        of_value = np.array([known[label] for label in labels], dtype=np.int32)[at]
        for value, number in known.items():
            inside = of_value == number
            if inside.any():
                yield slicing.label, value, inside


def _column_of(problem: Problem, slicing: Slice) -> str:
    return str(problem.time) if slicing.column == HOUR and HOUR not in problem.columns else slicing.column


def _label(problem: Problem, slicing: Slice, rows: Columns, minimum_rows: int | None) -> _Labels:
    values = rows[_column_of(problem, slicing)]
    if slicing.column not in problem.columns:
        # As a number, a missing time would be an hour like others.
        values = np.where(np.isnat(values), MISSING_CODE, values.astype("datetime64[h]").astype(np.int64) % 24)
    if slicing.bands:
        return _by_band(values, slicing.bands)
    return _by_frequency(values, slicing.most_frequent, minimum_rows)


def _by_band(values: npt.NDArray[Any], bands: Mapping[str, tuple[float | None, float | None]]) -> _Labels:
    at = np.zeros(len(values), dtype=np.intp)
    for number, (low, high) in enumerate(bands.values(), 2):
        at[(values >= (-np.inf if low is None else low)) & (values < (np.inf if high is None else high))] = number
    # As a number, a missing code would be in the lowest band.
    at[values == MISSING_CODE if values.dtype == np.int64 else np.isnan(values)] = 1
    return [OTHER, MISSING, *bands], at


def _by_frequency(values: npt.NDArray[Any], most: int, minimum_rows: int | None) -> _Labels:
    # Texts in the order of their letters, codes in that of their numbers: of values as frequent the first is taken.
    known, at, counts = np.unique(_comparable(values), return_inverse=True, return_counts=True)
    has_slice = np.zeros(len(known), dtype=bool) if minimum_rows is None else counts >= minimum_rows
    has_slice[np.argsort(-counts, kind="stable")[:most]] = True
    return [_show(value) if own else OTHER for value, own in zip(known, has_slice, strict=True)], at


def _comparable(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The values as they can be sorted: a missing text is an empty one, which no other is."""
    return values if values.dtype != object else np.array([value or "" for value in values.tolist()], dtype=str)


def _show(value: Any) -> str:
    if value == "" or value == MISSING_CODE or value != value:
        return MISSING
    # With all digits that a float keeps: numbers with the same text are one slice.
    return f"{value:.15g}" if isinstance(value, float) else str(value)
