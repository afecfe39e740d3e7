"""The Dockerfile: linted, and its steps run in a clean directory.

Each stage has directories of its own in the place of those that its steps write to (/opt, /home, /etc, ...), the
machine's Python stands for that of the base image, and what is downloaded comes from uv's cache where that has it.
"""

import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.team.composed import CAN_ISOLATE, DOCKERFILE, ROOT, read_image

HADOLINT = Path(sys.executable).with_name("hadolint")
# Written to by the steps; each becomes a directory of the stage's own.
DIRECTORIES = ("opt", "home", "etc", "var/lib", "var/log")
MOUNT = 'root=$1; shift; for place in $1; do mount --bind "$root/$place" "/$place"; done; shift; exec "$@"'
# The image's Python is open to all accounts; the one that stands for it may be below the caller's home, which is not.
OPEN_PYTHON = """
mkdir -p /opt/base; mount --bind "$1" /opt/base
case "$1" in "$2"/*) mount -t tmpfs -o mode=755 tmpfs "$2"; mkdir -p "$1"; mount --bind /opt/base "$1";; esac
shift 2; exec "$@"
"""
# Only how long a step takes: downloads of this account are used again.
QUICK = {
    "UV_LINK_MODE": "hardlink",
    "UV_COMPILE_BYTECODE": "0",
    "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
}
IMPORT_PARTS = """
import os, airflow.providers.fab, celery, mlflow, redis, include.serving.app, include.team.worker
print(os.getuid())
"""
INSTRUCTION = re.compile(r"^([A-Z]+) ((?:.*\\\n)*.*)$", re.MULTILINE)


def read_stages() -> dict[str, list[tuple[str, str]]]:
    """Name -> instructions of each stage; the last one is `image`."""
    stages: dict[str, list[tuple[str, str]]] = {}
    for instruction, rest in INSTRUCTION.findall(DOCKERFILE.read_text()):
        if instruction == "FROM":
            name = rest.partition(" AS ")[2] or "image"
            stages[name] = []
        stages[name].append((instruction, re.sub(r"\\\n\s*", "", rest)))
    return stages


def is_sent(path: Path) -> bool:
    """Whether .dockerignore lets a file of the repository through to the engine; the last rule that fits decides."""
    sent, parts = True, path.parts
    prefixes = ["/".join(parts[: length + 1]) for length in range(len(parts))]
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        pattern = rule.removeprefix("!").replace("**/", "*")
        if any(fnmatch(prefix, pattern) for prefix in prefixes):
            sent = rule.startswith("!")
    return sent


def copy_sent(source: str, target: Path) -> None:
    """COPY: a file, or a directory's contents, as far as .dockerignore lets them through."""
    if (ROOT / source).is_file():
        assert is_sent(Path(source)), f".dockerignore keeps {source} back"
        shutil.copy(ROOT / source, target / source if target.is_dir() else target)
        return
    for path in sorted((ROOT / source).rglob("*")):
        if path.is_file() and is_sent(path.relative_to(ROOT)):
            copy = target / path.relative_to(ROOT / source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)


