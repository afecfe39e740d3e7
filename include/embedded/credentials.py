"""Secrets of one stack: generated at its first start, kept in a file that only its owner can read."""

import base64
import os
import secrets
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from include.embedded.places import KEYS


def _password() -> str:
    return secrets.token_urlsafe(24)


def _signing_key() -> str:
    # 64 characters: HMAC with SHA-512, which signs Airflow's tokens, asks for as many bytes as it returns.
    return secrets.token_urlsafe(48)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True)
class Credentials:
    """Passwords and signing keys; field `admin_password` is the line `ADMIN_PASSWORD=` of the file."""

    admin_password: str = field(default_factory=_password, repr=False)
    postgres_password: str = field(default_factory=_password, repr=False)
    airflow_database_password: str = field(default_factory=_password, repr=False)
    mlflow_database_password: str = field(default_factory=_password, repr=False)
    warehouse_password: str = field(default_factory=_password, repr=False)
    mlflow_reader_password: str = field(default_factory=_password, repr=False)
    mlflow_writer_password: str = field(default_factory=_password, repr=False)
    fernet_key: str = field(default_factory=_fernet_key, repr=False)
    jwt_secret: str = field(default_factory=_signing_key, repr=False)
    api_secret_key: str = field(default_factory=_password, repr=False)
    supervisor_password: str = field(default_factory=_password, repr=False)
    serving_api_key: str = field(default_factory=_password, repr=False)
    serving_webhook_secret: str = field(default_factory=_password, repr=False)


def write_private(path: Path, text: str) -> None:
    """Replaces `path` by `text` in one step, readable and writable by its owner alone."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


def read_credentials(home: Path) -> Credentials:
    """The credentials of the stack in `home`; missing ones are generated and added to the file."""
    path = home / KEYS
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    known = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    names = [entry.name for entry in fields(Credentials)]
    credentials = Credentials(**{name: known[name.upper()] for name in names if known.get(name.upper())})
    text = "".join(f"{name.upper()}={value}\n" for name, value in asdict(credentials).items())
    if not path.exists() or len(known) < len(names):
        write_private(path, "# Generated at the first start; do not edit while the stack is running.\n" + text)
    return credentials
