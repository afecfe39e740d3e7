"""Which column says when a row was, of all that hold times."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from include.configuration.values import can_be_listed, show_setting
from include.declaring.facts import read_times
from include.declaring.questions import Answer, ChoiceNeeded
from include.declaring.target import find_near, list_names
from include.errors import SettingsError
from include.problem.inference.columns import SHARE, Facts, may_be_clock
from include.problem.inference.names import make_slug, name_columns
from include.problem.inference.times import Ambiguous

# Rows without a time are refused, and not many may be.
MOST_MISSING = 0.05
DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class TimeChoice:
    """What was chosen, by the source's names.

    Attributes:
        column: The column of times, or of dates; None: there is none.
        clock: The column with the time of day, where it is another one.
        why: Why, for a person.
        days_of: Columns that hold the days of the time, and nothing else.
    """

    column: str | None
    clock: str | None = None
    why: str = ""
    days_of: tuple[str, ...] = ()


def choose_time(
    facts: Mapping[str, Facts], columns: Mapping[str, pa.Array], marks: frozenset[str], given: Mapping[str, str],
    others: Collection[str],
) -> TimeChoice:  # fmt: skip
    """Takes the given column, else the only one that holds times that differ.

    Args:
        given: The keys that a person gave, in small letters.
        others: Columns that cannot be it: the target, and what is known later.

    Raises:
        SettingsError: The given column does not hold times.
        ChoiceNeeded: The day, the month or the year may come first.
    """
    if given.get("time", "").strip():
        taken = _take_given(facts, given)
        return replace(taken, days_of=tuple(_find_days(_list_readable(facts), columns, marks) - {taken.column}))
    found = [each for each in facts.values() if is_time(each) and each.distinct > 1 and each.name not in others]
    complete = [each for each in found if each.missing <= MOST_MISSING * each.rows]
    days_of = _find_days(_list_readable(facts), columns, marks)
    candidates = [each for each in complete if each.name not in days_of]
    if not found:
        return TimeChoice(None, why="no column holds times")
    if not candidates:
        gaps = ", ".join(f"{each.name} is missing in {each.missing / each.rows:.0%} of the rows" for each in found)
        return TimeChoice(None, why=f"none taken: {gaps}")
    if len(candidates) > 1:
        names = ", ".join(each.name for each in candidates)
        setting = show_setting("TIME", name_in_settings(candidates[0].name, facts))
        why = f"none taken: several columns hold times ({names}). {setting} would split by that one"
        return TimeChoice(None, why=why)
    [time] = candidates
    clocks = [each.name for each in facts.values() if may_be_clock(each) and each.name not in (time.name, *others)]
    clock = clocks[0] if len(clocks) == 1 and not time.has_clock else None
    why = "the only column of times" if not clock else f"the only column of dates, with the time of day of {clock}"
    return TimeChoice(ask_order(time, given).name, clock, why, tuple(days_of))


def is_time(facts: Facts) -> bool:
    """Whether a column holds times."""
    return facts.stored in ("time", "date") or facts.time_format is not None


def ask_order(facts: Facts, given: Mapping[str, str]) -> Facts:
    """The same, where it is known what comes first: the day, the month or the year.

    Raises:
        ChoiceNeeded: Nothing decides.
    """
    written = facts.time_format
    if isinstance(written, Ambiguous) and not given.get("time_format"):
        question = written.question.partition("Set TIME_FORMAT")[0].strip()
        answers = tuple(Answer("TIME_FORMAT", time_format, order) for time_format, order in written.answers.items())
        raise ChoiceNeeded(f"TIME {facts.name}: {question}", answers)
    return facts


def name_all(facts: Mapping[str, Facts]) -> dict[str, str]:
    """The source's names of the columns with their neutral ones."""
    return name_columns(facts, [name for name, each in facts.items() if is_time(each)])


def name_in_settings(name: str, facts: Mapping[str, Facts]) -> str:
    """What a person can call a column: its neutral name where that of the source has a comma or a line break in it."""
    return name if can_be_listed(name) and name.isprintable() else name_all(facts)[name]


def find_column(key: str, name: str, facts: Mapping[str, Facts]) -> str:
    """The source's name of a column that a person named, in the source's or in neutral spelling.

    Raises:
        SettingsError: There is none.
    """
    if name in facts:
        return name
    neutral = [each for each, slug in name_all(facts).items() if slug == name]
    same = neutral or [each for each in facts if make_slug(each) == make_slug(name)]
    if len(same) == 1:
        return same[0]
    near = find_near(name, list(facts))
    nearest = f" {near} is the nearest;" if near else ""
    raise SettingsError(f"{key}={name}: SOURCE has no such column;{nearest} columns: {list_names(list(facts))}")


def _take_given(facts: Mapping[str, Facts], given: Mapping[str, str]) -> TimeChoice:
    names = [name.strip() for name in given["time"].split(",")] if given["time"] not in facts else [given["time"]]
    if len(names) > len(("date", "clock")):
        raise SettingsError(f"TIME={given['time']}: give one column, or a column of dates and one of times of day")
    time, *clocks = (facts[find_column("TIME", name, facts)] for name in names)
    if not is_time(time):
        shown = f", for example {time.frequent[0][0]!r}" if time.frequent else ""
        if given.get("time_format"):
            raise SettingsError(
                f"TIME_FORMAT={given['time_format']} does not fit {time.name}{shown}. Set TIME_FORMAT to how its times"
                " are written, or leave it out to have it found"
            )
        raise SettingsError(
            f"TIME {time.name} holds no times that can be read{shown}. Set TIME_FORMAT to how they are written, such as"
            " TIME_FORMAT=%d/%m/%Y, or leave TIME out"
        )
    for clock in clocks:
        if not clock.is_clock:
            shown = f", for example {clock.frequent[0][0]!r}" if clock.frequent else ""
            wrong = f"holds no times of day{shown}" if clock.present else "is empty in every row"
            raise SettingsError(
                f"TIME {clock.name} {wrong}: give hours from 0 to 24 or texts such as 18:30, or leave it out:"
                f" {show_setting('TIME', name_in_settings(time.name, facts))}"
            )
    return TimeChoice(ask_order(time, given).name, clocks[0].name if clocks else None, "as given")


def _list_readable(facts: Mapping[str, Facts]) -> list[Facts]:
    return [each for each in facts.values() if is_time(each) and not isinstance(each.time_format, Ambiguous)]


def _find_days(times: Collection[Facts], columns: Mapping[str, pa.Array], marks: frozenset[str]) -> set[str]:
    """The columns that hold the days of another column's times, whatever their time zone, and nothing else."""
    read = {each.name: _read(each, columns, marks) for each in times}
    clocks = [each.name for each in times if each.has_clock]
    return {
        each.name
        for each in times
        if not each.has_clock and any(_are_near(read[each.name], read[name]) for name in clocks)
    }


def _read(facts: Facts, columns: Mapping[str, pa.Array], marks: frozenset[str]) -> npt.NDArray[np.datetime64]:
    time_format = facts.time_format if isinstance(facts.time_format, str) else None
    return read_times(columns[facts.name], marks, time_format, "UTC")


def _are_near(days: npt.NDArray[np.datetime64], times: npt.NDArray[np.datetime64]) -> bool:
    # A day lasts from its first to its last moment, and time zones add up to another half.
    return bool(np.mean(np.abs(times - days) <= 2 * DAY) >= SHARE)
