"""A container engine of the tests' own: its daemon, data and socket are theirs, and nothing of it is left at the end.

It needs root and `dockerd` (Debian: `apt install docker.io debootstrap`). Where Docker's compose plugin is missing or
too old for scripts/start.sh, Debian's package of it is unpacked beside the data.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests.waiting import wait_until

PROGRAMS = ("dockerd", "docker", "debootstrap", "iptables-save", "apt-get", "dpkg-deb")
PLUGINS = Path("/usr/libexec/docker/cli-plugins")
# The previous release asks compose for its environment, which Debian 13's cannot say.
OLDEST_COMPOSE = (2, 40)
DEBIAN = "http://deb.debian.org/debian"
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
# A release of Debian whose compose is new enough.
PLUGIN_RELEASE, PLUGIN_PACKAGES = "forky", ("docker-compose", "docker-buildx")
# Out of the way of the networks that an engine of the machine's own would choose.
BRIDGE, POOL = "10.213.0.1/24", "10.214.0.0/16"
SECONDS_TO_STOP = 60
DELETED_AT_ONCE = 8


class EngineMissing(Exception):
    """There is no engine to be had here."""


@dataclass(frozen=True)
class Engine:
    """A running daemon.

    Attributes:
        directory: Where it keeps everything; gone when it has stopped.
    """

    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        """What programs need to reach this engine and no other."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "DOCKER_HOST": f"unix://{self.directory}/engine.sock",
            "DOCKER_CONFIG": str(self.directory / "config"),
        }

    def run(self, *arguments: str) -> str:
        """What a `docker` command prints; one that fails is an error."""
        done = subprocess.run(["docker", *arguments], env=self.environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"docker {' '.join(arguments)}: {(done.stdout + done.stderr)[-4000:]}"
        return done.stdout

    def inspect(self, *names: str) -> list[dict]:
        """What the engine says of containers, images, networks or volumes."""
        return json.loads(self.run("inspect", *names)) if names else []


@contextmanager
def run_engine() -> Iterator[Engine]:
    """Starts a daemon; at the end, its containers, networks, rules of the firewall and files are removed.

    Raises:
        EngineMissing: The machine does not allow it.
    """
    if os.geteuid() != 0:
        raise EngineMissing("a container engine needs root")
    if missing := [program for program in PROGRAMS if not shutil.which(program)]:
        raise EngineMissing(f"{', '.join(missing)}: not installed (Debian: apt install docker.io debootstrap)")
    if not _is_reachable():
        raise EngineMissing(f"base images are made of Debian's packages, and {DEBIAN} cannot be reached")
    # Not in /tmp, which may be in memory.
    directory = Path(tempfile.mkdtemp(prefix="mltrain-engine-", dir="/var/tmp"))
    directory.chmod(0o755)
    firewall = subprocess.run(["iptables-save"], check=True, capture_output=True).stdout
    engine = Engine(directory)
    try:
        _provide_plugins(engine)
        with _run_daemon(engine):
            yield engine
    finally:
        subprocess.run(["iptables-restore"], input=firewall, check=False)
        _unmount(directory)
        _delete(directory)


@contextmanager
def _run_daemon(engine: Engine) -> Iterator[None]:
    options = {
        "hosts": [engine.environment["DOCKER_HOST"]],
        "data-root": str(engine.directory / "data"),
        "exec-root": str(engine.directory / "run"),
        "pidfile": str(engine.directory / "pid"),
        "bip": BRIDGE,
        "default-address-pools": [{"base": POOL, "size": 24}],
        "features": {"buildkit": True},
    }
    (engine.directory / "daemon.json").write_text(json.dumps(options))
    log = engine.directory / "log"
    with log.open("wb") as output:
        daemon = psutil.Popen(
            ["dockerd", f"--config-file={engine.directory / 'daemon.json'}"], stdout=output, stderr=output
        )

    def answers() -> bool:
        if daemon.poll() is not None:
            raise EngineMissing(f"dockerd does not start: {log.read_text()[-1000:]}")
        asked = subprocess.run(["docker", "info"], env=engine.environment, check=False, capture_output=True)
        return asked.returncode == 0

    try:
        wait_until(answers, "the engine answers")
        yield
    finally:
        bridges = ["docker0"]
        try:
            if daemon.poll() is None:
                bridges += [f"br-{network}" for network in _ids(engine, "network", "ls", "--filter=type=custom")]
                _remove_containers(engine)
        finally:
            family = daemon.children(recursive=True) if daemon.is_running() else []
            with suppress(psutil.NoSuchProcess):
                daemon.terminate()
            _, left = psutil.wait_procs([daemon, *family], timeout=SECONDS_TO_STOP)
            for process in left:
                process.kill()
            # By the kernel: an engine may hold on to a network of which it has just removed the containers.
            for bridge in bridges:
                subprocess.run(["ip", "link", "delete", bridge], check=False, capture_output=True)


def _remove_containers(engine: Engine) -> None:
    """All of them; the images and volumes go with the directory."""
    if found := _ids(engine, "ps", "--all"):
        engine.run("rm", "--force", *found)


def _ids(engine: Engine, *listing: str) -> list[str]:
    return engine.run(*listing, "--quiet").split()


def _unmount(directory: Path) -> None:
    """What a daemon that was killed has left mounted, the innermost first."""
    mounted = [part.mountpoint for part in psutil.disk_partitions(all=True)]
    for mountpoint in reversed(mounted):
        if Path(mountpoint).is_relative_to(directory):
            subprocess.run(["umount", "--lazy", mountpoint], check=False, capture_output=True)


def _delete(directory: Path) -> None:
    """Layers of images are hundreds of thousands of files: disks find several at once sooner than one after another."""
    layers = [path for path in (directory / "data" / "overlay2").glob("*") if path.is_dir()]
    with ThreadPoolExecutor(DELETED_AT_ONCE) as pool:
        pool.map(_delete_one, layers)
    _delete_one(directory)


def _delete_one(directory: Path) -> None:
    subprocess.run(["rm", "-rf", directory], check=False)


def _provide_plugins(engine: Engine) -> None:
    config = engine.directory / "config"
    config.mkdir()
    version = subprocess.run(
        ["docker", "compose", "version", "--short"], env=engine.environment, check=False, capture_output=True, text=True
    ).stdout
    if tuple(map(int, re.findall(r"\d+", version)[:2])) >= OLDEST_COMPOSE:
        return
    state, unpacked = engine.directory / "apt", engine.directory / "plugins"
    (state / "lists" / "partial").mkdir(parents=True)
    (state / "status").touch()
    (state / "sources.list").write_text(f"deb [signed-by={KEYS}] {DEBIAN} {PLUGIN_RELEASE} main\n")
    options = {
        "Dir::Etc::SourceList": state / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State": state,
        "Dir::State::Status": state / "status",
        "Dir::Cache": state,
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "--quiet", *(f"--option={key}={value}" for key, value in options.items())]
    for command in ([*apt, "update"], [*apt, "download", *PLUGIN_PACKAGES]):
        done = subprocess.run(command, cwd=state, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    for package in state.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", package, unpacked], check=True)
    (config / "cli-plugins").symlink_to(unpacked / PLUGINS.relative_to("/"))


def _is_reachable() -> bool:
    try:
        return httpx.head(f"{DEBIAN}/dists/{PLUGIN_RELEASE}/Release", timeout=30).is_success
    except httpx.HTTPError:
        return False
