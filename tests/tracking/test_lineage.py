"""Which code a run names."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from include.settings import ROOT
from include.tracking import lineage
from include.tracking.lineage import UNCOMMITTED, find_commit

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
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "code.py").write_text("a = 1\n")
    run("add", "include")
    run("commit", "--quiet", "--message", "Begin")
    return run


@pytest.fixture
def started(tmp_path: Path) -> Callable[[], str]:
    """The commit that scripts/start.sh finds in the same repository."""
    lines = (ROOT / "scripts" / "start.sh").read_text()
    function = lines[lines.index("find_commit() {") :].partition("\n}\n")[0] + "\n}\n"

    def find() -> str:
        return subprocess.check_output(["bash", "-c", f"{function}find_commit"], cwd=tmp_path, text=True).strip()

    return find


@pytest.mark.parametrize("tag", [None, "v0.2.0"])
def test_commit_is_named_by_its_hash_whatever_its_tags(git: Git, tag: str | None) -> None:
    if tag:
        git("tag", "--annotate", tag, "--message", tag)
    assert find_commit() == git("rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("path", "is_uncommitted"),
    [
        ("include/code.py", True),
        ("include/problems/mine/features.py", True),
        ("include/problems/mine/problem.toml", False),
        ("requirements.txt", True),
        (".env", False),
        ("notes.md", False),
    ],
)
def test_code_that_differs_from_its_commit_says_so(
    git: Git, tmp_path: Path, path: str, is_uncommitted: bool, started: Callable[[], str]
) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text("a = 2\n")
    assert find_commit() == git("rev-parse", "HEAD") + UNCOMMITTED * is_uncommitted
    assert started() == find_commit()


def test_code_without_a_repository_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GIT_COMMIT", raising=False)
    monkeypatch.setattr(lineage, "ROOT", tmp_path)
    assert find_commit() == "unknown"
