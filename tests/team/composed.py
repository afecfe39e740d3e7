"""docker-compose.yaml as plain processes: the same commands, environments and health checks, translated by rule.

Service names become 127.0.0.1, ports become free ones, and what is mounted becomes a directory below one sandbox. Where
the machine allows it (root, namespaces), each program of our own image also has a host name of its own, and may write
to nothing but what the file mounts for writing. Not carried over: accounts, capabilities, process and network
namespaces, and the images' own file systems.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from include.configuration.env_file import read_env_file
from tests.waiting import MOST_SECONDS

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yaml"
DOCKERFILE = ROOT / "Dockerfile"
# What each service listens on inside of its container.
LISTENS = {"postgres": 5432, "broker": 6379, "mlflow": 5000, "api-server": 8080, "serving": 8100, "mailpit": 1025}
# What our image holds, and what others' images say of themselves.
IMAGE_PATHS = {"/opt/venv": sys.prefix, "/opt/mltrain": str(ROOT)}
IMAGE_ENVIRONMENTS = {"postgres": {"PGDATA": "/var/lib/postgresql/18/docker"}}
CAN_ISOLATE = (
    os.geteuid() == 0
    and subprocess.run(["unshare", "--mount", "--uts", "true"], check=False, capture_output=True).returncode == 0
)
# Arguments: host name, then directories to write to, "--" and the program.
ISOLATE = """
hostname "$1"; shift
while [ "$1" != -- ]; do mount --bind "$1" "$1"; shift; done; shift
mount -o remount,bind,ro /
exec "$@"
"""


def read_settings() -> dict[str, str]:
    """What compose takes from `.env`."""
    return dict(read_env_file(ROOT / ".env", {}).values)


def interpolate(text: str, values: Mapping[str, str]) -> str:
    """Replaces `${KEY}` and `${KEY:-default}` from the inside out; a key that is not there is an error."""

    def replace(found: re.Match[str]) -> str:
        key, default = found[1], found[2]
        return values.get(key) or default[2:] if default is not None else values[key]

    place = re.compile(r"(?<!\$)\$\{(\w+)(:-[^{}]*)?\}")
    while place.search(text):
        text = place.sub(replace, text)
    return text


def load_compose(values: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The file as compose sees it."""
    return yaml.safe_load(interpolate(COMPOSE.read_text(encoding="utf-8"), values or read_settings()))


def read_image() -> tuple[dict[str, str], list[str]]:
    """Environment and entry point of the image's last stage."""
    text = re.sub(r"\\\n\s*", "", DOCKERFILE.read_text(encoding="utf-8")).rpartition("\nFROM ")[2]
    [variables] = re.findall(r"^ENV (.*)$", text, re.MULTILINE)
    [entry] = re.findall(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)
    # A build argument that nobody gives is empty.
    pairs = [re.sub(r"\$\{\w+\}", "", pair).split("=", 1) for pair in variables.split()]
    return dict(pairs), json.loads(entry)


@dataclass(frozen=True)
class Container:
    """One container as a process.

    Attributes:
        name: Service and number, `worker-cpu-2`; also its host name.
        writable: Directories that it may write to.
    """

    name: str
    service: str
    command: list[str]
    environment: dict[str, str] = field(repr=False)
    health: list[str]
    writable: list[Path]
    isolated: bool

    def wrap(self, command: list[str]) -> list[str]:
        """The command with the container's host name and its mounts."""
        if not self.isolated:
            return command
        isolate = ["unshare", "--mount", "--uts", "sh", "-ec", ISOLATE, "sh", self.name]
        return [*isolate, *map(str, self.writable), "--", *command]

    def find_problem(self) -> str | None:
        """What its health check says; none when it is healthy."""
        done = subprocess.run(
            self.wrap(self.health),
            check=False,
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=MOST_SECONDS,
        )
        return None if done.returncode == 0 else done.stderr.strip() or done.stdout.strip() or f"{done.returncode}"


