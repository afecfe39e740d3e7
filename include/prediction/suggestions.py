"""What a form suggests for a column: the values that a training set usually has there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.problem.declaration import Problem
from include.problem.parts import Column


@dataclass(frozen=True)
class Suggestion:
    """What is known of a column's values.

    Attributes:
        low: With `high`, the range of a number.
        usual: The median of a number, the most frequent value of a flag or category, as a form takes it; None where
            most rows have no value.
        frequent: The most frequent values of a category, the first one most often.
    """

    low: float | None = None
    high: float | None = None
    usual: Any = None
    frequent: tuple[Any, ...] = ()


NOTHING = Suggestion()


def read_suggestions(problem: Problem, statistics: Mapping[str, Any]) -> dict[str, Suggestion]:
    """Column -> suggestion, of the statistics that are stored with a training set; nothing where there are none."""
    found = {column.name: _suggest(column, statistics.get(column.name, {})) for column in problem.inputs}
    return {name: suggestion for name, suggestion in found.items() if suggestion}


def _suggest(column: Column, figures: Mapping[str, Any]) -> Suggestion | None:
    is_usual = 2 * figures.get("missing", 0) <= figures.get("count", 0)
    if deciles := figures.get("deciles"):
        return Suggestion(deciles[0], deciles[-1], deciles[len(deciles) // 2] if is_usual else None)
    if not (frequent := figures.get("frequent")):
        return None
    # The statistics are kept as JSON, whose keys are texts and have lost their order.
    ranked = sorted(frequent, key=lambda value: -frequent[value])
    if column.kind == "flag":
        return Suggestion(usual=("yes" if float(ranked[0]) else "no") if is_usual else None)
    values = [int(value) for value in ranked] if column.kind == "code" else ranked
    return Suggestion(usual=values[0] if is_usual else None, frequent=tuple(values))


def rank_columns(problem: Problem, features: list[str]) -> list[str]:
    """The columns that features are made of, in the features' order: a feature's name begins with its column's."""
    owners = []
    for feature in features:
        named = [name for name in problem.dtypes if feature == name or feature.startswith(f"{name}_")]
        if named:
            owners.append(max(named, key=len))
    return list(dict.fromkeys(owners))
