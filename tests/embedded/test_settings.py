"""The tracked `.env` against the settings that the code knows."""

import pytest

from include.configuration.env_file import read_env_file
from include.configuration.layers import ENV_FILE, SettingsModel
from include.embedded.settings import StackSettings
from include.settings import Settings
from include.settings.team import TeamSettings

CLASSES = (Settings, StackSettings, TeamSettings)


@pytest.mark.parametrize("settings", CLASSES)
def test_env_file_says_what_holds_without_it(settings: type[SettingsModel]) -> None:
    values = {key.lower(): value for key, value in read_env_file(ENV_FILE, {}).values.items()}
    given = {name: values[name] for name in settings.model_fields if name != "warehouse_url" or values[name]}
    assert settings(**given) == settings()
