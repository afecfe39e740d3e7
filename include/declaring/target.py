"""Whether the target can be predicted at all; what is wrong is said with what to do."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import numpy as np

from include.declaring.questions import Answer, ChoiceNeeded
from include.errors import SettingsError
from include.problem.data import Values
from include.problem.inference.columns import Facts
from include.problem.inference.names import make_slug

MOST_MISSING = 0.5
# Whole numbers of so few values may be classes.
FEW_VALUES = 10
SHOWN = 40
CLASSES = "classes cannot be predicted yet, only numbers"


def find_target(given: str | None, names: Sequence[str]) -> str:
    """The source's column that is to be predicted.

    Raises:
        SettingsError: None is given, or there is no such column; the message names the nearest.
    """
    if not given:
        raise SettingsError(f"TARGET: name the column to predict; columns: {_list(names)}")
    if given in names:
        return given
    near = find_near(given, names)
    nearest = f" TARGET={near} is the nearest;" if near else ""
    raise SettingsError(f"SOURCE has no column '{given}'.{nearest} columns: {_list(names)}")


def find_near(given: str, names: Sequence[str]) -> str | None:
    """The name that a person may have meant."""
    slugs = {make_slug(name): name for name in reversed(names)}
    return slugs.get(make_slug(given)) or next(iter(get_close_matches(given, names, n=1)), None)


def check_task(task: str | None) -> None:
    """Raises SettingsError for a task that there is not."""
    if task and task.strip().lower() != "regression":
        raise SettingsError(
            f"TASK={task}: {CLASSES}. Leave TASK out and set TARGET to a column of numbers, or wait for a release that "
            "can classify"
        )


def check_target(facts: Facts, values: Values, given: Mapping[str, str], rows_seen: str) -> list[str]:
    """Looks whether the target is a number with something to learn.

    Args:
        values: The target as numbers, (n,), NaN where there is none.
        given: The keys that a person gave, in small letters.
        rows_seen: What the rows are that were seen: `8,128 rows`.

    Returns:
        What a person should know of it.

    Raises:
        SettingsError: It cannot be predicted.
        ChoiceNeeded: It may be classes, or numbers.
    """
    name = facts.name
    if not facts.present:
        raise SettingsError(f"TARGET {name} is missing in all {rows_seen}. Set TARGET to another column")
    if not facts.is_number:
        _refuse_other_kind(facts)
    gone = facts.missing + facts.infinite
    if gone > MOST_MISSING * facts.rows:
        raise SettingsError(
            f"TARGET {name} is missing in {gone:,} of {facts.rows:,} rows ({gone / facts.rows:.1%}): too few are left."
            " Set TARGET to another column, or give a SOURCE of rows whose target is known"
        )
    if facts.distinct == 1:
        value = facts.frequent[0][0]
        raise SettingsError(
            f"TARGET {name} is {value} in every row: there is nothing to learn. Set TARGET to another column, or give "
            "a SOURCE whose rows differ"
        )
    notes = _count_left_out(facts, values, given)
    if facts.is_whole and facts.distinct <= FEW_VALUES and not given.get("task"):
        shown = ", ".join(sorted((text for text, _ in facts.frequent), key=lambda text: (len(text), text)))
        more = ", ..." if facts.distinct > len(facts.frequent) else ""
        raise ChoiceNeeded(
            f"TARGET {name} has {facts.distinct} whole values ({shown}{more}): they may be classes, and {CLASSES}.",
            (
                Answer("TASK", "regression", "they are quantities, such as a count or a grade"),
                Answer("TARGET", "<column>", "they are classes: predict another column"),
            ),
        )
    return notes


def _refuse_other_kind(facts: Facts) -> None:
    values = ", ".join(text for text, _ in facts.frequent[:3])
    if facts.stored in ("time", "date", "clock") or facts.time_format is not None:
        raise SettingsError(
            f"TARGET {facts.name} holds times ({values}): only numbers can be predicted. Set TARGET to a column"
            " of numbers; the time between two columns can be declared as `elapsed` in a problem's file"
        )
    what = "true and false" if facts.stored == "boolean" else f"text ({values})"
    if facts.readable >= 1 / 2:
        raise SettingsError(
            f"TARGET {facts.name} holds numbers, but {1 - facts.readable:.1%} of its values are none, for example "
            f"{facts.unreadable!r}. If such a value means that the target is missing, set MISSING={facts.unreadable}; "
            "else correct it in the source"
        )
    raise SettingsError(f"TARGET {facts.name} holds {what}, and {CLASSES}. Set TARGET to a column of numbers")


def _count_left_out(facts: Facts, values: Values, given: Mapping[str, str]) -> list[str]:
    notes = []
    for count, what in ((facts.missing, "missing"), (facts.infinite, "infinite")):
        if count:
            rows = f"{count:,} of {facts.rows:,} rows ({count / facts.rows:.1%})"
            notes.append(f"TARGET {facts.name} is {what} in {rows}: they are left out")
    there = values[np.isfinite(values)]
    for key, out in (("target_min", np.less), ("target_max", np.greater)):
        try:
            bound = float(given.get(key) or "nan")
        except ValueError:
            continue  # the declaration is refused for it
        count = int(out(there, bound).sum())
        if count == len(there):
            raise SettingsError(
                f"{key.upper()}={bound:g} leaves out every row: the target is from {facts.low:g} to {facts.high:g}. "
                f"Set {key.upper()} to a number within"
            )
        if count:
            notes.append(f"{key.upper()}={bound:g} leaves out {count:,} rows ({count / facts.rows:.1%})")
    return notes


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
