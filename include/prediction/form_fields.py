"""The fields of a form that asks for one row: made from the declaration, for Airflow's form and the playground."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.prediction.value_names import Names
from include.problem.declaration import Problem
from include.problem.parts import Column
from include.problem.request_values import CODE_BOUNDS, TIME, must_be_given
from include.problem.words import describe_column

# More would be no form that anybody fills in; the rest can be given as JSON.
MOST_FIELDS = 12


@dataclass(frozen=True)
class FormField:
    """One field.

    Attributes:
        schema: The JSON Schema of what it holds, null where nothing is chosen.
    """

    column: Column
    names: Mapping[str, str]

    @property
    def title(self) -> str:
        """What people read above it."""
        return self.column.label

    @property
    def description(self) -> str:
        """What people read below it."""
        return describe_column(self.column)

    @property
    def choices(self) -> dict[Any, str]:
        """Each value that can be chosen, with what people read; empty where any can be given."""
        if self.column.kind == "flag":
            return {"yes": "yes", "no": "no"}
        if self.column.kind == "code":
            return {int(value): f"{value} {name}" for value, name in self.names.items()}
        return {value: name if name == value else f"{value} {name}" for value, name in self.names.items()}

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of its value; null is a field that was left empty."""
        kind = {"number": "number", "code": "integer"}.get(self.column.kind, "string")
        types = {"type": [kind, "null"]}
        if choices := self.choices:
            shown = {str(value): text for value, text in choices.items()}
            return {**types, "enum": [None, *choices], "values_display": {"null": "none", **shown}}
        if self.column.kind == "time":
            return {**types, "pattern": TIME}
        schema = self.column.of_kind.schema(self.column)
        return {**types, **{key: schema[key] for key in ("minimum", "maximum", "maxLength") if key in schema}}

    def to_dict(self) -> dict[str, Any]:
        """For a page: what an HTML input needs, as JSON values."""
        numeric = self.column.kind in ("number", "code")
        low, high = self.column.minimum, self.column.maximum
        if self.column.kind == "code":
            low, high = CODE_BOUNDS[0] if low is None else low, CODE_BOUNDS[1] if high is None else high
        example = self.column.example
        return {
            "name": self.column.name,
            "title": f"{self.title}{f' ({self.column.unit})' if self.column.unit else ''}",
            "hint": self.description,
            "type": self.column.of_kind.field,
            "required": must_be_given(self.column),
            "now": bool(self.column.when_missing),
            "placeholder": "" if example is None or self.column.kind in ("time", "flag") else str(example),
            "min": low,
            "max": high,
            "step": 1 if self.column.kind == "code" else "any" if numeric else None,
            "choices": [[value, self.names.get(str(value), text)] for value, text in self.choices.items()],
        }


def make_fields(problem: Problem, names: Mapping[str, Names]) -> tuple[FormField, ...]:
    """The fields of a problem's form, those that cannot be left empty first.

    Args:
        names: Column -> value -> name, see `read_names`.
    """
    return tuple(FormField(problem.columns[name], names.get(name, {})) for name in list_fields(problem))


def list_fields(problem: Problem) -> tuple[str, ...]:
    """The inputs that a form asks for, `MOST_FIELDS` at most; those that cannot be left empty first."""
    ordered = sorted(problem.inputs, key=lambda column: not must_be_given(column))
    return tuple(column.name for column in ordered[:MOST_FIELDS])


def list_needed(problem: Problem) -> tuple[str, ...]:
    """The inputs that cannot be left empty."""
    return tuple(column.name for column in problem.inputs if must_be_given(column))
