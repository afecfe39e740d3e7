"""The tracked `.env` against the settings that the code knows."""

import os

import pytest
from pydantic_settings import BaseSettings

from include.embedded.settings import StackSettings
from include.taxi.settings import ROOT, Settings
from include.team.settings import TeamSettings

CLASSES = (Settings, StackSettings, TeamSettings)


@pytest.mark.parametrize("settings", CLASSES)
def test_env_file_says_what_holds_without_it(settings: type[BaseSettings], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.model_fields:
        for key in {name, name.upper()} & os.environ.keys():
            monkeypatch.delenv(key)
    from_file = settings(_env_file=ROOT / ".env")
    assert from_file == settings(_env_file=None)
