"""Whether the target can be predicted at all; what is wrong is said with what to do."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import cast

import numpy as np

from include.configuration.values import can_be_listed, show_setting
from include.declaring.questions import Answer, ChoiceNeeded
from include.errors import SettingsError
from include.problem.data import Values
from include.problem.inference.columns import SHARE, UNUSABLE, Facts
from include.problem.inference.names import make_slug
from include.problem.numerals import LARGEST
from include.problem.objectives.table import OBJECTIVES, Task

MOST_MISSING = 0.5
# Whole numbers of so few values may be classes.
FEW_VALUES = 10
SHOWN = 40
# What is said of numbers that are so to a model.
# Values as many times the width of nine tenths beyond these are far from the others.
FAR = 10
INFINITE = f"infinite (beyond {LARGEST:.2g})"
# Keys that only a classification has.
OF_CLASSES = ("classes", "positive")


def find_target(given: str | None, names: Sequence[str]) -> str:
    """The source's column that is to be predicted.

    Raises:
        SettingsError: None is given, or there is no such column; the message names the nearest.
    """
    if not given:
        raise SettingsError(f"TARGET: name the column to predict; columns: {list_names(names)}")
    if given in names:
        return given
    # A name with a line break or a no-break space in it is hard to type.
    same = [name for name in names if join_words(name) == join_words(given)]
    if len(same) == 1:
        return same[0]
    near = find_near(given, names)
    nearest = (
        f" {show_setting('TARGET', near if near.isprintable() else join_words(near))} is the nearest;" if near else ""
    )
    raise SettingsError(f"SOURCE has no column '{given}'.{nearest} columns: {list_names(names)}")


def find_near(given: str, names: Sequence[str]) -> str | None:
    """The name that a person may have meant."""
    slugs = {make_slug(name): name for name in reversed(names)}
    return slugs.get(make_slug(given)) or next(iter(get_close_matches(given, names, n=1)), None)


def choose_task(facts: Facts, given: Mapping[str, str], rows_seen: str, marked: str) -> Task:
    """What is predicted: what was given, else what the values of the target show.

    Args:
        given: The keys that a person gave, in small letters.
        rows_seen: What the rows are that were seen: `8,128 rows`.
        marked: What to do if values that usually mean a missing one are classes.

    Raises:
        SettingsError: The target cannot be predicted, or there is no such task.
        ChoiceNeeded: It may be classes, or numbers.
    """
    name, task = facts.name, given.get("task") or ("classification" if any(map(given.get, OF_CLASSES)) else "")
    if task and task not in OBJECTIVES:
        raise SettingsError(f"TASK={task}: set TASK=regression to predict a number, or TASK=classification for classes")
    if not facts.present:
        raise SettingsError(f"TARGET {name} is missing in all {rows_seen}. Set TARGET to another column{marked}")
    _refuse_other_kinds(facts)
    if not facts.is_number and task != "classification":
        _refuse_words_for_numbers(facts, task)
    gone = facts.missing + facts.infinite
    if gone > MOST_MISSING * facts.rows:
        raise SettingsError(
            f"TARGET {name} is missing in {gone:,} of {facts.rows:,} rows ({gone / facts.rows:.1%}): too few are left."
            f" Set TARGET to another column, or give a SOURCE of rows whose target is known{marked}"
        )
    if facts.distinct == 1:
        value = facts.frequent[0][0]
        raise SettingsError(
            f"TARGET {name} is {value} in every row: there is nothing to learn. Set TARGET to another column, or give "
            f"a SOURCE whose rows differ{marked}"
        )
    if task:
        return cast(Task, task)
    if facts.is_number and facts.is_whole and facts.distinct <= FEW_VALUES:
        shown = ", ".join(sorted((text for text, _ in facts.frequent), key=lambda text: (len(text), text)))
        more = ", ..." if facts.distinct > len(facts.frequent) else ""
        raise ChoiceNeeded(
            f"TARGET {name} has {facts.distinct} whole values ({shown}{more}): they may be quantities, or classes.",
            (
                Answer("TASK", "regression", "they are quantities, such as a count or a grade: a number is predicted"),
                Answer("TASK", "classification", "they are classes: the probability of each is predicted"),
            ),
        )
    return "regression" if facts.is_number else "classification"


def _refuse_other_kinds(facts: Facts) -> None:
    values = ", ".join(text for text, _ in facts.frequent[:3])
    if facts.stored in ("time", "date", "clock") or facts.time_format is not None:
        raise SettingsError(
            f"TARGET {facts.name} holds times ({values}): numbers and classes alone can be predicted. Set TARGET to a"
            " column of numbers; the time between two columns can be declared as `elapsed` in a problem's file"
        )
    if facts.stored in UNUSABLE:
        way = ", or write it as numbers in the source, such as seconds" if facts.stored == "duration" else ""
        raise SettingsError(
            f"TARGET {facts.name} holds {UNUSABLE[facts.stored]}: numbers and classes alone can be predicted. Set"
            f" TARGET to another column{way}"
        )


def _refuse_words_for_numbers(facts: Facts, task: str) -> None:
    values = ", ".join(text for text, _ in facts.frequent[:3])
    # Digits with zeros before them are names, and so are those of more digits than a number keeps.
    if 1 / 2 <= facts.readable < SHARE:
        mark = show_setting("MISSING", facts.unreadable) if can_be_listed(facts.unreadable) else ""
        missing = f"If such a value means that the target is missing, set {mark}; if" if mark else "If"
        raise SettingsError(
            f"TARGET {facts.name} holds numbers, but {1 - facts.readable:.1%} of its values are none, for example "
            f"{facts.unreadable!r}. {missing} each value is a class, set TASK=classification; else correct it in the"
            " source"
        )
    if task:
        raise SettingsError(
            f"TASK=regression: TARGET {facts.name} holds no numbers, for example {values}. Set TARGET to a column of"
            " numbers, or TASK=classification"
        )


def _read_bound(given: Mapping[str, str], key: str) -> float:
    """A bound that a person gave; NaN where there is none, or one for which the declaration is refused."""
    try:
        return float(given.get(key) or "nan")
    except ValueError:
        return np.nan


def find_far(facts: Facts, values: Values, given: Mapping[str, str]) -> list[str]:
    """What a person should know of values within the bounds that are far from all others: a sentence, or none."""
    low, high = _read_bound(given, "target_min"), _read_bound(given, "target_max")
    kept = values[np.isfinite(values) & ~(values < low) & ~(values > high)]
    first, last = np.quantile(kept, (0.05, 0.95)) if len(kept) else (0.0, 0.0)
    is_far = (kept < first - FAR * (last - first)) | (kept > last + FAR * (last - first))
    if first == last or not is_far.any():
        return []
    count, others = int(is_far.sum()), kept[~is_far]
    farthest = kept[np.argmax(np.abs(kept - np.median(kept)))]
    said = f"TARGET {facts.name}: {count:,} of {len(kept):,} values {'is' if count == 1 else 'are'} far from the others"
    between = f"such as {farthest:,g}, where those are from {others.min():,g} to {others.max():,g}"
    why = "Few such values outweigh all others in the errors of models. If they are wrong, set TARGET_MIN or TARGET_MAX"
    return [f"{said}, {between}. {why}"]


def count_left_out(facts: Facts, values: Values, given: Mapping[str, str]) -> list[str]:
    """What a person should know of the rows that are left out, where a number is predicted.

    Args:
        values: The target as numbers, (n,), NaN where there is none.
        given: The keys that a person gave, in small letters.

    Raises:
        SettingsError: They are all.
    """
    notes = []
    for count, what in ((facts.missing, "missing"), (facts.infinite, INFINITE)):
        if count:
            rows = f"{count:,} of {facts.rows:,} rows ({count / facts.rows:.1%})"
            notes.append(f"TARGET {facts.name} is {what} in {rows}: they are left out")
    there = values[np.isfinite(values)]
    for key, out in (("target_min", np.less), ("target_max", np.greater)):
        bound = _read_bound(given, key)
        count = int(out(there, bound).sum())
        if count == len(there):
            raise SettingsError(
                f"{key.upper()}={bound:g} leaves out every row: the target is from {facts.low:g} to {facts.high:g}. "
                f"Set {key.upper()} to a number within"
            )
        if count:
            notes.append(f"{key.upper()}={bound:g} leaves out {count:,} rows ({count / facts.rows:.1%})")
    return notes


def list_names(names: Sequence[str]) -> str:
    """The first names of the source's columns, in a line."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(map(join_words, names[:SHOWN])) + more


def join_words(text: str) -> str:
    """The text in a line, with a blank between two words."""
    return " ".join(text.split())
