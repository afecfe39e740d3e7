"""A small stack of real programs, and directories that another user can and cannot reach."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.embedded.lifecycle import reset, start
from include.embedded.settings import STACK_KEYS
from include.embedded.stack import Stack

SMALL = ("postgres", "mail")


@pytest.fixture(autouse=True)
def _no_settings_from_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in STACK_KEYS:
        monkeypatch.delenv(key, raising=False)


@pytest.fixture
def open_home() -> Iterator[Path]:
    """A home that every user of the machine can pass through."""
    directory = Path(tempfile.mkdtemp(prefix="mltrain-test-"))
    directory.chmod(0o755)
    yield directory / "home"
    reset(directory / "home")
    shutil.rmtree(directory)


@pytest.fixture
def closed_home(tmp_path: Path) -> Iterator[Path]:
    """A home below a directory that only its owner can enter; the name has what configuration files stumble over."""
    directory = tmp_path / "50% of it; a #1 'home'"
    directory.mkdir(mode=0o700)
    yield directory / "home"
    reset(directory / "home")


@pytest.fixture(scope="module")
def small_stack() -> Iterator[Stack]:
    """Postgres and the mail sink, running."""
    directory = Path(tempfile.mkdtemp(prefix="mltrain-test-"))
    directory.chmod(0o755)
    yield start(directory / "home", SMALL, say=lambda line: None)
    reset(directory / "home")
    shutil.rmtree(directory)
