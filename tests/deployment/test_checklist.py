"""The checklist before the first deployment."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from include.deployment.checklist import LOOKS_OF, Finding, review
from include.settings import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with the deployment's files, committed, without a remote."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    shutil.copy(ROOT / ".env", tmp_path)
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def git(directory: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    subprocess.run(["git", *identity, "-C", str(directory), *arguments], check=True, capture_output=True)


def commit(directory: Path) -> None:
    git(directory, "add", "--force", "--all")
    git(directory, "commit", "--quiet", "--message", "x")


def find(findings: list[Finding], word: str) -> Finding:
    found = [finding for finding in findings if word in finding.what]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("target", LOOKS_OF)
def test_checkout_as_it_is_published_is_not_ready(checkout: Path, target: str) -> None:
    findings = review(checkout, target)
    assert "push" in (find(findings, "pushed").problem or "")
    assert "SOURCE is the synthetic sample" in (find(findings, "settings").problem or "")


def test_copied_example_is_told_from_variables_of_ones_own(checkout: Path) -> None:
    directory = checkout / "deploy" / "terraform" / "aws"
    example = directory / "staging.tfvars.example"
    assert "copy" in (find(review(checkout, "ecs"), "staging's").problem or "")
    shutil.copy(example, directory / "staging.tfvars")
    assert "placeholders" in (find(review(checkout, "ecs"), "staging's").problem or "")
    text = example.read_text().replace("example.org", "taxi.nyc").replace("example/", "taxi/")
    text = text.replace("123456789012", "555555555555").replace("0" * 64, "ab" * 32).replace("203.0.113", "198.51.100")
    (directory / "staging.tfvars").write_text(text)
    assert find(review(checkout, "ecs"), "staging's").problem is None


def test_every_placeholder_of_the_charts_values_is_named_by_its_line(checkout: Path) -> None:
    problem = find(review(checkout, "helm"), "chart").problem or ""
    lines = (checkout / "deploy" / "helm" / "values.yaml").read_text().splitlines()
    for number, line in enumerate(lines, 1):
        if "REPLACE" in line and not line.startswith("#"):
            assert f" {number}" in problem


def test_settings_are_those_of_production_when_they_were_changed(checkout: Path) -> None:
    env = checkout / ".env"
    env.write_text(env.read_text().replace("\nSOURCE=\n", "\nSOURCE=tlc\n").replace("@localhost", "@taxi.nyc"))
    assert find(review(checkout, "ecs"), "settings").problem is None
    assert "uncommitted changes" in (find(review(checkout, "ecs"), "pushed").problem or "")


def test_pushed_commit_is_ready(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    remote = tmp_path_factory.mktemp("remote")
    git(remote, "init", "--quiet", "--bare")
    git(checkout, "remote", "add", "origin", str(remote))
    git(checkout, "push", "--quiet", "origin", "HEAD")
    assert find(review(checkout, "ecs"), "pushed").problem is None


def test_missing_program_is_named(checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    git_program = shutil.which("git")
    assert git_program
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(git_program)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find(review(checkout, "helm"), "kubectl").problem == "not installed: helm, kubectl"


def test_each_workflow_of_the_delivery_is_missed(checkout: Path) -> None:
    assert find(review(checkout, "ecs"), "workflows").problem is None
    directory = checkout / ".github" / "workflows"
    release = (directory / "release.yml").read_text()
    for name in ("release.yml", *re.findall(r"uses: \./\.github/workflows/(\S+)", release)):
        text = (directory / name).read_text()
        (directory / name).unlink()
        assert name in (find(review(checkout, "ecs"), "workflows").problem or "")
        (directory / name).write_text(text)


def test_what_cannot_be_looked_up_is_left_to_a_person(checkout: Path) -> None:
    asked = [finding for finding in review(checkout, "ecs") if not finding.confirmed]
    assert asked
    assert all(finding.problem is None for finding in asked)
