"""Every setting of the domain, read once and handed on as one frozen object.

Nothing here is secret: addresses with passwords reach the domain as arguments.
"""

from include.configuration.layers import HOME, ROOT
from include.settings.domain import DEFAULT_PROBLEM, Settings
from include.settings.reading import (
    NEAR,
    SETTING_KEYS,
    build_settings,
    gather_settings,
    known_keys,
    read_settings,
    read_usable_settings,
)

__all__ = [
    "DEFAULT_PROBLEM",
    "HOME",
    "NEAR",
    "ROOT",
    "SETTING_KEYS",
    "Settings",
    "build_settings",
    "gather_settings",
    "known_keys",
    "read_settings",
    "read_usable_settings",
]
