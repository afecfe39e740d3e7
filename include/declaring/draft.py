"""A declaration in the making: what every column is, what follows from it, and what a person should check."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from include.declaring.classes import Classes, ask_for_marks, find_classes
from include.declaring.facts import measure, read_numbers, read_texts, read_times
from include.declaring.sample import Sample
from include.declaring.target import INFINITE, choose_task, count_left_out, find_far, find_target, join_words
from include.declaring.times import TimeChoice, choose_time, find_column, name_all, name_in_settings
from include.declaring.weights import check_weight, guess_weight
from include.errors import SettingsError
from include.problem.checks import can_be_name
from include.problem.data import Values
from include.problem.inference.columns import Facts, Guess, guess_kind, may_be_code
from include.problem.inference.leaks import SUSPICIOUS, describe_suspect, explain_alone
from include.problem.inference.times import Ambiguous
from include.problem.kinds import BOUNDED, KINDS
from include.problem.naming import ONE
from include.problem.reading import ISO, MISSING_MARKS
from include.raw.coercion import FLAG_WORDS

LONGEST_EXAMPLE = 60
# What the column that says how much a row counts must be.
OF_WEIGHT = {"required": True, "min": 0}
# What the rows that were not seen may show to be wrong.
UNSURE = ("id", "ignored")
UNNAMED = "a column without a name cannot be used: if it holds more than a row's number, name it in the source"
# Currencies by their signs, as people call them.
CURRENCIES = {"$": "dollars", "€": "euros", "£": "pounds", "¥": "yen", "₹": "rupees", "rs": "rupees", "rs.": "rupees"}


@dataclass(frozen=True)
class Described:
    """A column as the declaration will have it.

    Attributes:
        name: Its neutral name.
        entry: Its keys in the file, but for the name in the source.
    """

    name: str
    facts: Facts
    guess: Guess
    entry: Mapping[str, Any]


@dataclass(frozen=True)
class Draft:
    """All that was found out.

    Attributes:
        columns: All columns but the target and a clock, in the source's order.
        unit: The target's unit, as far as its values show it.
        target: What was seen of the target.
        classes: Those of the target; None where it is a number.
        clock: What was seen of the time of day, where it is a column of its own.
        mentioned: The keys that a person gave and that name columns, with the columns' neutral names.
        checks: What a person should check, a sentence each.
    """

    columns: Sequence[Described]
    target: Facts
    unit: str
    time: TimeChoice
    clock: Facts | None = None
    classes: Classes | None = None
    mentioned: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    checks: Sequence[str] = field(default_factory=tuple)

    def name_of(self, source: str) -> str:
        """The neutral name of a column."""
        return next(column.name for column in self.columns if column.facts.name == source)


def make_draft(sample: Sample, given: Mapping[str, str], marks: Sequence[str]) -> Draft:
    """Guesses what the columns are.

    Args:
        given: The keys that a person gave, in small letters.
        marks: Values that mean a missing one, beside the usual ones.

    Raises:
        SettingsError: The table cannot be used as it is given; the message says what to change.
        ChoiceNeeded: A wrong guess would be costly.
    """
    missing = MISSING_MARKS.union(marks)
    if unfit := [name for name in sample.columns if not can_be_name(name)]:
        raise SettingsError(f"SOURCE: the name {unfit[0]!r} has a control character in it: rename it in the source")
    target_name = find_target(given.get("target"), list(sample.columns))
    facts = {
        name: measure(name, array, missing, given.get("time_format", ""))
        for name, array in sample.columns.items()
        if name and name != target_name  # what has no name cannot be declared
    }
    target, classes, values, notes = _read_target(sample, target_name, missing, given)
    known_later = [find_column("KNOWN_LATER", name, facts) for name in split_names(given.get("known_later"))]
    keys = {key: find_column(key.upper(), given[key], facts) for key in ONE if given.get(key)}
    weight = keys.get("weight")
    no_inputs = [*known_later, *([weight] if weight else [])]
    time = choose_time(facts, sample.columns, missing, given, no_inputs)
    guesses = {
        name: guess_weight(facts[name]) if name == weight else _guess(facts[name], time, name in keys.values())
        for name in facts
        if name != time.clock
    }
    if not sample.is_whole:
        guesses = {name: _limit_to_sample(guess) for name, guess in guesses.items()}
    names = name_all(facts)
    repeated = _find_repeated(sample)
    once = np.where(repeated, np.nan, values)
    guesses, leaks = _find_leaks(sample, missing, facts, guesses, no_inputs, target, classes, once)
    entries = {name: _make_entry(facts[name], guess, given, sample.columns[name]) for name, guess in guesses.items()}
    if weight in entries:
        entries[weight] |= OF_WEIGHT
    columns = [Described(names[name], facts[name], guess, entries[name]) for name, guess in guesses.items()]
    mentioned: dict[str, Any] = {key: names[name] for key, name in keys.items()}
    if known_later:
        mentioned["known_later"] = [names[name] for name in known_later]
    unnamed = [UNNAMED] if "" in sample.columns else []
    checks = [
        *sample.warnings,
        *unnamed,
        *notes,
        *_check_timezone(facts, time, given),
        *_check_infinite(facts, guesses),
        *(check_weight(facts[weight], sample.columns[weight], missing) if weight else []),
        *leaks,
        *_check_repeated(repeated),
    ]
    unit = "" if classes else name_unit(target)
    return Draft(columns, target, unit, time, facts.get(time.clock or ""), classes, mentioned, checks)


def _read_target(
    sample: Sample, name: str, marks: frozenset[str], given: Mapping[str, str]
) -> tuple[Facts, Classes | None, Values, Sequence[str]]:
    """What was seen of the target, its classes if it has them, its numbers, and what a person should know of it."""
    array = sample.columns[name]
    # What is named a class is there, whatever it means elsewhere.
    marks = marks.difference(split_names(given.get("classes")))
    facts = measure(name, array, marks, given.get("time_format", ""))
    marked = ask_for_marks(facts, pa.array(read_texts(array, frozenset()), pa.string()), given)
    if choose_task(facts, given, f"{sample.rows:,} rows", marked) == "regression":
        values = read_numbers(array, marks)
        return facts, None, values, [*count_left_out(facts, values, given), *find_far(facts, values, given)]
    texts = pa.array(read_texts(array, marks), pa.string())
    classes = find_classes(facts, texts, given, marked, is_whole=sample.is_whole)
    return facts, classes, classes.values, classes.notes


def split_names(given: str | None) -> list[str]:
    """The names in a list with commas."""
    return [name.strip() for name in (given or "").split(",") if name.strip()]


def _guess(facts: Facts, time: TimeChoice, is_key: bool) -> Guess:
    guess = guess_kind(facts)
    if facts.name in time.days_of:
        return Guess("ignored", "the days of another column's times")
    if isinstance(facts.time_format, Ambiguous) and facts.name != time.column:
        return replace(guess, kind="ignored")
    # What tells series or groups apart is no quantity, and must be kept.
    if is_key and guess.kind in ("number", "ignored"):
        return Guess("code" if may_be_code(facts) else "category", "tells series or groups apart")
    return guess


def _limit_to_sample(guess: Guess) -> Guess:
    """The guess, which other rows might show to be wrong."""
    return replace(guess, why=f"{guess.why}, among the rows that were seen") if guess.kind in UNSURE else guess


def _find_leaks(
    sample: Sample,
    marks: frozenset[str],
    facts: Mapping[str, Facts],
    guesses: Mapping[str, Guess],
    no_inputs: Sequence[str],
    target: Facts,
    classes: Classes | None,
    values: Values,
) -> tuple[dict[str, Guess], list[str]]:
    """The guesses with what each column alone explains of the target, and a sentence for each suspect."""
    kinds = {
        name: guess.kind for name, guess in guesses.items() if KINDS[guess.kind].is_feature and name not in no_inputs
    }
    arrays = {
        name: (read_numbers if facts[name].is_number else read_texts)(sample.columns[name], marks)
        for name, kind in kinds.items()
        if kind != "time"
    }
    explained = explain_alone(arrays, {name: kinds[name] for name in arrays}, values, are_classes=classes is not None)
    changed, said = dict(guesses), []
    for name, share in sorted(explained.items(), key=lambda item: -item[1]):
        if share >= SUSPICIOUS:
            said.append(
                describe_suspect(join_words(name), share, join_words(target.name), name_in_settings(name, facts))
            )
            doubts = "; ".join(filter(None, (guesses[name].suspicion, f"explains {share:.0%} of the target alone")))
            changed[name] = replace(guesses[name], suspicion=doubts)
    return changed, said


def _make_entry(facts: Facts, guess: Guess, given: Mapping[str, str], array: pa.Array) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": guess.kind}
    written = facts.time_format
    if guess.kind == "time" and isinstance(written, str):
        declared = given.get("time_format") or ISO
        # A format of date and clock together is that of both columns.
        entry |= {"time_format": written} if written != declared and not declared.startswith(f"{written} ") else {}
    if guess.kind == "number" and (facts.prefix or facts.suffix):
        entry["unit"] = name_unit(facts)
    example = _make_example(facts, guess, array, given.get("timezone", ""))
    return entry if example is None else {**entry, "example": example}


def _make_example(facts: Facts, guess: Guess, array: pa.Array, timezone: str) -> str | float | bool | None:
    """A value as a request may have it: a time as the clocks of the declared time zone show it."""
    match guess.kind:
        case "number" | "code" if facts.middle is not None:
            return int(facts.middle) if facts.middle.is_integer() else facts.middle
        case "flag":
            return FLAG_WORDS[facts.example.lower()]
        case "category":
            return facts.example if len(facts.example) <= LONGEST_EXAMPLE else None
        case "time" if isinstance(facts.time_format, str) or facts.stored in ("time", "date"):
            import pandas as pd

            times = read_times(array, MISSING_MARKS, str(facts.time_format or ISO), "UTC")
            known = times[~np.isnat(times)]
            if not len(known):
                return None
            moment = pd.Timestamp(known[0].astype("datetime64[s]"))
            if facts.timezone and timezone:
                moment = moment.tz_localize("UTC").tz_convert(timezone).tz_localize(None)
            return moment.isoformat()
    return None


def name_unit(facts: Facts) -> str:
    return CURRENCIES.get(facts.prefix.lower(), facts.prefix) or facts.suffix


def _check_timezone(facts: Mapping[str, Facts], time: TimeChoice, given: Mapping[str, str]) -> list[str]:
    timezone = facts[time.column].timezone if time.column else ""
    if not timezone or given.get("timezone"):
        return []
    said = (
        f"TIME {time.column} has a time zone ({timezone}). Set TIMEZONE, whose clock gives hours and weekdays, such as"
    )
    return [f"{said} TIMEZONE=America/New_York; else UTC is used"]


def _check_infinite(facts: Mapping[str, Facts], guesses: Mapping[str, Guess]) -> list[str]:
    return [
        f"{name} is {INFINITE} in {facts[name].infinite:,} of {facts[name].rows:,} rows: they are rejected. If such a"
        " value means a missing one, set MISSING=inf,-inf"
        for name, guess in guesses.items()
        if guess.kind in BOUNDED and facts[name].infinite
    ]


def _find_repeated(sample: Sample) -> npt.NDArray[np.bool_]:
    """Marks the rows that repeat an earlier one, (n,)."""
    import pandas as pd

    usable = {name: array for name, array in sample.columns.items() if not pa.types.is_nested(array.type)}
    return pd.DataFrame({name: array.to_pandas() for name, array in usable.items()}).duplicated().to_numpy()


def _check_repeated(repeated: npt.NDArray[np.bool_]) -> list[str]:
    count = int(repeated.sum())
    if not count:
        return []
    share = count / len(repeated)
    said = f"{count:,} of {len(repeated):,} rows {'repeats' if count == 1 else 'repeat'} an earlier one ({share:.1%}):"
    return [f"{said} {'it is' if count == 1 else 'they are'} left out"]
