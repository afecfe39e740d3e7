"""The fields of a form that asks for one row: made from the declaration, for Airflow's form and the playground."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from include.configuration.values import suggest
from include.errors import SettingsError
from include.prediction.inputs import MOST_TEXT, InputFormat, refuse_field
from include.prediction.suggestions import NOTHING, Suggestion
from include.prediction.value_names import Names
from include.problem.declaration import Problem
from include.problem.parts import Column
from include.problem.request_values import CODE_BOUNDS, TIME, must_be_given
from include.problem.words import describe_column, show_example

# More would be no form that anybody fills in; the rest is folded away.
MOST_FIELDS = 12
# The parameters of a run that are no field of a row, whatever a source calls its columns.
OF_RUN = ("inputs", "level")


@dataclass(frozen=True)
class FormField:
    """One field.

    Attributes:
        suggestion: What the column's values usually are.
        folded: Whether it is shown only to those who ask for it.
        schema: The JSON Schema of what it holds, null where nothing is chosen.
    """

    column: Column
    names: Mapping[str, str]
    suggestion: Suggestion = NOTHING
    folded: bool = False

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
        choices = [[value, self.names.get(str(value), text)] for value, text in self.choices.items()]
        return {
            "name": self.column.name,
            "title": f"{self.title}{f' ({self.column.unit})' if self.column.unit else ''}",
            "hint": self.description,
            "type": self.column.of_kind.field,
            "required": must_be_given(self.column),
            "now": bool(self.column.when_missing),
            "placeholder": self._placeholder,
            "min": low,
            "max": high,
            "step": 1 if self.column.kind == "code" else "any" if numeric else None,
            # Of values without names, those that are not in the list can be given, too.
            "choices": choices or [[value, str(value)] for value in self.suggestion.frequent],
            "free": not choices,
            "folded": self.folded,
            # What is out of sight must not leave a model guessing.
            "value": self.suggestion.usual if self.folded else None,
        }

    @property
    def _placeholder(self) -> str:
        """What stands in the empty field: the range or values learnt, else the example, and whether it may stay so."""
        shown = self.suggestion
        if shown.low is not None and shown.high is not None:
            text = f"{shown.low:.6g} to {shown.high:.6g}"
        elif self.column.example is not None and self.column.kind not in ("time", "flag"):
            text = str(self.column.example)
        else:
            text = ", ".join(str(value) for value in shown.frequent[:2])
        left_out = "" if must_be_given(self.column) or self.column.when_missing else "may be empty"
        return ", ".join(part for part in (text, left_out) if part)


def make_fields(
    problem: Problem,
    names: Mapping[str, Names],
    suggestions: Mapping[str, Suggestion] | None = None,
    strongest: Sequence[str] = (),
) -> tuple[FormField, ...]:
    """The fields of a problem's form: `MOST_FIELDS` to begin with, the others folded.

    Args:
        names: Column -> value -> name, see `read_names`.
        suggestions: Column -> what its values usually are.
        strongest: Columns, the one that moves predictions most first; by these are chosen the fields to begin with.
    """
    known = suggestions or {}
    return tuple(
        FormField(problem.columns[name], names.get(name, {}), known.get(name, NOTHING), number >= MOST_FIELDS)
        for number, name in enumerate(list_fields(problem, strongest))
    )


def list_fields(problem: Problem, strongest: Sequence[str] = ()) -> tuple[str, ...]:
    """All inputs in the order that a form asks for them: those that cannot be left empty first.

    Where there are more than `MOST_FIELDS`, the strongest come before those.
    """
    places = {name: number for number, name in enumerate(strongest)} if len(problem.inputs) > MOST_FIELDS else {}
    ordered = sorted(
        problem.inputs, key=lambda column: (places.get(column.name, len(places)), not must_be_given(column))
    )
    return tuple(column.name for column in ordered)


def list_needed(problem: Problem) -> tuple[str, ...]:
    """The inputs that cannot be left empty."""
    return tuple(column.name for column in problem.inputs if must_be_given(column))


def collect_inputs(parameters: Mapping[str, Any], problem: Problem) -> list[Any]:
    """The rows that a run's parameters name: the list `inputs`, or else the one row in fields of its own.

    Raises:
        SettingsError: There is neither, there are both, or a parameter has a value and a name that is unknown.
    """
    form = InputFormat.of(problem)
    # What a form leaves empty is null.
    row = {name: value for name, value in parameters.items() if value is not None and name not in OF_RUN}
    unknown = next((name[:MOST_TEXT] for name in row if name not in form.names), None)
    if parameters["inputs"]:
        if unknown is not None:
            others = suggest(unknown, OF_RUN) or f"; beside inputs there is only {OF_RUN[-1]}"
            raise SettingsError(f"{unknown} is not a parameter of the run{others}")
        if row:
            raise SettingsError(f"Give inputs, or the fields of one {problem.row[0]}, not both: {', '.join(row)}")
        return list(parameters["inputs"])
    if unknown is not None:
        raise SettingsError(f"{unknown} {refuse_field(unknown, form, OF_RUN)}")
    if not {form.names[name] for name in row}.difference(form.timed):
        names = ", ".join(list_needed(problem))
        raise SettingsError(
            f"Nothing to predict: give `inputs`, for example {show_example(problem)}{', or ' * bool(names)}{names}."
        )
    return [row]
