"""The table of tasks: a new one is a module like `regression`, and an entry here."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from include.problem.objectives.classification import make_classification
from include.problem.objectives.objective import Objective
from include.problem.objectives.regression import make_regression

if TYPE_CHECKING:
    from include.problem.declaration import Problem

Task = Literal["regression", "classification"]
OBJECTIVES: Mapping[Task, Callable[["Problem"], Objective]] = MappingProxyType(
    {"regression": make_regression, "classification": make_classification}
)
