"""The people of a team in Airflow's FAB auth manager: created from the settings, with the roles named there."""

from collections.abc import Mapping
from typing import Any

from werkzeug.security import check_password_hash

from include.settings.team import AUTOMATION


def save_users(roles: Mapping[str, str], passwords: Mapping[str, str]) -> list[str]:
    """Creates missing users, and gives each user the configured role.

    A person's password is set once: anyone who changed it in the web UI keeps theirs. That of the tasks is always the
    one in its secret. Users that are not named stay as they are.

    Args:
        roles: User -> role: Admin, Op, User or Viewer.
        passwords: User -> first password; for `AUTOMATION` the password.

    Returns:
        What was done, one line per user.
    """
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        manager = builder.sm
        return [_save(manager, name, role, passwords[name]) for name, role in roles.items()]


def _save(manager: Any, name: str, role_name: str, password: str) -> str:
    role, user = manager.find_role(role_name), manager.find_user(username=name)
    if user is None:
        manager.add_user(name, name, "", f"{name}@localhost", role, password=password)
        return f"{name} was created as {role_name}"
    if name == AUTOMATION and not check_password_hash(user.password, password):
        manager.reset_password(user.id, password)
        return f"{name} has a new password"
    if user.roles != [role]:
        user.roles = [role]
        manager.update_user(user)
        return f"{name} is {role_name} from now on"
    return f"{name} is {role_name}"


def read_passwords(text: str) -> dict[str, str]:
    """User -> password, from lines `name=password`."""
    lines = (line.strip() for line in text.splitlines())
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