class Build:
    """The stages' directories, in which the steps run one after the other."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def root(self, stage: str) -> Path:
        """Where a stage's directories are."""
        return self.directory / stage

    def run(self, stage: str, command: list[str], environment: dict[str, str], place: str = "/") -> str:
        """Runs a command with the stage's directories in place."""
        mounts = ["unshare", "--mount", "sh", "-ec", MOUNT, "sh", str(self.root(stage)), " ".join(DIRECTORIES)]
        inside = ["sh", "-ec", f'cd {place}; exec "$@"', "sh", *command]
        path = f"{self.directory / 'base' / 'bin'}:{os.environ['PATH']}"
        # The machine's own variables say how it reaches the registry of packages.
        machine = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}
        given = {**machine, "PATH": path, **environment, **QUICK}
        given["PATH"] = given["PATH"].replace("$PATH", path)
        done = subprocess.run([*mounts, *inside], env=given, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def make(self, stage: str, instructions: list[tuple[str, str]]) -> None:
        """Runs the steps of a stage."""
        environment: dict[str, str] = {}
        place = "/"
        for directory in DIRECTORIES:
            (self.root(stage) / directory).mkdir(parents=True)
        shutil.copytree("/etc", self.root(stage) / "etc", dirs_exist_ok=True, symlinks=True)
        for instruction, rest in instructions:
            if instruction == "ARG" and "=" in rest:
                environment |= dict([rest.split("=", 1)])
            elif instruction == "ENV" and stage != "image":
                environment |= dict(pair.split("=", 1) for pair in rest.split())
            elif instruction == "WORKDIR":
                place = rest
                (self.root(stage) / rest.strip("/")).mkdir(parents=True, exist_ok=True)
            elif instruction == "COPY":
                self.copy(stage, rest.split(), place)
            elif instruction == "RUN":
                self.run(stage, ["sh", "-ec", re.sub(r"--mount=\S+\s+", "", rest)], environment, place)

    def copy(self, stage: str, words: list[str], place: str) -> None:
        """COPY from the repository or from another stage."""
        *sources, target = [word for word in words if not word.startswith("--")]
        to = self.root(stage) / os.path.join(place, target).strip("/")  # noqa: PTH118, an absolute target wins
        if words[0].startswith("--from="):
            other = self.root(words[0].removeprefix("--from=")) / sources[0].strip("/")
            shutil.copytree(other, to, symlinks=True, copy_function=os.link)
            return
        for source in sources:
            copy_sent(source, to)


def test_linter_finds_nothing() -> None:
    done = subprocess.run([HADOLINT, "--no-color", DOCKERFILE], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_base_is_pinned_and_the_account_is_not_root() -> None:
    for stage in read_stages().values():
        assert re.match(r"python:\d+\.\d+\.\d+-slim-bookworm\b", dict(stage)["FROM"])
    assert dict(read_stages()["image"])["USER"] == "50000:50000"


def test_uv_is_the_release_that_the_makefile_installs() -> None:
    [wanted] = re.findall(r"^UV_VERSION := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert f"ARG UV_VERSION={wanted}\n" in DOCKERFILE.read_text()


def test_neither_secrets_nor_data_nor_history_are_sent_to_the_engine() -> None:
    kept_back = ["secrets/jwt_secret", ".git/config", ".local/secrets.env", ".venv/bin/python", "tests/conftest.py"]
    assert not [path for path in kept_back if is_sent(Path(path))]
    assert not is_sent(Path("include/sets/__pycache__/x.pyc"))
    assert is_sent(Path("include/settings/__init__.py"))


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    if not CAN_ISOLATE:
        pytest.skip("the steps write to directories of the system: they need root and a mount namespace")
    directory = tmp_path_factory.mktemp("image")
    subprocess.run([sys.executable, "-m", "venv", directory / "base"], check=True)
    made = Build(directory)
    for stage, instructions in read_stages().items():
        made.make(stage, instructions)
    return made


@pytest.mark.slow
def test_image_starts_airflow_and_its_parts_without_root(build: Build) -> None:
    environment, entry = read_image()
    as_account = ["setpriv", "--reuid=50000", "--regid=50000", "--clear-groups", "--no-new-privs"]
    opened = ["sh", "-ec", OPEN_PYTHON, "sh", sys.base_prefix, str(Path.home())]
    command = [*opened, *as_account, *entry, "python", "-c", IMPORT_PARTS]
    printed = build.run("image", command, {**environment, "HOME": "/home/mltrain"}, "/opt/mltrain")
    assert printed.split()[-1] == "50000"


@pytest.mark.slow
def test_image_holds_the_code_and_nothing_that_is_only_for_development(build: Build) -> None:
    held = {path.name for path in (build.root("image") / "opt" / "mltrain").iterdir()}
    assert held == {".airflowignore", ".env", "dags", "include", "plugins"}
    installed = {path.name for path in (build.root("image") / "opt/venv").glob("lib/python*/site-packages/*")}
    assert {"celery", "redis", "xgboost"} <= installed
    assert not {"pytest", "mypy", "moto", "nvidia"} & installed
