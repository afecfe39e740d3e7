"""The embedded Postgres server, on its own."""

import os
import pwd
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from include.embedded.errors import StackError
from include.embedded.programs import postgres
from include.embedded.stack import Stack

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to hand the server to another account")


def test_cluster_is_created_once(open_home: Path) -> None:
    open_home.mkdir()
    server = postgres.place_server(open_home)
    assert postgres.initialise(server, "secret")
    assert not postgres.initialise(server, "secret")


def test_interrupted_creation_leaves_no_cluster_and_is_done_again(open_home: Path) -> None:
    open_home.mkdir()
    server = postgres.place_server(open_home)
    server.data.with_name("data.unfinished").mkdir()
    (server.data.with_name("data.unfinished") / "half").touch()
    assert postgres.initialise(server, "secret")
    assert (server.data / "PG_VERSION").exists()


def test_password_is_in_no_file_after_creation(open_home: Path) -> None:
    open_home.mkdir()
    server = postgres.place_server(open_home)
    postgres.initialise(server, "secret")
    assert [path.name for path in server.data.parent.iterdir()] == ["data"]


def test_cluster_of_another_major_version_is_refused_with_what_to_do(open_home: Path) -> None:
    open_home.mkdir()
    server = postgres.place_server(open_home)
    server.data.mkdir()
    (server.data / "PG_VERSION").write_text("9\n")
    # Nothing is deleted before it is saved.
    steps = r"`make up`.*`make backup TO=.*with the previous release.*`make reset`.*`make restore FROM=.*with this one"
    with pytest.raises(StackError, match=steps):
        postgres.initialise(server, "secret")


@pytest.mark.parametrize(
    ("address", "is_own"),
    [
        ("postgresql://db/rides?sslmode=verify-full", True),
        ("host=db sslmode=require", True),
        ("postgresql://db/rides?sslmode=prefer", False),
        ("postgresql://db/rides", False),
    ],
)
def test_program_of_the_machine_is_used_for_a_server_that_must_be_asked_by_tls(
    address: str, is_own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "pg_dump"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Path(postgres.find_client("pg_dump", address)) != own
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    assert (Path(postgres.find_client("pg_dump", address)) == own) == is_own


@NEEDS_ROOT
def test_server_goes_elsewhere_when_its_account_cannot_reach_the_home(closed_home: Path) -> None:
    closed_home.mkdir()
    server = postgres.place_server(closed_home)
    assert server.data.parent == postgres.shared_directory(closed_home)
    assert postgres.initialise(server, "secret")


@NEEDS_ROOT
def test_directory_of_another_user_is_refused(closed_home: Path) -> None:
    closed_home.mkdir()
    shared = postgres.shared_directory(closed_home)
    shared.mkdir()
    os.chown(shared, 12345, 12345)
    with pytest.raises(StackError, match="does not belong to"):
        postgres.place_server(closed_home)


@pytest.mark.parametrize(
    ("url", "address", "password"),
    [
        ("postgresql://ann:p%40ss@db.example/shop", "postgresql://ann@db.example/shop", "p@ss"),
        ("postgresql://db.example:5432/shop", "postgresql://db.example:5432/shop", None),
        (
            "postgresql://ann:secret@db.example/shop?sslmode=verify-full&options=-c%20jit%3Doff",
            "postgresql://ann@db.example/shop?sslmode=verify-full&options=-c%20jit%3Doff",
            "secret",
        ),
        ("postgres://ann@/shop?host=db.example&password=p%26ss", "postgresql://ann@db.example/shop", "p&ss"),
    ],
)
def test_password_is_split_off_an_address_and_nothing_else(url: str, address: str, password: str | None) -> None:
    found, variables = postgres.split_password(url)
    assert conninfo_to_dict(found) == conninfo_to_dict(address)
    assert variables == ({"PGPASSWORD": password} if password else {})


def test_secret_that_only_a_command_line_could_hand_on_is_refused() -> None:
    with pytest.raises(StackError, match="has sslpassword in it") as raised:
        postgres.split_password("postgresql://ann:secret@db.example/shop?sslpassword=hidden")
    assert "hidden" not in str(raised.value)


def test_server_runs_under_an_account_without_rights(small_stack: Stack) -> None:
    account = small_stack.server.account or pwd.getpwuid(os.geteuid()).pw_name
    assert pwd.getpwnam(account).pw_uid != 0
    assert small_stack.server.data.owner() == account


def test_server_is_durable_and_listens_on_the_loopback_address_alone(small_stack: Stack) -> None:
    with psycopg.connect(small_stack.admin_url) as connection:
        shown: dict[str, str] = dict(connection.execute("SELECT name, setting FROM pg_settings").fetchall())
    assert shown["fsync"] == shown["synchronous_commit"] == shown["full_page_writes"] == "on"
    assert shown["listen_addresses"] == "127.0.0.1"
    assert int(shown["server_version_num"]) >= 180000


def test_wrong_password_is_refused(small_stack: Stack) -> None:
    wrong = small_stack.admin_url.replace(small_stack.credentials.postgres_password, "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_role_of_one_database_cannot_enter_another(small_stack: Stack) -> None:
    other = small_stack.warehouse_url.rpartition("/")[0] + "/" + small_stack.settings.airflow_database
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(other)


def test_warehouse_is_migrated_when_the_stack_is_up(small_stack: Stack) -> None:
    with psycopg.connect(small_stack.warehouse_url) as connection:
        assert connection.execute("SELECT count(*) FROM raw.rows").fetchone() == (0,)
