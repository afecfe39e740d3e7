"""The Dockerfile: linted, pinned, without root. tests/containers builds it."""

import re
import subprocess
import sys
from pathlib import Path

from tests.team.compose_file import DOCKERFILE, ROOT

HADOLINT = Path(sys.executable).with_name("hadolint")


def test_linter_finds_nothing() -> None:
    done = subprocess.run([HADOLINT, "--no-color", DOCKERFILE], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_bases_are_pinned_and_the_last_account_is_not_root() -> None:
    text = DOCKERFILE.read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert bases
    assert all(re.fullmatch(r"python:\d+\.\d+\.\d+-slim-bookworm", base) for base in bases)
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE)[-1] == "50000:50000"


def test_uv_is_the_release_that_the_makefile_installs() -> None:
    [wanted] = re.findall(r"^UV_VERSION := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert f"ARG UV_VERSION={wanted}\n" in DOCKERFILE.read_text()
