"""Takes secrets out of texts: those of this process's environment wherever they stand, others by their company."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

MASK = "***"
# Shorter values would take ordinary words with them.
SHORTEST = 6
_WORDS = r"passw(?:or)?d|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|fernet[_-]?key|credential"
_SECRET_NAME = re.compile(_WORDS, re.IGNORECASE)
# The shell's PWD, and files that hold secrets: where something is.
_PLACE_NAME = re.compile(r"^(?:OLD)?PWD$|_(?:FILE|PATH|DIR)$", re.IGNORECASE)
_PATTERNS = (
    # scheme://user:password@host
    (re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/@]+(?=@)", re.IGNORECASE), rf"\g<before>{MASK}"),
    # password=..., "token": "...", --api-key ...
    (
        re.compile(
            rf"(?P<before>[\w-]*(?:{_WORDS})[\w-]*[\"']?\s*[=:]\s*|--[\w-]*(?:{_WORDS})[\w-]*\s+)"
            r"(?:\"[^\"]+\"|'[^']+'|[^\s\"',;&)]+)",
            re.IGNORECASE,
        ),
        rf"\g<before>{MASK}",
    ),
    (re.compile(r"(?P<before>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE), rf"\g<before>{MASK}"),
)


def mask(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """The text with `***` in the place of every secret that is recognised."""
    for secret in _known_secrets(tuple(environment.items())):
        text = text.replace(secret, MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


@lru_cache(maxsize=2)
def _known_secrets(environment: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    found = {secret for name, value in environment for secret in _secrets_in(name, value) if len(secret) >= SHORTEST}
    # Longest first: one may be a part of another.
    return tuple(sorted(found, key=len, reverse=True))


def _secrets_in(name: str, value: Any) -> Iterator[str]:
    """The secrets in a variable's value: a password in an address, fields of a JSON object, or the value as a whole."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _secrets_in(key, inner)
        return
    if not isinstance(value, str):
        return
    if value.startswith("{"):
        with suppress(ValueError):
            yield from _secrets_in(name, json.loads(value))
        return
    if "://" in value:
        yield from _secrets_in_address(value)
        return
    if _SECRET_NAME.search(name) and not _PLACE_NAME.search(name):
        yield value


def _secrets_in_address(value: str) -> Iterator[str]:
    try:
        parts = urlsplit(value)
        password = parts.password
    except ValueError:
        return
    if password:
        yield from {password, unquote(password)}
    yield from (inner for key, inner in parse_qsl(parts.query) if _SECRET_NAME.search(key))
