"""A team's stack in containers: a checkout of the project with settings of its own, started by scripts/start.sh."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from include.embedded.commands.airflow_api import Run
from include.team.users import read_passwords
from tests.conftest import ROOT, find_free_port
from tests.containers.engine import Engine
from tests.e2e.conftest import SMALL, Bench
from tests.team.compose_file import LISTENS, read_settings
from tests.waiting import wait_until

# Tuning on two workers.
SCALE = ("--scale", "worker-cpu=2")
# A lost worker is noticed soon enough for a test.
OVERRIDE = """
services:
  scheduler:
    environment: {AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT: "30"}
"""
# The previous release looks at the health of a program only 30 to 60 s after its start, while others wait for it.
SOONER = "    healthcheck: &soon {interval: 10s}\n" + "".join(
    f"  {service}: {{healthcheck: *soon}}\n"
    for service in ("mlflow", "api-server", "dag-processor", "triggerer", "worker-default", "worker-cpu", "serving")
)
# What two stacks may not share, as a person might write it.
OWN_SETTINGS = """
AIRFLOW_PORT="{airflow}"
MLFLOW_PORT = {mlflow}
MAILPIT_PORT={mailpit} # the page of mail
export SERVING_PORTS='{serving}-{next_serving}'
COMPOSE_PROJECT_NAME={name}
IMAGE_TAG='{name}' # an image each
"""


@dataclass
class TeamStack:
    """A project's directory and what runs from it.

    Attributes:
        name: Compose's name of the project.
        project: The checkout.
        own_settings: What it may not share with another stack, as lines of `.env`.
        original_settings: `.env` as it was checked out, with these lines.
        started: What scripts/start.sh printed at the first start.
    """

    engine: Engine
    name: str
    project: Path
    own_settings: str = ""
    original_settings: str = ""
    started: str = ""

    @classmethod
    def lay_out(cls, engine: Engine, name: str, revision: str = "") -> "TeamStack":
        """A new checkout, see `check_out`, with ports of its own."""
        stack = cls(engine, name, engine.directory / f"project {name}")
        ports = {key: find_free_port() for key in ("airflow", "mlflow", "mailpit")}
        serving = find_adjacent_ports()
        stack.own_settings = OWN_SETTINGS.format(**ports, serving=serving, next_serving=serving + 1, name=name)
        stack.check_out(revision)
        return stack

    def check_out(self, revision: str = "") -> None:
        """Takes a revision's files, or those that Git knows as they are now; secrets stay."""
        self.project.mkdir(exist_ok=True)
        for path in self.project.iterdir():
            if path.is_dir() and path.name != "secrets":
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()
        if revision:
            archive = subprocess.run(["git", "archive", revision], cwd=ROOT, check=True, capture_output=True).stdout
            subprocess.run(["tar", "--extract"], cwd=self.project, input=archive, check=True)
        else:
            known = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
            names = subprocess.run(known, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
            for name in names:
                if (ROOT / name).is_file():
                    (self.project / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(ROOT / name, self.project / name)
        (self.project / "docker-compose.override.yaml").write_text(OVERRIDE + (SOONER if revision else ""))
        self.original_settings = (self.project / ".env").read_text() + self.own_settings
        self.write_settings()

    def write_settings(self, **settings: Any) -> None:
        """Settings over those of the project; the file stays the one that containers have mounted."""
        lines = [f"{key.upper()}={value}\n" for key, value in {**SMALL, **settings}.items()]
        with (self.project / ".env").open("w") as file:
            file.write(self.original_settings + "".join(lines))

    def start(self) -> str:
        """Runs scripts/start.sh, and returns what it prints."""
        return self._run("bash", "scripts/start.sh", *SCALE)

    def compose(self, *arguments: str) -> str:
        """What `docker compose` prints in this project."""
        return self._run("docker", "compose", *arguments)

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.project, env=self.engine.environment, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}{self._report()}"
        return done.stdout

    def _report(self) -> str:
        """What the containers that are not well say."""
        lines = []
        for container in self.containers().values():
            state = container["State"]
            if state.get("Health", {}).get("Status", "healthy") != "healthy" or state["ExitCode"]:
                lines.append(f"{container['Name']}: {state}\n{self.engine.run('logs', '--tail=30', container['Id'])}")
        return "\n".join(lines)

    def containers(self) -> dict[str, dict]:
        """Container -> what the engine says of it."""
        ids = self.engine.run(
            "ps", "--all", "--quiet", f"--filter=label=com.docker.compose.project={self.name}"
        ).split()
        return {entry["Name"].strip("/").removeprefix(f"{self.name}-"): entry for entry in self.engine.inspect(*ids)}

    def networks(self) -> set[str]:
        """The ids of the networks that its containers are in."""
        entries = [entry["NetworkSettings"]["Networks"].values() for entry in self.containers().values()]
        return {network["NetworkID"] for networks in entries for network in networks}

    def is_healthy(self) -> bool:
        """Whether everything that has a health check passes it."""
        states = [entry["State"] for entry in self.containers().values()]
        return all(state["Health"]["Status"] == "healthy" for state in states if "Health" in state)

    def port(self, container: str) -> int:
        """Where this machine reaches what a container publishes."""
        [inside] = [port for service, port in LISTENS.items() if container.startswith(f"{service}-")]
        [published] = self.containers()[container]["NetworkSettings"]["Ports"][f"{inside}/tcp"]
        return int(published["HostPort"])

    def address(self, container: str) -> str:
        """The same as an address."""
        return f"http://127.0.0.1:{self.port(container)}"

    def secret(self, name: str) -> str:
        """One of the generated secrets."""
        return (self.project / "secrets" / name).read_text().strip()

    @cached_property
    def passwords(self) -> dict[str, str]:
        """User -> first password."""
        return read_passwords(self.secret("user_passwords"))

    @property
    def warehouse_url(self) -> str:
        """The warehouse, at the address that its container has on this machine; no port of it is published."""
        name = read_settings()["WAREHOUSE_DATABASE"]
        networks = self.containers()["postgres-1"]["NetworkSettings"]["Networks"]
        host = networks[f"{self.name}_serving-postgres"]["IPAddress"]
        return f"postgresql://{name}:{self.secret('warehouse_password')}@{host}/{name}"

    @contextmanager
    def log_in(self, user: str, password: str | None = None) -> Iterator[httpx.Client]:
        """A client of Airflow's API as one of its users."""
        login = {"username": user, "password": password or self.passwords[user]}
        with httpx.Client(base_url=self.address("api-server-1"), timeout=60, trust_env=False) as api:
            token = api.post("/auth/token", json=login).raise_for_status().json()["access_token"]
            api.headers["Authorization"] = f"Bearer {token}"
            yield api

    def ask(self, container: str, path: str, **body: Any) -> dict[str, Any]:
        """What one of the prediction services answers."""
        key = {"X-API-Key": self.secret("serving_api_key")}
        answer = httpx.post(f"{self.address(container)}/{path}", headers=key, timeout=60, trust_env=False, **body)
        return answer.raise_for_status().json()

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Keeps all containers from doing anything, so that another stack has the machine for itself."""
        self.compose("pause")
        try:
            yield
        finally:
            self.compose("unpause")

    @contextmanager
    def cut_off(self, container: str) -> Iterator[None]:
        """Lets nothing into a container or out of it, as when its cable is pulled."""
        pid = self.containers()[container]["State"]["Pid"]

        def set_policy(policy: str) -> None:
            for chain in ("INPUT", "OUTPUT"):
                command = ["nsenter", f"--target={pid}", "--net", "iptables", "--policy", chain, policy]
                subprocess.run(command, check=True, capture_output=True)

        set_policy("DROP")
        try:
            yield
        finally:
            set_policy("ACCEPT")


def find_adjacent_ports() -> int:
    """The first of two free ports, one after the other."""
    first, second = find_free_port(), find_free_port()
    while second != first + 1:
        first, second = second, find_free_port()
    return first


class TeamBench(Bench):
    """What the end-to-end tests do with a stack, with one in containers."""

    stack: TeamStack  # type: ignore[assignment]

    def configure(self, **settings: Any) -> None:
        """Settings that hold from the next task on."""
        self.stack.write_settings(**settings)

    def run_main_job(self, **settings: Any) -> list[Run]:
        """From a set that nobody has seen to judged models: the training runs."""
        self.use_new_data(**settings)
        _, runs = self.prepare()
        for run in runs:
            self.wait(run)
            for promotion in self.runs_after(run, "model_promotion"):
                self.wait(promotion)
        return runs

    def get(self, path: str, **params: Any) -> Any:
        """The answer of Airflow's API, which may be away for a while."""
        wait_until(self._answers, "Airflow's API answers")
        return super().get(path, **params)

    def _answers(self) -> bool:
        try:
            return self.api.get("/api/v2/version").is_success
        except httpx.TransportError:
            return False


def trials_of(bench: Bench, run: Run) -> dict[str, list[tuple[int, float]]]:
    """Model -> number and error of each trial, by number: which is stored first is up to the workers."""
    rows = bench.query(
        "SELECT model, number, loss FROM training.trials WHERE run_key = %s ORDER BY number",
        f"{run.dag_id}/{run.run_id}",
    )
    found: dict[str, list[tuple[int, float]]] = {}
    for model, number, loss in rows:
        found.setdefault(model, []).append((number, loss))
    return found
