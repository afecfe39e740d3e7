"""docker-compose.yaml as compose reads it, with the settings of `.env`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from include.configuration.env_file import read_env_file

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yaml"
DOCKERFILE = ROOT / "Dockerfile"
# What each service listens on inside of its container.
LISTENS = {
    "postgres": 5432, "broker": 6379, "mlflow": 5000, "api-server": 8080, "serving": 8100, "mailpit": 1025,
    "dask-scheduler": 8786,
}  # fmt: skip


def read_settings() -> dict[str, str]:
    """What compose takes from `.env`."""
    return dict(read_env_file(ROOT / ".env", {}).values)


def interpolate(text: str, values: Mapping[str, str]) -> str:
    """Replaces `${KEY}` and `${KEY:-default}` from the inside out; a key that is not there is an error."""

    def replace(found: re.Match[str]) -> str:
        key, default = found[1], found[2]
        return values.get(key) or default[2:] if default is not None else values[key]

    place = re.compile(r"(?<!\$)\$\{(\w+)(:-[^{}]*)?\}")
    while place.search(text):
        text = place.sub(replace, text)
    return text


def load_compose(values: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The file as compose sees it."""
    return yaml.safe_load(interpolate(COMPOSE.read_text(encoding="utf-8"), values or read_settings()))