@dataclass(frozen=True)
class Composed:
    """The translation.

    Attributes:
        sandbox: Below it, volumes, secrets and what containers keep for themselves.
        secrets: Directory with the secrets that scripts/start.sh generated.
        ports: Container -> the port that it listens on here; of a service with replicas, the first.
        programs: Directory of third parties' programs, in front of the PATH.
        given: Variables of the environment that a test sets otherwise than the file.
    """

    sandbox: Path
    secrets: Path
    ports: dict[str, int]
    programs: str
    given: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def file(self) -> dict[str, Any]:
        """The parsed file."""
        return load_compose()

    def order(self) -> Iterator[str]:
        """Services without a profile, each after those that it depends on."""
        services = {name: entry for name, entry in self.file["services"].items() if "profiles" not in entry}
        done: list[str] = []
        while len(done) < len(services):
            ready = [
                name
                for name, entry in services.items()
                if name not in done and all(other in done for other in entry.get("depends_on", ()))
            ]
            assert ready, "the services wait for each other"
            done += ready
            yield from ready

    def translate(self, service: str, number: int = 1) -> Container:
        """One replica of a service."""
        name, entry = f"{service}-{number}", self.file["services"][service]
        is_ours, image, entry_point = "build" in entry, *read_image()
        environment = {key: str(value) for key, value in entry.get("environment", {}).items()}
        from_image = image if is_ours else IMAGE_ENVIRONMENTS.get(service, {})
        environment = {**from_image, **environment, **(self.given if is_ours else {})}
        paths, writable = self._place(name, entry)
        command, test = (
            list(entry.get("command", [])),
            list(entry["healthcheck"]["test"]) if "healthcheck" in entry else [],
        )
        health = ["sh", "-c", *test[1:]] if test[:1] == ["CMD-SHELL"] else test[1:]

        known = "|".join(re.escape(path) for path in sorted(paths, key=len, reverse=True))

        def here(text: str) -> str:
            text = re.sub(rf"(?<![\w.-])(?:{known})(?![\w-])", lambda found: paths[found[0]], text)
            for other, port in LISTENS.items():
                names = rf"{other}|localhost|0\.0\.0\.0" if other == service else other
                mine = name if other == service else other
                text = re.sub(rf"(?<![\w.-])(?:{names}):{port}\b", f"127.0.0.1:{self.ports[mine]}", text)
            text = text.replace("0.0.0.0", "127.0.0.1").replace("$$", "$")
            if service in LISTENS:
                text = re.sub(rf"(?<!\d){LISTENS[service]}(?!\d)", str(self.ports[name]), text)
            return text

        environment = {key: here(value) for key, value in environment.items()}
        path = environment.get("PATH", "").replace(":$PATH", "").replace("$PATH", "")
        environment["PATH"] = ":".join(filter(None, [path, self.programs, os.environ["PATH"]]))
        environment |= {
            "SECRETS_DIRECTORY": paths["/run/secrets"],
            "HOME": str(self.sandbox),
            "TMPDIR": str(writable[0]),
            "PGPORT": str(self.ports["postgres"]),
        }
        return Container(
            name,
            service,
            [here(part) for part in ([*entry_point, *command] if is_ours else command)],
            environment,
            [here(part) for part in health],
            writable,
            is_ours,
        )

    def _place(self, name: str, entry: dict[str, Any]) -> tuple[dict[str, str], list[Path]]:
        """Path in the container -> path here, and which directories may be written to."""
        own = self.sandbox / "containers" / name
        paths, writable = {**IMAGE_PATHS, "/tmp": str(own / "tmp")}, [own / "tmp"]
        for mount in entry.get("tmpfs", ()):
            target = mount.split(":")[0]
            if target != "/tmp":
                paths[target] = str(own / target.strip("/"))
                writable.append(Path(paths[target]))
        for mount in entry.get("volumes", ()):
            source, target, *mode = mount.split(":")
            if not source.startswith("."):
                paths[target] = str(self.sandbox / "volumes" / source)
                writable += [] if mode == ["ro"] else [Path(paths[target])]
        for directory in writable:
            directory.mkdir(parents=True, exist_ok=True)
        secrets = own / "secrets"
        secrets.mkdir(exist_ok=True)
        for secret in entry.get("secrets", ()):
            (secrets / secret).write_text((self.secrets / secret).read_text())
        return {**paths, "/run/secrets": str(secrets)}, writable
