"""scripts/start.sh with an engine that only writes down what it is asked."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from include.configuration.env_file import read_env_file
from tests.team.compose_file import ROOT

# Programs that Git Bash has as well; no Python among them.
DOCKER = r"""#!/bin/sh
echo "$COMPOSE_PROFILES|$GIT_COMMIT|$*" >> "$DOCKER_LOG"
# The shell fills in a variable or its default by the rules of compose.
case "$*" in *" config") . "$DOCKER_LOG.settings"; eval "cat <<END
$(cat)
END" | sed -n 's/^\([A-Z_]*\): \(.*\),$/      \1: \2/p';; esac
case " $* " in *" $DOCKER_REFUSES "*) exit 1;; esac
"""


def lay_out(directory: Path) -> Path:
    """A copy of the files that the script needs, and the engine; returns the directory."""
    (directory / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "start.sh", directory / "scripts")
    shutil.copy(ROOT / ".env", directory)
    (directory / "bin").mkdir()
    (directory / "bin" / "docker").write_text(DOCKER)
    (directory / "bin" / "docker").chmod(0o755)
    return directory


def run_script(
    directory: Path, *arguments: str, shell: str = 'exec bash "$@"', **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs the script in such a copy; `shell` is the command that a shell starts it with."""
    path = f"{directory / 'bin'}:{os.environ['PATH']}"
    given = {"PATH": path, "DOCKER_LOG": str(directory / "docker.log"), **environment}
    # What compose would answer: the file by its rules, and the shell's variables over it.
    settings = {**read_env_file(directory / ".env", environment).values, **environment}
    lines = [f"{key}={shlex.quote(value)}\n" for key, value in sorted(settings.items()) if key != "PATH"]
    (directory / "docker.log.settings").write_text("".join(lines))
    command = ["bash", "-c", shell, "bash", str(directory / "scripts" / "start.sh"), *arguments]
    return subprocess.run(command, env=given, cwd="/", check=False, capture_output=True, text=True)


def read_calls(directory: Path) -> list[list[str]]:
    """What the engine was asked: profiles, commit and arguments of each call."""
    return [line.split("|") for line in (directory / "docker.log").read_text().splitlines()]
