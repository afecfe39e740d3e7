"""The table of tasks: what their outputs are."""

from collections.abc import Mapping
from types import MappingProxyType

from include.models.outputs.classes import Classes
from include.models.outputs.numbers import Numbers
from include.models.outputs.protocol import Outputs
from include.problem.objectives.table import Task

OUTPUTS: Mapping[Task, type[Outputs]] = MappingProxyType({"regression": Numbers, "classification": Classes})
