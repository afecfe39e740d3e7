"""What features take of references: the values that are frozen with a training set and stored with a model."""

from collections.abc import Mapping
from typing import Any

from include.problem.declaration import Problem


def thaw_references(problem: Problem, frozen: Mapping[str, Any]) -> dict[str, Any]:
    """The values that features take, of what `freeze` gave for each reference, or `to_dict` of the value."""
    return {name: problem.resolve(problem.references[name].value).from_dict(state) for name, state in frozen.items()}
