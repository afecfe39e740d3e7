"""Neutral names, made of whatever the source calls its columns."""

import re
import unicodedata
from collections.abc import Collection, Iterable

from include.problem.checks import RESERVED

MOST_LETTERS = 40
# What a time column `x` has features called, see `include.problem.features`: no other column may be called that.
TIME_PARTS = ("hour", "weekday", "month", "day_of_year", "day")
_LOWER_THEN_UPPER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def make_slug(name: str) -> str:
    """The name in small letters, digits and `_`: `temperature_c` of `Temperature(°C)`; empty where it has none."""
    text = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    plain = "".join(letter for letter in text if not unicodedata.combining(letter))
    words = re.findall(r"[a-z0-9]+", _LOWER_THEN_UPPER.sub("_", plain).lower())
    slug = "_".join(words)[:MOST_LETTERS].rstrip("_")
    return f"c_{slug}" if slug[:1].isdigit() else slug


def name_columns(names: Iterable[str], times: Collection[str] = ()) -> dict[str, str]:
    """The source's names with a neutral one for each: all of them differ, and none is reserved.

    Args:
        times: Those of the names that are times.
    """
    named: dict[str, str] = {}
    taken = set(RESERVED)
    slugs = {name: make_slug(name) or f"column_{place}" for place, name in enumerate(names, 1)}
    # The times first: what is called like one of their features gives way.
    for name in sorted(slugs, key=lambda name: name not in times):
        slug = f"{slugs[name]}_column" if slugs[name] in RESERVED else slugs[name]
        number = 2
        while slug in taken:
            slug, number = f"{slugs[name]}_{number}", number + 1
        named[name] = slug
        taken |= {slug, *(f"{slug}_{part}" for part in TIME_PARTS if name in times)}
    return {name: named[name] for name in slugs}
