"""A stack of the benchmark's own, and settings for it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from include.embedded.environment import tracking_environment
from include.embedded.lifecycle import reset, start
from include.embedded.programs.table import PROGRAMS
from include.embedded.stack import Stack
from include.settings import HOME, Settings, read_settings
from include.tracking_server.routes import WRITER


@contextmanager
def running_stack(names: tuple[str, ...] = PROGRAMS) -> Iterator[Stack]:
    """The programs `names`, running, their warehouse migrated and empty; nothing is left of them afterwards."""
    try:
        stack = start(HOME, names, say=lambda line: None)
        # For this process, which keeps trials and models as tasks do.
        os.environ |= tracking_environment(stack, WRITER)
        yield stack
    finally:
        reset(HOME)


def settings_of(keys: Mapping[str, str], **others: object) -> Settings:
    """The settings with `keys` as in `.env`, and others by their fields' names."""
    return read_settings(**{key.lower(): value for key, value in keys.items()}, **others)
