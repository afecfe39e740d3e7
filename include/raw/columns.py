"""The source's columns against those that the settings name, and against those of the load before."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from include.configuration.values import show_setting
from include.errors import SourceInvalid
from include.problem.checks import key_of
from include.problem.declaration import Problem
from include.problem.problem_file import place_of_name
from include.settings import Settings
from include.sources import Contents

FAMILIES = {
    r"^null$": "nothing",
    r"^(timestamp|date).*(tz=|with time zone)": "time with a time zone",
    r"^(timestamp|date)": "time",
    r"^u?int|^(float|half|double|decimal|numeric|real|number|smallint|bigint)": "number",
    r"string|^(text|char)": "text",
}


def check_columns(contents: Contents, settings: Settings, month: str, needed: Mapping[str, str] | None = None) -> None:
    """Raises SourceInvalid where a column is missing that the settings name; the message says what to change.

    Args:
        needed: Neutral name -> the source's, of the columns that have to be there; None: of all that are read.
    """
    if not contents.columns:
        raise explain_no_rows(contents, month)
    # The warehouse keeps the names, and has no place for these.
    unfit = [name for name in contents.columns if "\0" in name or name != name.encode(errors="replace").decode()]
    if unfit:
        names = ", ".join(map(ascii, unfit))
        raise SourceInvalid(
            f"{contents.location} ({month}): a column's name holds a letter that is no text: {names}. Rename the column"
        )
    clocks = settings.problem.clocks
    problems = [
        f"no column '{name}'{_suggest(name, neutral, settings.problem, list(contents.columns))}"
        for neutral, name in {**(settings.problem.read_columns if needed is None else needed), **clocks}.items()
        if name not in contents.columns
    ]
    if problems:
        raise SourceInvalid(
            f"{contents.location} ({month}): {'; '.join(problems)}. Columns found: {', '.join(contents.columns)}"
        )


def explain_no_rows(contents: Contents, month: str) -> SourceInvalid:
    """The error of a month without rows."""
    return SourceInvalid(
        f"{contents.location}: no rows for {month}: publish them there, or remove the month there, and take it out of "
        "MONTHS if it is named there"
    )


def _suggest(name: str, neutral: str, problem: Problem, found: list[str]) -> str:
    by_lower = {candidate.lower(): candidate for candidate in found}
    close = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    key, place = key_of(neutral), place_of_name(problem, neutral)
    if not close:
        return f": change {place}"
    likely = by_lower[close[0]]
    return (
        f": if '{likely}' is the same, {f'set {show_setting(key, likely)}' if place == key else f'name it in {place}'}"
    )


def describe_drift(before: dict[str, str], now: dict[str, str]) -> tuple[str, ...]:
    """What changed between two loads' columns (name to type), a sentence each; nothing where there was no load."""
    return tuple(_compare(before, now)) if before else ()


def _find_family(kind: str) -> str:
    return next((family for pattern, family in FAMILIES.items() if re.search(pattern, kind)), kind)


def _compare(before: dict[str, str], now: dict[str, str]) -> Iterator[str]:
    # Real months differ in width (int32, int64, double where values are missing): only a change of family is news.
    yield from (f"new column '{name}' ({now[name]})" for name in now if name not in before)
    yield from (f"column '{name}' is gone" for name in before if name not in now)
    for name, kind in now.items():
        families = {_find_family(kind), _find_family(before.get(name, kind))} - {"nothing"}
        if len(families) > 1:
            yield f"column '{name}' was {before[name]} and is {kind}"
