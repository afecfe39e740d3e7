"""The classes of a target: which values they are, and of two the one that is looked for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from include.configuration.values import can_be_listed, show_setting, split_list, suggest
from include.declaring.target import FEW_VALUES
from include.errors import SettingsError
from include.problem.checks import MOST_CLASSES
from include.problem.data import Values
from include.problem.inference.columns import Facts
from include.problem.reading import MISSING_MARKS
from include.raw.classes import FLAGS, drop_zeros, number_classes

SHOWN = 5
OF_TWO = 2
# A class of fewer rows may have none that trains.
FEW_ROWS = 10
MOST_WITHOUT = 0.5
# Words for what is looked for; a 1 is one beside these alone, as of 1 and 2 nobody can tell.
POSITIVE_WORDS = frozenset(("yes", "y", "true", "t", "positive", "pos"))
NUMBERS_OF_NONE = frozenset(("0", "-1"))


@dataclass(frozen=True)
class Classes:
    """The classes as the declaration will have them.

    Attributes:
        counts: Class -> rows that were seen of it, in the order of the declaration.
        values: The number of each row's class in that order, (n,), NaN where there is none.
        positive: Of two the one that is looked for.
        is_guessed: Whether nobody has said so.
        notes: What a person should know of them, a sentence each.
    """

    counts: Mapping[str, int]
    values: Values
    positive: str | None
    is_guessed: bool
    notes: Sequence[str]

    @property
    def labels(self) -> list[str]:
        """The classes."""
        return list(self.counts)


def find_classes(facts: Facts, texts: pa.Array, given: Mapping[str, str], marked: str, *, is_whole: bool) -> Classes:
    """Takes the classes that are given, else all values that there are.

    Args:
        texts: The target as texts, (n,), null where it is missing.
        given: The keys that a person gave, in small letters.
        marked: What `ask_for_marks` says.
        is_whole: Whether these are all rows.

    Raises:
        SettingsError: There are too many values, or not those that were named.
    """
    plain = drop_zeros(texts)
    found = _count(plain)
    named = list(dict.fromkeys(split_list(given.get("classes", ""))))
    if not named:
        _check_count(facts, found)
    labels = named or _sort(_join_flags(found))
    numbers = number_classes(plain, labels)
    rows = Counter(numbers.drop_null().to_pylist())
    counts = {label: rows[float(number)] for number, label in enumerate(labels)}
    notes = [
        *_note_missing(facts, marked),
        *([] if named else _note_alike(labels)),
        *_check_named(facts, found, counts, is_whole=is_whole),
    ]
    if not (is_whole or named):
        notes.append(f"The classes are the values of the first {facts.rows:,} rows: CLASSES= names others too")
    positive = given.get("positive") or (_guess_positive(counts) if len(counts) == OF_TWO else None)
    is_guessed = positive is not None and not given.get("positive")
    if is_guessed:
        [other] = [label for label in labels if label != positive]
        notes.append(
            f"'{positive}' is taken for the class that is looked for, so that a threshold, costs and precision are of "
            f"it. If that is '{other}', set {show_setting('POSITIVE', other)}"
        )
    return Classes(counts, numbers.to_numpy(zero_copy_only=False), positive, is_guessed, notes)


def ask_for_marks(facts: Facts, texts: pa.Array, given: Mapping[str, str]) -> str:
    """What to do if values of the target that usually mean a missing one are classes; empty where there are none.

    Args:
        texts: The target as texts, (n,), null only where it is empty.
        given: The keys that a person gave, in small letters.
    """
    found = _count(drop_zeros(texts))
    marks = sorted(MISSING_MARKS.intersection(found).difference(split_list(given.get("missing", ""))))
    are_quantities = facts.is_number and facts.distinct > FEW_VALUES
    if not marks or given.get("classes") or are_quantities or not OF_TWO <= len(found) <= MOST_CLASSES:
        return ""
    labels = _sort(_join_flags(found))
    setting = show_setting("CLASSES", ",".join(labels))
    either = " or ".join(f"'{mark}'" for mark in marks)
    said = f". If {either} is a class rather than a missing value, set {setting}"
    return said if all(map(can_be_listed, labels)) else ""


def _count(texts: pa.Array) -> Counter[str]:
    return Counter({entry["values"]: entry["counts"] for entry in pc.value_counts(texts.drop_null()).to_pylist()})


def _check_count(facts: Facts, found: Mapping[str, int]) -> None:
    shown = ", ".join(text for text, _ in facts.frequent[:3])
    if len(found) > MOST_CLASSES and facts.is_number:
        raise SettingsError(
            f"TASK=classification: TARGET {facts.name} holds {len(found):,} different numbers, from {facts.low:g} to "
            f"{facts.high:g}, but at most {MOST_CLASSES} values can be classes. Set TASK=regression to predict the "
            "number, or TARGET to a column of classes"
        )
    if len(found) > MOST_CLASSES or len(found) * 2 > facts.present:
        raise SettingsError(
            f"TARGET {facts.name} holds {len(found):,} different values in {facts.present:,} rows ({shown}, ...): they "
            f"are no classes, of which there can be at most {MOST_CLASSES}, each in several rows. Set TARGET to "
            "another column, or put the values into groups in the source"
        )


def _join_flags(found: Mapping[str, int]) -> dict[str, int]:
    """The values, but of `TRUE` and `true` the more frequent one alone: they are one class, see `number_classes`."""
    joined = dict(found)
    for flag in FLAGS:
        written = sorted((value for value in found if value.lower() == flag), key=lambda value: -found[value])
        for other in written[1:]:
            joined[written[0]] += joined.pop(other)
    return joined


def _sort(found: Mapping[str, int]) -> list[str]:
    try:
        return sorted(found, key=float)
    except ValueError:
        return sorted(found, key=lambda label: (label.casefold(), label))


def _note_missing(facts: Facts, marked: str) -> list[str]:
    if not facts.missing:
        return []
    rows = f"{facts.missing:,} of {facts.rows:,} rows ({facts.missing / facts.rows:.1%})"
    return [f"TARGET {facts.name} is missing in {rows}: they are left out{marked}"]


def _note_alike(labels: Sequence[str]) -> list[str]:
    """A sentence on the classes that a person may take for one."""
    alike: dict[str, list[str]] = {}
    for label in labels:
        alike.setdefault("".join(label.split()).casefold(), []).append(label)
    groups = [", ".join(map(repr, group)) for group in alike.values() if len(group) > 1]
    if not groups:
        return []
    said = f"Classes that differ in capitals or blanks alone: {'; '.join(groups)}"
    return [f"{said}. If they are the same, write them alike in the source"]


def _check_named(facts: Facts, found: Mapping[str, int], counts: Mapping[str, int], *, is_whole: bool) -> list[str]:
    notes = []
    for label in (label for label, count in counts.items() if not count and is_whole):
        near = suggest(label, found) or f"; its values are {', '.join(list(found)[:SHOWN])}"
        raise SettingsError(f"CLASSES: TARGET {facts.name} has no value '{label}'{near}")
    if few := [f"{label} ({count})" for label, count in counts.items() if count < FEW_ROWS]:
        notes.append(
            f"Classes of few rows: {', '.join(few)}. A training set without one of them is refused: name the others in"
            " CLASSES, or give a SOURCE with more rows of these"
        )
    without = facts.present - sum(counts.values())
    if without:
        others = [text for text in found if not pc.is_valid(number_classes(pa.array([text]), list(counts)))[0].as_py()]
        share = f"{without:,} of {facts.rows:,} rows ({without / facts.rows:.1%}) are of none of the CLASSES"
        said = f"{share}, such as '{others[0]}'"
        if without > MOST_WITHOUT * facts.present:
            raise SettingsError(f"{said}: name in CLASSES all values of TARGET {facts.name} that are classes")
        way = f"{show_setting('MISSING', others[0])} leaves them out as rows whose class is unknown"
        notes.append(f"{said}: they are rejected. {way}" if can_be_listed(others[0]) else f"{said}: they are rejected")
    return notes


def _guess_positive(counts: Mapping[str, int]) -> str:
    """The one that a word says, else the rarer one, else the second."""
    first, second = counts
    for label, other in ((first, second), (second, first)):
        if label.lower() in POSITIVE_WORDS and other.lower() not in POSITIVE_WORDS:
            return label
        if label == "1" and other in NUMBERS_OF_NONE:
            return label
    return first if counts[first] < counts[second] else second
