"""Which code a run names."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from include.tracking import lineage
from include.tracking.lineage import find_commit

Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """Gives commands to a repository with one commit, which is the code's own here."""
    monkeypatch.delenv("GIT_COMMIT", raising=False)
    monkeypatch.setattr(lineage, "ROOT", tmp_path)

    def run(*arguments: str) -> str:
        identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    run("init", "--quiet")
    (tmp_path / "code.py").write_text("a = 1\n")
    run("add", "code.py")
    run("commit", "--quiet", "--message", "Begin")
    return run


@pytest.mark.parametrize("tag", [None, "v0.2.0"])
def test_commit_is_named_by_its_hash_whatever_its_tags(git: Git, tag: str | None) -> None:
    if tag:
        git("tag", "--annotate", tag, "--message", tag)
    assert find_commit() == git("rev-parse", "HEAD")


def test_code_that_was_changed_since_says_so(git: Git, tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("a = 2\n")
    assert find_commit() == f"{git('rev-parse', 'HEAD')}-dirty"


def test_code_without_a_repository_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GIT_COMMIT", raising=False)
    monkeypatch.setattr(lineage, "ROOT", tmp_path)
    assert find_commit() == "unknown"
