"""The tracked `.env` against the settings that the code knows."""

import pytest

from include.configuration.env_file import read_env_file
from include.configuration.layers import ENV_FILE, SettingsModel
from include.embedded.settings import StackSettings, split_warehouse
from include.settings import Settings
from include.settings.team import TeamSettings

CLASSES = (Settings, StackSettings, TeamSettings)


@pytest.mark.parametrize("settings", CLASSES)
def test_env_file_says_what_holds_without_it(settings: type[SettingsModel]) -> None:
    values = {key.lower(): value for key, value in read_env_file(ENV_FILE, {}).values.items()}
    given = {name: values[name] for name in settings.model_fields if name != "warehouse_url" or values[name]}
    assert settings(**given) == settings()


@pytest.mark.parametrize(
    ("database", "base", "problem"),
    [
        ("warehouse", "warehouse", "taxi"),
        ("warehouse_rents", "warehouse", "rents"),
        ("warehouse_gone", "warehouse", "gone"),
        ("other", "other", "taxi"),
        ("other_rents", "other", "rents"),
        ("my_taxi", "my_taxi", "taxi"),
    ],
)
def test_problem_of_a_running_stack_is_told_by_the_name_of_its_warehouse(
    database: str, base: str, problem: str
) -> None:
    assert split_warehouse(database, "warehouse", ["churn", "rents", "taxi"]) == (base, problem)
