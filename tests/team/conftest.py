"""The stack of docker-compose.yaml as processes, started once in the order and with the health checks of the file."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from include.team.users import read_passwords
from tests.conftest import find_free_port
from tests.e2e.conftest import Bench
from tests.team.composed import CAN_ISOLATE, ROOT, Composed, read_settings
from tests.team.running import Containers, choose_ports, find_programs, prepare_cluster
from tests.team.starting import lay_out, run_script

# A lost worker is noticed soon enough for a test.
GIVEN = {"AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20"}


@dataclass(frozen=True)
class Place:
    """What the bench of the end-to-end tests asks of a stack."""

    home: Path
    warehouse_url: str


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Path]:
    """A directory that all accounts can pass through, outside of /tmp, which each container has of its own."""
    directory = Path(tempfile.mkdtemp(prefix="mltrain-team-", dir="/var/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def mail(sandbox: Path) -> Iterator[tuple[int, Path]]:
    """Port and directory of the mail sink, which stands for Mailpit: its program is not to be had as a package."""
    port, directory = find_free_port(), sandbox / "mail"
    command = [sys.executable, "-m", "include.embedded.programs.mail_sink", str(port), str(directory)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        yield port, directory
        process.terminate()


@pytest.fixture(scope="module")
def containers(sandbox: Path, mail: tuple[int, Path]) -> Iterator[Containers]:
    """Everything, healthy."""
    if not CAN_ISOLATE:
        pytest.skip("workers that tell each other apart need host names of their own: root and namespaces")
    programs = find_programs(sandbox / "programs")
    project = lay_out(sandbox / "project")
    run_script(project)
    secrets = project / "secrets"
    (secrets / "smtp_connection").chmod(0o600)
    (secrets / "smtp_connection").write_text(
        (secrets / "smtp_connection").read_text().replace('"mailpit"', '"127.0.0.1"').replace("1025", str(mail[0]))
    )
    composed = Composed(sandbox, secrets, choose_ports(), programs, GIVEN)
    stack = Containers(composed)
    (sandbox / "volumes" / "state").mkdir(parents=True)
    Bench(Place(sandbox / "volumes" / "state", ""), httpx.Client()).configure()  # type: ignore[arg-type]
    prepare_cluster(composed.translate("postgres"), secrets / "postgres_password")
    services = [service for service in composed.order() if service != "mailpit"]
    try:
        for service in services:
            for other in composed.file["services"][service].get("depends_on", ()):
                stack.wait(other)
            stack.start(service)
        for service in services:
            stack.wait(service)
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def passwords(containers: Containers) -> dict[str, str]:
    """User -> password."""
    return read_passwords(containers.secret("user_passwords"))


@contextmanager
def log_in(containers: Containers, user: str, password: str) -> Iterator[httpx.Client]:
    """A client of Airflow's API as one of its users."""
    login = {"username": user, "password": password}
    with httpx.Client(base_url=containers.address("api-server"), timeout=60, trust_env=False) as api:
        token = api.post("/auth/token", json=login).raise_for_status().json()["access_token"]
        api.headers["Authorization"] = f"Bearer {token}"
        yield api


@pytest.fixture(scope="module")
def bench(containers: Containers, passwords: dict[str, str]) -> Iterator[Bench]:
    """What the end-to-end tests do with a stack, with this one."""
    name = read_settings()["WAREHOUSE_DATABASE"]
    login = f"{name}:{containers.secret('warehouse_password')}"
    url = f"postgresql://{login}@127.0.0.1:{containers.composed.ports['postgres']}/{name}"
    with log_in(containers, "admin", passwords["admin"]) as api:
        yield Bench(Place(containers.composed.sandbox / "volumes" / "state", url), api)  # type: ignore[arg-type]
