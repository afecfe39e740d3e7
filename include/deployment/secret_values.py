"""Fills the secrets that Terraform made empty: what can be generated is, what only a person knows is asked for.

A secret that has a value keeps it, so that the command can be run again; to change one, see docs/production.md.
"""

import base64
import secrets
from collections.abc import Mapping
from typing import Any

from include.embedded.settings import read_stack_settings

# What only the team knows: secret -> what it holds.
GIVEN = {
    "smtp": "the connection to the mail server, as AIRFLOW_CONN_SMTP_DEFAULT has it (docs/alerts.md)",
    "user-passwords": "first passwords, lines name=password",
    "alert-urls": "addresses of chat channels for apprise, or a single space for none",
}


def make_values(database_host: str, broker_host: str, airflow_address: str) -> dict[str, str]:
    """Every secret that can be generated, by name.

    Args:
        database_host: Host of the Postgres server.
        broker_host: Host of the broker, reached by TLS.
        airflow_address: Where programs of the cluster reach the API server: http://host:port.
    """
    settings = read_stack_settings()

    def database(name: str) -> str:
        return f"postgresql://{name}:{secrets.token_urlsafe(24)}@{database_host}:5432/{name}"

    automation = secrets.token_urlsafe(24)
    sqlalchemy = {
        name: database(role).replace("postgresql://", "postgresql+psycopg2://", 1)
        for name, role in (
            ("airflow-database", settings.airflow_database),
            ("mlflow-database", settings.mlflow_database),
        )
    }
    return sqlalchemy | {
        "warehouse": database(settings.warehouse_database),
        "broker": f"rediss://{broker_host}:6379/0?ssl_cert_reqs=required",
        "fernet-key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        # 64 characters, as many bytes as HMAC with SHA-512 asks for.
        "jwt-secret": secrets.token_urlsafe(48),
        "api-secret-key": secrets.token_urlsafe(48),
        "automation-password": automation,
        "airflow-api": airflow_address.replace("://", f"://automation:{automation}@", 1) + "/http",
        "mlflow-reader-password": secrets.token_urlsafe(24),
        "mlflow-writer-password": secrets.token_urlsafe(24),
        "serving-api-key": secrets.token_urlsafe(24),
        "serving-webhook-secret": secrets.token_urlsafe(24),
    }


def fill(manager: Any, prefix: str, values: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Gives each secret below `prefix` that has no value its own.

    Args:
        manager: boto3's client of Secrets Manager.
        prefix: First part of the names, such as mltrain-staging.
        values: Secret -> value.

    Returns:
        The secrets that were filled, and those that are still empty.
    """
    empty = [name for name in (*values, *GIVEN) if not _has_value(manager, f"{prefix}/{name}")]
    # These two hold the same password: either both are new, or neither is.
    together = {"automation-password", "airflow-api"}
    if together & set(empty):
        empty += [name for name in together if name not in empty]
    filled = [name for name in empty if values.get(name)]
    for name in filled:
        manager.put_secret_value(SecretId=f"{prefix}/{name}", SecretString=values[name])
    return filled, [name for name in empty if name not in filled]


def _has_value(manager: Any, name: str) -> bool:
    return any(
        "AWSCURRENT" in stages
        for stages in manager.describe_secret(SecretId=name).get("VersionIdsToStages", {}).values()
    )
