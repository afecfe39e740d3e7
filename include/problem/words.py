"""Texts about a problem's rows and values, in the words of its declaration."""

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from include.configuration.values import ALL

if TYPE_CHECKING:
    from include.problem.declaration import Problem
    from include.problem.parts import Column

# As it is spoken: an order and an hour, but a user.
_SPOKEN_WITH_A_VOWEL = re.compile(r"(?!uni|use|usa|eu|one)[aeiou]|hour|hono|heir", re.IGNORECASE)


def name_one(problem: "Problem") -> str:
    """One row with its article: `a sale`."""
    return f"{'an' if _SPOKEN_WITH_A_VOWEL.match(problem.row[0]) else 'a'} {problem.row[0]}"


def count_rows_in_words(problem: "Problem", count: int) -> str:
    """So many rows: `1 sale`, `1,200 sales`."""
    return f"{count:,} {problem.row[count != 1]}"


def name_parts(months: Sequence[str]) -> str:
    """The months of a source: `2024-01, 2024-02`; of one that is not divided into months, `all rows`."""
    return "all rows" if tuple(months) == (ALL,) else ", ".join(months)


def show_amount(value: float | None, unit: str = "", *, signed: bool = False) -> str:
    """A value of the target, or an error: `4.162 hours`, `25,296 dollars`; empty where it is not known.

    Four significant digits, and more only where those before the decimal point are more.
    """
    if value is None:
        return ""
    written = f"{value:{'+' if signed else ''},{'.4g' if abs(value) < 1000 else '.0f'}}"
    return f"{written} {unit}".rstrip()


def show_target(problem: "Problem", value: float) -> str:
    """A value of the target with its unit; where it is the number of a class, the class.

    Rows from before the classes were declared have other numbers.
    """
    if value in range(len(problem.labels)):
        return problem.labels[int(value)]
    return show_amount(value, problem.unit)


def begin(text: str) -> str:
    """The text with a capital, as a title or a sentence begins."""
    return f"{text[:1].upper()}{text[1:]}"


def name_unit(title: str, unit: str) -> str:
    """A title with the unit of what it names: `MAE, dollars`."""
    return f"{title}, {unit}" if unit else title


def name_bounds(problem: "Problem") -> list[str]:
    """Which targets a row may have to count: `["1 to 60 hours"]`; empty where any may."""
    low, high = (show_amount(bound) for bound in (problem.target_min, problem.target_max))
    if not low and not high:
        return []
    spoken = f"{low} to {high}" if low and high else f"{low} or more" if low else f"at most {high}"
    return [f"{spoken} {problem.unit}".rstrip()]


def make_example(problem: "Problem") -> dict[str, Any]:
    """A row as people may send it: the example of each input that has one, without times that stand for now.

    What can be left out is in it, too: a prediction without what was always known is a poor one.
    """
    given = {column.name: column.example for column in problem.inputs if column.example is not None}
    return {name: value for name, value in given.items() if not problem.columns[name].when_missing} or given


def show_example(problem: "Problem") -> str:
    """A list of one such row, as JSON in a sentence; of what cannot be left out, where that has examples."""
    row = make_example(problem)
    return json.dumps([{name: value for name, value in row.items() if problem.columns[name].required} or row])


def describe_column(column: "Column") -> str:
    """What a person who fills in a form is told of a column: `As measured, for example 1.98. In miles`."""
    written = ("no", "yes")[column.example] if isinstance(column.example, bool) else column.example
    example = "" if written is None else f"for example {written}"
    told = ", ".join(part for part in (column.description.rstrip("."), example) if part)
    unit = f"In {column.unit}." if column.unit else ""
    left_out = "Empty: now." if column.when_missing else "" if column.required else "May be empty."
    sentence = f"{told[:1].upper()}{told[1:]}." if told else ""
    return " ".join(part for part in (sentence, unit, left_out) if part)


def describe_shares(missing: float, missing_learnt: float, unseen: float | None) -> str:
    """What has changed of a column's shares of rows without a value, and of those with a category that is new.

    Empty where nothing has: `12.0% missing, 3.0% learnt; 7.5% unseen`.
    """
    parts = [f"{missing:.1%} missing, {missing_learnt:.1%} learnt"] if missing != missing_learnt else []
    return "; ".join([*parts, *([f"{unseen:.1%} unseen"] if unseen else [])])
