"""The databases' administrator of a managed server, who is no superuser."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from include.embedded.programs.postgres import create_database
from include.settings import ROOT

SERVICES = (ROOT / "deploy" / "terraform" / "aws" / "services.tf").read_text(encoding="utf-8")


@pytest.fixture
def administrator(postgres_url: str) -> Iterator[str]:
    """Address of a login with the rights that RDS gives its administrator."""
    server = urlsplit(postgres_url)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE managed LOGIN CREATEDB CREATEROLE PASSWORD 'secret'")
        yield f"postgresql://managed:secret@{server.hostname}:{server.port}/postgres"
        connection.execute("DROP DATABASE IF EXISTS owned")
        connection.execute("DROP ROLE IF EXISTS owned")
        connection.execute("DROP ROLE managed")


def test_databases_get_their_owners_by_the_address_that_the_migrations_are_given(administrator: str) -> None:
    found = re.search(r"[?&](options=[^\"&]+)", SERVICES)
    assert found
    create_database(f"{administrator}?{found[1]}", "owned", "owned", "secret")
    with psycopg.connect(administrator.replace("managed", "owned").replace("/postgres", "/owned")) as connection:
        connection.execute("CREATE TABLE kept (number int)")


def test_databases_would_not_get_their_owners_without_the_option(administrator: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        create_database(administrator, "owned", "owned", "secret")
