"""What a column of a training set looks like, in a few figures: for pages, and as the reference for drift."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from include.problem.data import Split, name_classes
from include.problem.declaration import Problem
from include.problem.kinds import MISSING_CODE
from include.problem.parts import Column

HOUR, WEEKDAY, TARGET = "hour", "weekday", "target"
_QUANTILES = np.linspace(0, 1, 11)
_MOST_FREQUENT = 50


def columns_of(problem: Problem, split: Split) -> dict[str, npt.NDArray[Any]]:
    """What is profiled, each (n,): the inputs and the target, which is a class by its name or a number.

    Of times it is the hour (0 to 23) and the weekday (0 is Monday). The problem's own time gives `hour` and `weekday`;
    another one's have its name before them. A column of such a name takes its place.
    """
    return dict(_read_columns(problem, split))


def _read_columns(problem: Problem, split: Split) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    own = _list_own(problem)
    for column in problem.inputs:
        values = split.rows[column.name]
        match column.of_kind.view:
            case "clock":
                yield from (part for part in _read_clock(problem, column, values) if part[0] not in own)
            case "quantity" | "frequencies":
                yield column.name, values
    yield TARGET, name_classes(problem.labels, split.target) if problem.labels else split.target


def _list_own(problem: Problem) -> set[str]:
    """The columns that are profiled by their own names."""
    return {column.name for column in problem.inputs if column.of_kind.view in ("quantity", "frequencies")}


def name_hour(problem: Problem, column: Column) -> str:
    """What the hours of a time are called."""
    return HOUR if column.name == problem.time else f"{column.name}_{HOUR}"


def list_quantities(problem: Problem) -> tuple[str, ...]:
    """Those of `columns_of` that are quantities; the others are categories."""
    inputs = (column.name for column in problem.inputs if column.of_kind.view == "quantity")
    return tuple(inputs) if problem.labels else (*inputs, TARGET)


def list_watched(problem: Problem) -> tuple[str, ...]:
    """Those of `columns_of` that are watched for drift.

    Windows of whole weeks hold every weekday alike, so that one more column would say nothing.
    """
    return tuple(_name_watched(problem))


def _name_watched(problem: Problem) -> Iterator[str]:
    own = _list_own(problem)
    for column in problem.inputs:
        match column.of_kind.view:
            case "clock" if (hour := name_hour(problem, column)) not in own:
                yield hour
            case "quantity" | "frequencies":
                yield column.name
    yield TARGET


def _read_clock(
    problem: Problem, column: Column, times: npt.NDArray[Any]
) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
    hours = times.astype("datetime64[h]").astype(np.int64)
    missing = np.isnat(times)
    hour = name_hour(problem, column)
    yield hour, np.where(missing, MISSING_CODE, hours % 24)
    # The epoch began on a Thursday.
    yield hour.removesuffix(HOUR) + WEEKDAY, np.where(missing, MISSING_CODE, (hours // 24 + 3) % 7)


def profile_split(problem: Problem, split: Split) -> dict[str, Any]:
    """Column -> figures: deciles, mean and standard deviation of quantities, the most frequent values of the others.

    Where values are missing, `missing` is their number. An empty split has an empty profile.
    """
    if not len(split):
        return {}
    quantities = list_quantities(problem)
    return {
        name: describe_quantity(values) if name in quantities else _frequencies(values)
        for name, values in _read_columns(problem, split)
    }


def present_values(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The values that are not missing, in any type of `Problem.dtypes`."""
    if values.dtype == object:
        return values[np.array([value is not None for value in values], dtype=bool)]
    return values[values != MISSING_CODE] if values.dtype == np.int64 else values[~np.isnan(values)]


def count_values(values: npt.NDArray[Any]) -> dict[str, int]:
    """Value as text -> how often it is there, in the order of the values; missing ones do not count."""
    found, counts = np.unique(present_values(values), return_counts=True)
    return {str(value): int(count) for value, count in zip(found, counts, strict=True)}


def _note_missing(values: npt.NDArray[Any], present: int) -> dict[str, int]:
    return {"missing": len(values) - present} if present < len(values) else {}


def describe_quantity(values: npt.NDArray[np.float64]) -> dict[str, Any]:
    """The figures of a quantity, of n values, see `profile_split`."""
    present = present_values(values)
    figures = {"count": len(values), **_note_missing(values, len(present))}
    if not len(present):
        return figures
    return figures | {
        "mean": float(present.mean()),
        "deviation": float(present.std()),
        "deciles": [float(value) for value in np.quantile(present, _QUANTILES)],
    }


def _frequencies(values: npt.NDArray[Any]) -> dict[str, Any]:
    counts = count_values(values)
    frequent = sorted(counts.items(), key=lambda item: -item[1])[:_MOST_FREQUENT]
    return {
        "count": len(values),
        **_note_missing(values, sum(counts.values())),
        "distinct": len(counts),
        "frequent": dict(frequent),
    }
