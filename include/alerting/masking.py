"""Takes secrets out of texts: those of this process's environment wherever they stand, others by their company."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from include.configuration.values import SECRET_NAMES, SECRET_WORDS

MASK = "***"
# Shorter values would take ordinary words with them.
SHORTEST = 6
# Without `key` and `sig` of an address's parameters, which are in many a word and in what code says.
_WORDS = (
    r"passw(?:or)?d|passwd|pwd|secret|token|(?:api|access|account|private|fernet)[_-]?key|credential"
    r"|(?<![a-z0-9])sig(?:nature)?(?==)"
)
_SECRET_NAME = re.compile(_WORDS, re.IGNORECASE)
# The shell's PWD, and files that hold secrets: where something is.
_PLACE_NAME = re.compile(r"^(?:OLD)?PWD$|_(?:FILE|PATH|DIR)$", re.IGNORECASE)
# A password may hold what ends the host elsewhere, so that it is taken to reach to the last @: too much is hidden of an
# address with both a port and an @ in its path, but no password is shown. On the web, a login without one is a secret.
_LOGIN = re.compile(r"(?P<before>://[^\s:/?#@]*:|\bhttps?://(?=[^\s:/?#@]+@))(?P<secret>\S+)(?=@)", re.IGNORECASE)
_PARAMETER = re.compile(
    rf"(?P<before>[?&](?:[\w.-]*(?:{'|'.join(SECRET_WORDS)})[\w.-]*|{'|'.join(SECRET_NAMES)})=)(?P<secret>[^&\s]+)",
    re.IGNORECASE,
)
_PATTERNS = (
    # scheme://user:password@host, https://token@host
    _LOGIN,
    # ?sig=..., &X-Amz-Signature=...
    _PARAMETER,
    # password=..., "token": "...", --api-key ...
    re.compile(
        rf"(?P<before>(?<![\w-])[\w-]*(?:{_WORDS})[\w-]*[\"']?\s*[=:]\s*|(?<![\w-])--[\w-]*(?:{_WORDS})[\w-]*\s+)"
        r"(?:\"(?:[^\"\\]|\\.)+\"|'(?:[^'\\]|\\.)+'|[^\s\"',;&)]+)",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<before>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE),
)


def mask(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """The text with `***` in the place of every secret that is recognised."""
    for secret in _known_secrets(tuple(environment.items())):
        text = text.replace(secret, MASK)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<before>{MASK}", text)
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
    for pattern in (_LOGIN, _PARAMETER):
        for found in pattern.finditer(value):
            # As it is in the address, and as it is sent.
            yield from {found["secret"], unquote(found["secret"])}
