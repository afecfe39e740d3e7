"""Declarations that were changed after a model was trained."""

from typing import Any

from include.problem.declaration import Problem

DISTANCE, ADDED = "trip_distance", "passengers"


def make_later(problem: Problem) -> Problem:
    """Trips whose distance is no longer known when one predicts, and with a new column that each has to have."""
    return _change(problem, _describe(problem), known_later=(*problem.known_later, DISTANCE))


def remove(problem: Problem) -> Problem:
    """Trips without a distance, and with a new column that each has to have."""
    columns = _describe(problem)
    del columns[DISTANCE]
    return _change(problem, columns, batch_order=[name for name in problem.batch_order if name != DISTANCE])


def retype(problem: Problem) -> Problem:
    """Trips whose distance is a text, and with a new column that each has to have."""
    return _change(problem, {**_describe(problem), DISTANCE: {"kind": "category"}})


def _describe(problem: Problem) -> dict[str, Any]:
    return {name: column.model_dump(by_alias=True) for name, column in problem.columns.items()}


def _change(problem: Problem, columns: dict[str, Any], **others: Any) -> Problem:
    added = {**columns, ADDED: {"kind": "number", "required": True}}
    slices = [part.model_dump() for part in problem.slices if part.column != DISTANCE]
    return Problem(**{**problem.model_dump(exclude={"columns"}), "columns": added, "slices": slices, **others})
