"""How the times of a column are written, judged by all of its values: whether the day comes first is no one's guess."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from include.problem.reading import ISO, MISSING_MARKS

# So many of the values that are there must be times; others are rows with an error.
SHARE = 0.95
_CENTURY = 100
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}(?::?\d{2})?)?)?")
_TIME = re.compile(
    r"(?:(?P<year>\d{4})/(?P<month>\d{1,2})/(?P<day>\d{1,2})"
    r"|(?P<one>\d{1,2})(?P<between>[/.-])(?P<other>\d{1,2})(?P=between)(?P<last>\d{4}|\d{2}))"
    r"(?: (?P<hour>[01]?\d|2[0-3]):[0-5]\d(?P<seconds>:[0-5]\d)?(?P<half> [AaPp][Mm])?)?"
)
# Between the parts -> the formats that are in use; with points, the day comes first everywhere.
_ORDERS = {"/": ("%d/%m/%Y", "%m/%d/%Y"), "-": ("%d-%m-%Y", "%m-%d-%Y"), ".": ("%d.%m.%Y",)}
# Formats whose order of day and month nobody can mistake.
_PLAIN_FORMATS = (
    "%Y%m%dT%H%M%S", "%Y%m%dT%H%M%SZ", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y",
    "%d-%b-%Y %H:%M:%S", "%d %b %Y %H:%M", "%b %d, %Y %H:%M",
)  # fmt: skip
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


@dataclass(frozen=True)
class Ambiguous:
    """Times that can be read in two ways, of which no value excludes one.

    Attributes:
        day_first: The format of one way.
        month_first: That of the other.
        example: One of the values.
    """

    day_first: str
    month_first: str
    example: str

    @property
    def question(self) -> str:
        """What a person must decide, with the two answers."""
        first, second = map(int, re.findall(r"\d+", self.example)[:2])
        ways = f"{first} {_MONTHS[second - 1]} or {second} {_MONTHS[first - 1]}"
        return (
            f"'{self.example}' can be {ways}, and no value decides. "
            f"Set TIME_FORMAT={self.day_first} or {self.month_first}"
        )


def find_time_format(texts: Iterable[str | None]) -> str | Ambiguous | None:
    """The format of `strptime` that nearly all texts of a column have, or `ISO` for ISO 8601.

    Args:
        texts: All values of the column: a single day after the 12th may decide which of two formats it is.

    Returns:
        None where they are no times, or of several formats.
    """
    counts = Counter(text.strip() for text in texts if text is not None)
    for mark in MISSING_MARKS:
        counts.pop(mark, None)
    least = SHARE * counts.total()
    if not counts:
        return None
    if sum(count for text, count in counts.items() if _is_iso(text)) >= least:
        return ISO
    shapes: dict[tuple[str | None, str, str], Counter[str]] = {}
    for text, count in counts.items():
        if found := _TIME.fullmatch(text):
            year = "%y" if len(found["last"] or "") == len("24") else "%Y"
            shapes.setdefault((found["between"], year, _find_clock(found)), Counter())[text] = count
    for (between, year, clock), alike in shapes.items():
        if alike.total() >= least:
            days = [day.replace("%Y", year) for day in (_ORDERS[between] if between else ("%Y/%m/%d",))]
            return _choose_order(alike, [day + clock for day in days], least)
    return _find_plain_format(counts, least)


def _find_plain_format(counts: Counter[str], least: float) -> str | None:
    # One value rules nearly all formats out.
    [(first, _)] = counts.most_common(1)
    for time_format in _PLAIN_FORMATS:
        if _fits(first, time_format) and sum(n for text, n in counts.items() if _fits(text, time_format)) >= least:
            return time_format
    return None


def _fits(text: str, time_format: str) -> bool:
    try:
        datetime.strptime(text, time_format)
    except ValueError:
        return False
    return True


def _choose_order(alike: Counter[str], formats: list[str], least: float) -> str | Ambiguous | None:
    """The one of some formats that texts have which differ in nothing but their numbers."""
    fitting = [{text for text in alike if _is_day(text, day_first)} for day_first in (True, False)[: len(formats)]]
    counts = [sum(alike[text] for text in texts) for texts in fitting]
    if max(counts) < least:
        return None
    if len(counts) == 1 or counts[0] != counts[1]:
        return formats[counts.index(max(counts))]
    # One that shows the difference, if there is one.
    both = [text for text in alike if text in fitting[0] & fitting[1]]
    both.sort(key=lambda text: len(set(map(int, re.findall(r"\d+", text)[:2]))) == 1)
    return Ambiguous(formats[0], formats[1], both[0])


def _find_clock(found: re.Match[str]) -> str:
    if not found["hour"]:
        return ""
    hour, half = ("%I", " %p") if found["half"] else ("%H", "")
    return f" {hour}:%M{':%S' if found['seconds'] else ''}{half}"


def _is_iso(text: str) -> bool:
    if not _ISO.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_day(text: str, day_first: bool) -> bool:
    found = _TIME.fullmatch(text)
    assert found
    day, month = (found["one"], found["other"]) if day_first else (found["other"], found["one"])
    try:
        # Which century it is decides on no order.
        year = int(found["year"] or found["last"])
        date(year + 2000 if year < _CENTURY else year, int(found["month"] or month), int(found["day"] or day))
    except ValueError:
        return False
    return True
