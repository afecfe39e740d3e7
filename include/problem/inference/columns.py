"""What kind a column is, judged by what was seen of its values; each guess says why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from include.problem.inference.names import make_slug
from include.problem.inference.times import Ambiguous
from include.problem.kinds import KindName
from include.problem.request_values import CODE_BOUNDS

# So many of the values that are there must be of the kind; others are values with an error.
SHARE = 0.95
MOST_CATEGORIES = 1_000
LONG_TEXT = 30
# Texts that come again and again are categories, however long.
MOST_LONG_CATEGORIES = 100
TIMES_EACH = 5
ALMOST_ALL = 0.999
# As many rows must be seen before values that all differ mean anything.
FEWEST_FOR_ID = 20
# A float tells no more whole numbers apart.
EXACT = 2**53
_CODE_WORDS = frozenset(("id", "code", "zip", "zipcode", "postcode", "plz", "sku", "fips"))
_TIME_WORDS = frozenset(("time", "date", "datetime", "timestamp", "ts", "at", "day"))
_CLOCK_WORDS = frozenset(("hour", "time", "hr", "hours", "uhrzeit", "stunde", "heure", "hora"))

Stored = Literal["text", "number", "boolean", "time", "date", "clock", "duration", "binary", "nested"]
# What is held in ways that no kind can hold.
UNUSABLE: Mapping[Stored, str] = {"duration": "durations", "binary": "bytes", "nested": "lists or records"}


@dataclass(frozen=True)
class Facts:
    """What was seen of a column.

    Attributes:
        stored: How the source holds it.
        example: The most frequent value, as text.
        middle: The number in the middle, rounded; None where there is none.
        rows: How many rows were seen.
        present: How many of them have a value.
        distinct: How many different values there are.
        frequent: The most frequent values as text, and how often each is there.
        length: Mean length of the values as text.
        has_blanks: Whether more than a few values have blanks in them.
        readable: Share of the values that can be read as numbers.
        unreadable: One that cannot be, if there is one.
        is_whole: Whether all numbers are whole.
        low, high: The ends of the numbers.
        has_leading_zeros: Whether numbers are written with zeros before them, as codes are.
        is_sorted: Whether each number is above, or each is below, the one before.
        prefix, suffix: What nearly all numbers have around them: a currency, a unit.
        two_words: Whether the values are two words for yes and no.
        time_format: How the values are written if they are times.
        timezone: The time zone that times have; empty where they have none.
        has_clock: Whether times have a time of day.
        is_clock: Whether the values can be times of day, or hours.
        marker: A number that is far below or above all others and comes again: may mean a missing one.
        infinite: How many numbers are infinite.
    """

    name: str
    stored: Stored = "text"
    example: str = ""
    middle: float | None = None
    rows: int = 0
    present: int = 0
    distinct: int = 0
    frequent: tuple[tuple[str, int], ...] = ()
    length: float = 0.0
    has_blanks: bool = False
    readable: float = 0.0
    unreadable: str = ""
    is_whole: bool = False
    low: float = 0.0
    high: float = 0.0
    has_leading_zeros: bool = False
    is_sorted: bool = False
    prefix: str = ""
    suffix: str = ""
    two_words: bool = False
    time_format: str | Ambiguous | None = None
    timezone: str = ""
    has_clock: bool = False
    is_clock: bool = False
    marker: float | None = None
    infinite: int = 0

    @property
    def missing(self) -> int:
        """How many rows have no value."""
        return self.rows - self.present

    @property
    def is_number(self) -> bool:
        """Whether nearly all values are numbers, and mean quantities or whole numbers that a float can hold."""
        exact = not self.is_whole or max(abs(self.low), abs(self.high)) <= EXACT
        return self.present > 0 and self.readable >= SHARE and exact and not self.has_leading_zeros

    @property
    def all_differ(self) -> bool:
        """Whether no value is there twice, in rows enough to mean something."""
        return self.present >= FEWEST_FOR_ID and self.distinct == self.present


@dataclass(frozen=True)
class Guess:
    """What a column is taken for.

    Attributes:
        why: Why, for a person.
        suspicion: What a person should check.
    """

    kind: KindName
    why: str
    suspicion: str = ""


def guess_kind(facts: Facts) -> Guess:
    """The kind that the column has by all that was seen of it."""
    if facts.stored in UNUSABLE:
        return Guess("ignored", f"{UNUSABLE[facts.stored]}, which no kind can hold")
    if not facts.present:
        return Guess("ignored", "empty in every row")
    if facts.distinct == 1 and not facts.missing:
        return Guess("ignored", f"{_show(facts.frequent[0][0])} in every row")
    if facts.stored == "boolean" or facts.two_words:
        return Guess("flag", " and ".join(text for text, _ in facts.frequent[:2]))
    if facts.stored in ("time", "date") or facts.time_format is not None:
        return _guess_time(facts)
    return _guess_number(facts) if facts.is_number else _guess_text(facts)


def may_be_code(facts: Facts) -> bool:
    """Whether the column holds whole numbers alone, none too large for a code."""
    return facts.is_number and facts.is_whole and CODE_BOUNDS[0] <= facts.low and facts.high <= CODE_BOUNDS[1]


def may_be_clock(facts: Facts) -> bool:
    """Whether the column can be the time of day that belongs to a date: by its name and all of its values."""
    return facts.is_clock and bool(_CLOCK_WORDS.intersection(make_slug(facts.name).split("_")))


def names_a_time(name: str) -> bool:
    """Whether a name says that the column holds times, so that large numbers may be counted from 1970."""
    return bool(_TIME_WORDS.intersection(make_slug(name).split("_")))


def _guess_time(facts: Facts) -> Guess:
    written = facts.time_format
    if isinstance(written, Ambiguous):
        return Guess("time", f"dates, {' or '.join(written.answers.values())}", written.question)
    timezone = f", in {facts.timezone}" if facts.timezone else ""
    how = {None: "", "iso": "ISO 8601", "unix": "seconds since 1970", "unix_ms": "milliseconds since 1970"}
    return Guess("time", f"times{timezone}" if not written else f"times, {how.get(written, written)}{timezone}")


def _guess_number(facts: Facts) -> Guess:
    words = make_slug(facts.name).split("_")
    plain = not facts.prefix and not facts.suffix
    if facts.is_whole and plain and facts.all_differ:
        return Guess("id", "whole numbers that all differ")
    if facts.is_whole and plain and words[-1] in _CODE_WORDS:
        return Guess("code" if may_be_code(facts) else "category", f"whole numbers, and the name says {words[-1]}")
    kept = "whole numbers" if facts.is_whole else "numbers"
    written = facts.prefix or facts.suffix
    why = f"{kept}, written with {written}" if written else kept
    return Guess("number", why, "; ".join(filter(None, (_doubt_unreadable(facts), _doubt_marker(facts)))))


def _doubt_unreadable(facts: Facts) -> str:
    if facts.readable == 1:
        return ""
    share = f"{1 - facts.readable:.1%}" if facts.readable < ALMOST_ALL else "a few"
    return f"{share} of the values are no such numbers, for example {_show(facts.unreadable)}: their rows are rejected"


def _doubt_marker(facts: Facts) -> str:
    if facts.marker is None:
        return ""
    return f"{facts.marker:g} lies far from all other values: if it means a missing one, set MISSING={facts.marker:g}"


def _guess_text(facts: Facts) -> Guess:
    is_long = facts.length > LONG_TEXT
    if facts.all_differ:
        if is_long and facts.has_blanks:
            return Guess("text", "long texts that all differ")
        return Guess("id", f"{'numbers' if facts.readable >= SHARE else 'texts'} that all differ")
    values = f"{facts.distinct:,} different {'text' if facts.distinct == 1 else 'texts'}"
    if facts.readable >= SHARE:
        values += " of digits, with zeros before them" if facts.has_leading_zeros else " of many digits"
    comes_again = facts.distinct * TIMES_EACH <= facts.present
    if is_long and not (comes_again and facts.distinct <= MOST_LONG_CATEGORIES):
        return Guess("text", f"texts of {facts.length:.0f} letters on average")
    if facts.distinct > MOST_CATEGORIES and (facts.has_blanks or not comes_again):
        return Guess("text", f"{values}, too many for categories")
    doubt = f"{facts.readable:.0%} of the values are numbers, the others are not: {_show(facts.unreadable)}"
    is_mixed = facts.readable >= 1 / 2 and facts.unreadable and not facts.has_leading_zeros
    return Guess("category", values, doubt if is_mixed else "")


def _show(text: str) -> str:
    return repr(text if len(text) <= LONG_TEXT else f"{text[:LONG_TEXT]}...")
