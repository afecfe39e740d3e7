"""Who may log in, and what containers are called, as `.env` says it."""

import pytest

from include.errors import SettingsError
from include.settings.team import read_team_settings


def test_people_are_read_with_their_roles() -> None:
    assert read_team_settings({"TEAM_USERS": "ann:Admin, bob:Viewer,"}).team_users == {"ann": "Admin", "bob": "Viewer"}


@pytest.mark.parametrize("users", ["ann:Boss", "ann", "a b:Op", ":Op"])
def test_role_that_there_is_not_is_refused_by_name(users: str) -> None:
    with pytest.raises(SettingsError, match=f"'{users}' is not name:role; roles are Admin, Op, User, Viewer"):
        read_team_settings({"TEAM_USERS": users})


def test_nobody_but_the_administrator_is_a_team_too() -> None:
    assert read_team_settings({"TEAM_USERS": ""}).team_users == {}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("TEAM_USERS", "ann:Op,ann:Admin", "'ann' is given twice, as Op and as Admin"),
        ("TEAM_USERS", "automation:Op", "the login of the tasks"),
        ("SERVING_PORTS", "8100-", "not a range of ports; write it as 8100-8101"),
        ("SERVING_PORTS", "8101-8100", "not a range of ports"),
        ("MAILPIT_PORT", "0", "greater than or equal to 1"),
        ("CPU_WORKER_TASKS", "0", "greater than or equal to 1"),
        ("AIRFLOW_ADDRESS", "airflow.example.org", "write https://airflow.example.org"),
        ("IMAGE_TAG", "a tag", "cannot be an image tag"),
    ],
)
def test_value_that_containers_could_not_use_is_refused_by_its_key(key: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError, match=rf"{key} \(.*\): .*{message}"):
        read_team_settings({key: value})
