"""Numbers written as text, and as regular expressions: a JSON Schema cannot compare the number in a text with bounds.

The expressions are read alike by Python and JavaScript. Bounds that are whole numbers are kept exactly; of others, the
next whole number outside of them is.
"""

import math
from typing import Any

from include.configuration.values import END

# A float tells no more digits apart, and a 32-bit integer has one more at most.
MOST_DIGITS = 15
MOST_CODE_DIGITS = 9
# The largest float of 32 bits, as which models see numbers: beyond it, none differs from an infinity.
LARGEST = (2 - 2**-23) * 2.0**127
# Floats hold all whole numbers up to this one.
EXACT_LIMIT = 2**53
_FRACTION = rf"(\.[0-9]{{1,{MOST_DIGITS}}})?"
_NO_FRACTION = rf"(\.0{{1,{MOST_DIGITS}}})?"
WHOLE_NUMBER = rf"^ *-?[0-9]{{1,{MOST_CODE_DIGITS}}} *{END}"
NUMBER = rf"^ *-?[0-9]{{1,{MOST_DIGITS}}}{_FRACTION} *{END}"


def spell(value: Any) -> str:
    """A value as a text; a whole number has no decimal point, as in the texts that are trained on."""
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT_LIMIT:
        return str(int(value))
    return str(value)


def match_whole_number(low: float, high: float, *, or_blank: bool = False) -> str:
    """An expression for whole numbers from `low` to `high`, with up to `MOST_CODE_DIGITS` digits."""
    return _anchor(_match_signed(low, high, MOST_CODE_DIGITS, fraction=False), or_blank)


def match_number(low: float, high: float, *, or_blank: bool = False) -> str:
    """An expression for numbers from `low` to `high`, with up to `MOST_DIGITS` digits before and after the point."""
    return _anchor(_match_signed(low, high, MOST_DIGITS, fraction=True), or_blank)


def _anchor(numeral: str, or_blank: bool) -> str:
    return rf"^(\s*| *{numeral} *){END}" if or_blank else f"^ *{numeral} *{END}"


def _match_signed(low: float, high: float, digits: int, *, fraction: bool) -> str:
    if math.isinf(low) and math.isinf(high):
        return f"-?{_match_magnitude(0, high, digits, fraction)}"
    signs = [_match_magnitude(max(low, 0), high, digits, fraction)] if high >= 0 else []
    if low < 0:
        signs.append(f"-{_match_magnitude(max(-high, 0), -low, digits, fraction)}")
    return signs[0] if len(signs) == 1 else f"(?:{'|'.join(signs)})"


def _match_magnitude(low: float, high: float, digits: int, fraction: bool) -> str:
    """Unsigned numerals from `low` to `high`, both at least 0."""
    least = math.floor(low) if fraction else math.ceil(low)
    below = rf"(?!0*(?:{_count_to(least - 1)})(?:[. ]|$))" if least >= 1 else ""
    if math.isinf(high) or high >= 10**digits - 1:
        return f"{below}[0-9]{{1,{digits}}}{_FRACTION if fraction else ''}"
    most = math.floor(high)
    if not fraction:
        return f"{below}(?:{_count_to(most)})"
    if most != high:
        return f"{below}(?:{_count_to(most)}){_FRACTION}"
    smaller = f"(?:{_count_to(most - 1)}){_FRACTION}|" if most else ""
    return f"{below}(?:{smaller}{most}{_NO_FRACTION})"


def _count_to(most: int) -> str:
    """Whole numbers from 0 to `most`, none with more digits than it."""
    text = str(most)
    if set(text) == {"9"}:
        return f"[0-9]{{1,{len(text)}}}"
    ways = [f"[0-9]{{1,{len(text) - 1}}}"] if len(text) > 1 else []
    for at, digit in enumerate(text):
        if digit > "0":
            rest = len(text) - at - 1
            ways.append(f"{text[:at]}[0-{int(digit) - 1}]{f'[0-9]{{{rest}}}' if rest else ''}")
    return "|".join([*ways, text])
