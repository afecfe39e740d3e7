"""Settings of a team's stack, from the tracked `.env` that docker-compose.yaml takes its values from too."""

import os
import re
from collections.abc import Mapping
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from include.configuration.layers import ENV_FILE, SettingsModel, build, gather
from include.configuration.values import PERSON

# The login of the connection `airflow_api`, by which tasks start runs and write notes.
AUTOMATION = "automation"
ROLES = ("Admin", "Op", "User", "Viewer")
PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
MOST_PORT = 65535


def _read_users(value: object) -> object:
    """`name:role` pairs as name -> role."""
    if not isinstance(value, str):
        return value
    users: dict[str, str] = {}
    for pair in filter(None, (pair.strip() for pair in value.split(","))):
        name, _, role = pair.partition(":")
        if role not in ROLES or not PERSON.fullmatch(name):
            raise ValueError(f"'{pair}' is not name:role; roles are {', '.join(ROLES)}")
        if name == AUTOMATION:
            raise ValueError(f"'{AUTOMATION}' is the login of the tasks; choose another name")
        if users.setdefault(name, role) != role:
            raise ValueError(f"'{name}' is given twice, as {users[name]} and as {role}")
    return users


def _check_ports(text: str) -> str:
    found = PORTS.fullmatch(text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= first <= last <= MOST_PORT:
        raise ValueError(f"'{text}' is not a range of ports; write it as 8100-8101")
    return text


def _check_address(text: str) -> str:
    if text and not (urlsplit(text).scheme in ("http", "https") and urlsplit(text).hostname):
        raise ValueError(
            f"'{text}' is not an address for a browser; write https://airflow.example.org, or leave it empty"
        )
    return text


def _check_tag(text: str) -> str:
    if not TAG.fullmatch(text):
        raise ValueError(f"'{text}' cannot be an image tag; write letters, digits and _ . -")
    return text


class TeamSettings(SettingsModel):
    """What the containers are called and allowed; field `team_users` is `TEAM_USERS` of `.env`."""

    SECTIONS: ClassVar[Mapping[str, str]] = {
        "team_users": "Team server (with the ports, databases and administrator above)",
    }

    team_users: Annotated[dict[str, str], BeforeValidator(_read_users)] = Field(
        default={"operator": "Op", "analyst": "User", "guest": "Viewer"}
    )
    """People who may log in besides `ADMIN_USER`, as name:role, separated by commas. Roles are Admin, Op, User and
    Viewer. First passwords are generated in `secrets/user_passwords`. Removing a name here does not delete the account;
    an administrator has to do that.
    """
    airflow_address: Annotated[str, AfterValidator(_check_address)] = ""
    """Address at which people reach Airflow, for links in mails. Empty: `http://localhost` with `AIRFLOW_PORT`."""
    serving_ports: Annotated[str, AfterValidator(_check_ports)] = "8100-8101"
    """Ports of the two prediction services, as a range."""
    mailpit_port: int = Field(default=8025, ge=1, le=MOST_PORT)
    """Port of the page that shows sent mail."""
    cpu_worker_tasks: int = Field(default=2, ge=1, le=1_024)
    """Maximum number of tasks that a tuning worker runs at the same time."""
    default_worker_tasks: int = Field(default=4, ge=1, le=1_024)
    """Maximum number of tasks that the worker for all other tasks runs at the same time."""
    image_tag: Annotated[str, AfterValidator(_check_tag)] = "local"
    """Tag of the image that is built."""


TEAM_KEYS = frozenset(name.upper() for name in TeamSettings.model_fields)


def read_team_settings(environment: Mapping[str, str] = os.environ) -> TeamSettings:
    """Reads the team's settings anew.

    Raises:
        SettingsError: A value cannot be used; the message names each key and what is wrong with it.
    """
    return build(TeamSettings, gather(TeamSettings.model_fields, (ENV_FILE,), environment), {})
