"""Containers as processes: started, looked at, killed and stopped as Docker would."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.conftest import find_binaries, find_free_port
from tests.team.composed import LISTENS, ROOT, Composed, Container
from tests.waiting import MOST_SECONDS, SECONDS_BETWEEN_LOOKS

# `docker compose up --scale worker-cpu=2`: tuning on two workers.
REPLICAS = {"worker-cpu": 2, "serving": 2}
SECONDS_TO_STOP = 60


@dataclass
class Containers:
    """The stack, running."""

    composed: Composed
    running: dict[str, Container] = field(default_factory=dict)
    processes: dict[str, psutil.Popen] = field(default_factory=dict)

    def start(self, service: str) -> None:
        """Starts all replicas of a service; one that is to end is waited for."""
        for number in range(1, REPLICAS.get(service, 1) + 1):
            container = self.composed.translate(service, number)
            account = find_account() if service == "postgres" else {}
            with self.log(container.name).open("ab") as log:
                self.processes[container.name] = psutil.Popen(
                    container.wrap(container.command),
                    env=container.environment,
                    cwd=ROOT,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    **account,
                )
            self.running[container.name] = container
        if service == "migrations":
            status = self.processes["migrations-1"].wait(timeout=MOST_SECONDS)
            assert status == 0, self.log("migrations-1").read_text()

    def wait(self, service: str) -> None:
        """Waits until all replicas of a service are healthy."""
        deadline = time.monotonic() + MOST_SECONDS
        for name, container in self.running.items():
            while container.service == service and container.health and (problem := container.find_problem()):
                alive = self.processes[name].is_running() and self.processes[name].poll() is None
                message = f"{name}: {problem}\n{self.log(name).read_text()[-4000:]}"
                assert alive and time.monotonic() < deadline, message
                time.sleep(SECONDS_BETWEEN_LOOKS)

    def log(self, name: str) -> Path:
        """What a container printed."""
        return self.composed.sandbox / "containers" / f"{name}.log"

    def address(self, name: str) -> str:
        """Where a container answers."""
        return f"http://127.0.0.1:{self.composed.ports[name]}"

    def secret(self, name: str) -> str:
        """One of the secrets."""
        return (self.composed.secrets / name).read_text().strip()

    def kill(self, name: str) -> None:
        """Ends a container as `docker kill` does: every process at once, none can clean up."""
        process = self.processes[name]
        for victim in [*process.children(recursive=True), process]:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        process.wait()

    def stop(self) -> None:
        """Ends everything, whatever it started included; Postgres last."""
        names = [name for name in reversed(self.processes) if name != "postgres-1"]
        for group, how in ((names, signal.SIGTERM), (["postgres-1"], signal.SIGINT)):
            found = [self.processes[name] for name in group if name in self.processes]
            family = [child for process in found if process.is_running() for child in process.children(recursive=True)]
            for process in found:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(how)
            _, left = psutil.wait_procs([*found, *family], timeout=SECONDS_TO_STOP)
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()


def find_account() -> dict[str, object]:
    """Postgres refuses to run as root; its image has an account of its own, as this machine has."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def find_programs(directory: Path) -> str:
    """A PATH with what the other images bring: Postgres, and Valkey or the Redis that it was forked from."""
    directory.mkdir()
    for name, stand_in in (("valkey-server", "redis-server"), ("valkey-cli", "redis-cli")):
        found = shutil.which(name) or shutil.which(stand_in)
        if not found:
            pytest.skip(f"neither {name} nor {stand_in} is installed (Debian: apt install redis-server)")
        (directory / name).symlink_to(found)
    return f"{directory}:{find_binaries()}"


def choose_ports() -> dict[str, int]:
    """A free port for each container that listens; a service's name stands for its first replica."""
    names = [f"{service}-{number}" for service in LISTENS for number in range(1, REPLICAS.get(service, 1) + 1)]
    ports = {name: find_free_port() for name in names}
    return ports | {name.removesuffix("-1"): port for name, port in ports.items() if name.endswith("-1")}


def prepare_cluster(container: Container, password: Path) -> None:
    """What the entry point of the Postgres image does at its first start."""
    data = Path(container.environment["PGDATA"])
    account = find_account()
    data.mkdir(parents=True)
    copy = data.parent / "password"
    copy.write_text(password.read_text())
    if account:
        for path in (data, copy):
            os.chown(path, account["user"], account["group"])  # type: ignore[arg-type]
    options = container.environment["POSTGRES_INITDB_ARGS"].split()
    command = ["initdb", f"--pgdata={data}", "--username=postgres", f"--pwfile={copy}", "--no-sync", *options]
    done = subprocess.run(command, env=container.environment, cwd="/", capture_output=True, text=True, **account)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    copy.unlink()
