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


def measure_slices(problem: Problem, rows: Columns, actual: Values, predicted: Values) -> list[dict[str, Any]]:
    """Errors by slice: a row for each value of each of the problem's slicings, with `rows` and the measures."""
    measure = problem.objective.measure
    return [
        {"slicing": slicing, "value": value, "rows": int(inside.sum()), **measure(actual[inside], predicted[inside])}
        for slicing, value, inside in cut(problem, rows)
    ]


def cut(
    problem: Problem, rows: Columns, *, minimum_rows: int | None = None
) -> Iterator[tuple[str, str, npt.NDArray[np.bool_]]]:
    """The label, the value and the rows, (n,), of each slice of each of the problem's slicings.

    Args:
        minimum_rows: A value with as many rows has a slice of its own, even if others are more frequent.
    """
    for slicing in problem.slices:
        labels = _label(problem, slicing, rows, minimum_rows)
        for value in np.unique(labels):
            yield slicing.label, str(value), labels == value


def _label(problem: Problem, slicing: Slice, rows: Columns, minimum_rows: int | None) -> npt.NDArray[np.str_]:
    if slicing.column == HOUR and HOUR not in problem.columns:
        values = rows[str(problem.time)].astype("datetime64[h]").astype(np.int64) % 24
    else:
        values = rows[slicing.column]
    if slicing.bands:
        return _by_band(values, slicing.bands)
    return _by_frequency(values, slicing.most_frequent, minimum_rows)


def _by_band(values: npt.NDArray[Any], bands: Mapping[str, tuple[float | None, float | None]]) -> npt.NDArray[np.str_]:
    labels = np.where(np.isnan(values), MISSING, OTHER).astype(f"<U{max(map(len, (OTHER, MISSING, *bands)))}")
    for name, (low, high) in bands.items():
        labels[(values >= (-np.inf if low is None else low)) & (values < (np.inf if high is None else high))] = name
    return labels


def _by_frequency(values: npt.NDArray[Any], most: int, minimum_rows: int | None) -> npt.NDArray[np.str_]:
    # Texts in the order of their letters, codes in that of their numbers: of values as frequent the first is taken.
    known, at, counts = np.unique(_comparable(values), return_inverse=True, return_counts=True)
    has_slice = np.zeros(len(known), dtype=bool) if minimum_rows is None else counts >= minimum_rows
    has_slice[np.argsort(-counts, kind="stable")[:most]] = True
    return np.where(has_slice[at], np.array([_show(value) for value in known])[at], OTHER)


def _comparable(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The values as they can be sorted: a missing text is an empty one, which no other is."""
    return values if values.dtype != object else np.array([value or "" for value in values.tolist()], dtype=str)


def _show(value: Any) -> str:
    if value == "" or value == MISSING_CODE or value != value:
        return MISSING
    return f"{value:g}" if isinstance(value, float) else str(value)
