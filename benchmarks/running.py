"""A stack of the benchmark's own, and settings for it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from include.embedded.lifecycle import reset, start
from include.embedded.stack import PROGRAMS, Stack
from include.taxi.settings import HOME, Settings, read_settings


@contextmanager
def running_stack(names: tuple[str, ...] = PROGRAMS) -> Iterator[Stack]:
    """The programs `names`, running, their warehouse migrated and empty; nothing is left of them afterwards."""
    try:
        yield start(HOME, names, say=lambda line: None)
    finally:
        reset(HOME)


def settings_of(keys: Mapping[str, str], **others: object) -> Settings:
    """The settings with `keys` as in `.env`, and others by their fields' names."""
    return read_settings(**{key.lower(): value for key, value in keys.items()}, **others)
