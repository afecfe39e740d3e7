"""The secrets of an environment, on moto's server."""

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet

from include.deployment.places import VARIABLES, read_environment
from include.deployment.secret_values import GIVEN, fill, make_values
from tests.deployment.conftest import Cloud

PREFIX = "mltrain-test"


@pytest.fixture
def manager(cloud: Cloud) -> Iterator[Any]:
    manager = cloud.client("secretsmanager")
    names = [f"{PREFIX}/{name}" for name in (*make(), *GIVEN)]
    for name in names:
        manager.create_secret(Name=name)
    yield manager
    for name in names:
        manager.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def make() -> dict[str, str]:
    return make_values("database.internal", "broker.internal", "http://api-server.internal:8080")


def read(manager: Any, name: str) -> str:
    return manager.get_secret_value(SecretId=f"{PREFIX}/{name}")["SecretString"]


def test_what_can_be_generated_is_and_the_rest_is_named(manager: Any) -> None:
    filled, empty = fill(manager, PREFIX, make())
    assert set(filled) == set(make())
    assert empty == list(GIVEN)


def test_value_stays_when_the_command_is_run_again(manager: Any) -> None:
    fill(manager, PREFIX, make())
    before = read(manager, "fernet-key")
    manager.put_secret_value(SecretId=f"{PREFIX}/smtp", SecretString="{}")
    filled, empty = fill(manager, PREFIX, make())
    assert not filled
    assert "smtp" not in empty
    assert read(manager, "fernet-key") == before


def test_automation_logs_in_with_the_password_that_it_is_created_with(manager: Any) -> None:
    manager.put_secret_value(SecretId=f"{PREFIX}/airflow-api", SecretString="http://former")
    fill(manager, PREFIX, make())
    assert f"automation:{read(manager, 'automation-password')}@api-server.internal:8080" in read(manager, "airflow-api")


def test_values_are_what_their_readers_take() -> None:
    values = make()
    Fernet(values["fernet-key"])
    assert len(values["jwt-secret"]) >= 64, "HMAC with SHA-512 asks for as many"
    names = {"airflow": "airflow-database", "warehouse": "warehouse", "mlflow": "mlflow-database"}
    places = read_environment({VARIABLES[database]: values[secret] for database, secret in names.items()})
    assert all(url.startswith("postgresql://") for url in places.databases.values())
    assert len({url.partition("@")[0] for url in places.databases.values()}) == 3


def test_two_environments_share_no_secret() -> None:
    assert not {value for name, value in make().items() if name != "broker"} & set(make().values())
