"""Settings of a team's stack, from the tracked `.env` that docker-compose.yaml takes its values from too."""

from typing import Annotated

from pydantic import BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from include.taxi.settings import ROOT

ROLES = ("Admin", "Op", "User", "Viewer")


def _read_users(value: object) -> object:
    """`name:role` pairs as name -> role."""
    if not isinstance(value, str):
        return value
    pairs = [pair.strip() for pair in value.split(",") if pair.strip()]
    users = dict(pair.partition(":")[::2] for pair in pairs)
    for name, role in users.items():
        if role not in ROLES:
            raise ValueError(f"'{name}:{role}' is not name:role; roles are {', '.join(ROLES)}")
    return users


class TeamSettings(BaseSettings):
    """What the containers are called and allowed; field `team_users` is `TEAM_USERS` of `.env`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_file=ROOT / ".env", env_file_encoding="utf-8")

    team_users: Annotated[dict[str, str], NoDecode, BeforeValidator(_read_users)] = {
        "operator": "Op",
        "analyst": "User",
        "guest": "Viewer",
    }
    airflow_address: str = ""
    serving_ports: str = "8100-8101"
    mailpit_port: int = 8025
    cpu_worker_tasks: int = 2
    default_worker_tasks: int = 4
    image_tag: str = "local"


TEAM_KEYS = frozenset(name.upper() for name in TeamSettings.model_fields)
