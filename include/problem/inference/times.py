"""How the times of a column are written, judged by all of its values: whether the day comes first is no one's guess."""

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from include.problem.reading import BLANK, ISO, MISSING_MARKS

# So many of the values that are there must be times; others are rows with an error.
SHARE = 0.95
_ISO = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})"
    rf"(?:(?:T|{BLANK})(?P<clock>\d{{2}}(?::\d{{2}}(?::\d{{2}}(?:\.\d+)?)?)?)"
    rf"(?:{BLANK}?(?P<offset>Z|[+-]\d{{2}}(?::?\d{{2}})?))?)?"
)
_TIME = re.compile(
    r"(?P<first>\d{4}|\d{1,2})(?P<between>[/.-])(?P<second>\d{1,2})(?P=between)(?P<third>\d{4}|\d{1,2})"
    rf"(?:{BLANK}(?P<hour>[01]?\d|2[0-3]):[0-5]\d(?P<seconds>:[0-5]\d)?(?P<half>{BLANK}[AaPp][Mm])?)?"
)
# What stands first, second and third.
_ORDERS = ("dmy", "mdy", "ymd")
_FIRST = {"%d": "the day first", "%m": "the month first", "%y": "the year first"}
# Formats whose order of day and month nobody can mistake.
_PLAIN_FORMATS = (
    "%Y%m%dT%H%M%S", "%Y%m%dT%H%M%S%z", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y",
    "%d-%b-%Y %H:%M:%S", "%d %b %Y %H:%M", "%b %d, %Y %H:%M",
)  # fmt: skip


@dataclass(frozen=True)
class Ambiguous:
    """Times that can be read in several ways, of which no value leaves only one.

    Attributes:
        formats: One for each way.
        example: One of the values.
    """

    formats: tuple[str, ...]
    example: str

    @property
    def answers(self) -> dict[str, str]:
        """Format -> what stands first by it."""
        return {time_format: _FIRST[time_format[:2]] for time_format in self.formats}

    @property
    def question(self) -> str:
        """What a person must decide, with the answers."""
        days = (datetime.strptime(self.example, time_format) for time_format in self.formats)
        ways = " or ".join(f"{day.day} {day:%B %Y}" for day in days)
        formats = " or ".join(map(shlex.quote, self.formats))
        return f"'{self.example}' can be {ways}, and no value decides. Set TIME_FORMAT={formats}"


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
    shapes: dict[tuple[str, str, str], dict[str, re.Match[str]]] = {}
    for text in counts:
        if found := _TIME.fullmatch(text):
            shapes.setdefault((found["between"], _find_long_year(found), _find_clock(found)), {})[text] = found
    for (between, long_year, clock), alike in shapes.items():
        of_shape = Counter({text: counts[text] for text in alike})
        if of_shape.total() >= least:
            return _choose_order(of_shape, alike, _list_formats(between, long_year, clock), least)
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


def _find_long_year(found: re.Match[str]) -> str:
    """The part that is a year of four digits, else nothing."""
    return next((part for part in ("first", "third") if len(found[part]) == len("2024")), "")


def _list_formats(between: str, long_year: str, clock: str) -> dict[str, str]:
    """Order -> format, of all orders that texts of a shape can have; with points, no one puts the month first."""
    orders = [order for order in _ORDERS if not long_year or (order == "ymd") == (long_year == "first")]
    years = "%Y" if long_year else "%y"
    return {
        order: between.join(f"%{part}" for part in order).replace("%y", years) + clock
        for order in orders
        if (between, order) != (".", "mdy")
    }


def _choose_order(
    counts: Counter[str], alike: Mapping[str, re.Match[str]], formats: Mapping[str, str], least: float
) -> str | Ambiguous | None:
    """The one of some formats that texts have which differ in nothing but their numbers."""
    fitting = {order: {text for text, found in alike.items() if _is_day(found, order)} for order in formats}
    fits = {order: sum(counts[text] for text in texts) for order, texts in fitting.items()}
    fits = {order: count for order, count in fits.items() if count >= least}
    if not fits:
        return None
    year_first = fits.pop("ymd", 0)
    best = [order for order, count in fits.items() if count == max(fits.values())]
    # Most years of two digits could be days, of which more differ than of years.
    if year_first and (not best or _count_parts(alike, "third") >= _count_parts(alike, "first")):
        best.append("ymd")
    if len(best) == 1:
        return formats[best[0]]
    # One that shows the difference, if there is one.
    examples = [text for text in alike if all(text in fitting[order] for order in best)]
    examples.sort(key=lambda text: -len({alike[text][part] for part in ("first", "second")}))
    return Ambiguous(tuple(formats[order] for order in best), examples[0])


def _count_parts(alike: Mapping[str, re.Match[str]], part: str) -> int:
    return len({found[part] for found in alike.values()})


def _find_clock(found: re.Match[str]) -> str:
    if not found["hour"]:
        return ""
    hour, half = ("%I", " %p") if found["half"] else ("%H", "")
    return f" {hour}:%M{':%S' if found['seconds'] else ''}{half}"


def _is_iso(text: str) -> bool:
    found = _ISO.fullmatch(text)
    if not found:
        return False
    try:
        datetime.fromisoformat(f"{found['day']}T{found['clock'] or '00'}{found['offset'] or ''}")
    except ValueError:
        return False
    return True


def _is_day(found: re.Match[str], order: str) -> bool:
    parts = dict(zip(order, found.group("first", "second", "third"), strict=True))
    year, month, day = (parts[part] for part in "ymd")
    if len(year) not in (len("24"), len("2024")) or max(len(month), len(day)) > len("31"):
        return False
    try:
        # Which century it is decides on no order.
        date(int(year) + (2000 if len(year) == len("24") else 0), int(month), int(day))
    except ValueError:
        return False
    return True
