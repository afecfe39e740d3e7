"""GitHub's workflows: valid by its schema, pinned, without keys, in step with the environment they deploy to."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.deployment.checklist import ASKED_OF
from include.settings import ROOT
from include.version import VERSION

DIRECTORY = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(DIRECTORY.glob("*.yml"))
ISSUE_FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*_*.yml"))
# The keys of containers.dev's reference that the file may use.
DEVCONTAINER_KEYS = {
    "name", "image", "hostRequirements", "containerEnv", "updateContentCommand", "postAttachCommand", "forwardPorts",
    "portsAttributes", "otherPortsAttributes", "customizations",
}  # fmt: skip


def read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in read(path)["jobs"].values() for step in job.get("steps", ())]


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("vendor.github-workflows", [str(path) for path in WORKFLOWS]),
        ("vendor.dependabot", [str(ROOT / ".github" / "dependabot.yml")]),
        ("vendor.github-issue-config", [str(ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml")]),
        ("vendor.github-issue-forms", [str(path) for path in ISSUE_FORMS]),
    ],
)
def test_file_is_what_github_takes(schema: str, paths: list[str]) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_of_others_are_pinned_by_commit(path: Path) -> None:
    used = re.findall(r"uses: (\S+)(.*)", path.read_text())
    for action, comment in used:
        assert action.startswith("./") or re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), action
        assert action.startswith("./") or re.match(r" # v\d", comment), action
        if action.startswith("./"):
            assert (ROOT / action).exists()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_may_read_and_no_more_unless_a_job_says_so(path: Path) -> None:
    assert read(path)["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_expression_stands_in_a_command(path: Path) -> None:
    # Whoever names a branch or a tag could put a command there.
    assert not [step["run"] for step in steps(path) if "${{" in step.get("run", "")]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_key_is_kept(path: Path) -> None:
    assert "secrets." not in path.read_text()


def test_every_python_that_the_project_runs_on_is_tested() -> None:
    matrix = read(ROOT / ".github" / "workflows" / "test.yml")["jobs"]["test"]["strategy"]["matrix"]
    lowest, below = re.findall(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (ROOT / "pyproject.toml").read_text())[0]
    assert matrix["python"] == [f"3.{minor}" for minor in range(int(lowest), int(below))]


@pytest.mark.parametrize(
    ("ends", "is_taken"),
    [
        ('echo "27 passed, 9 deselected in 900.00s"', True),
        ('echo "36 skipped in 1.00s"', False),
        ('echo "26 passed, 1 skipped in 900.00s"', False),
        ('echo "26 passed, 1 failed in 900.00s"; exit 2', False),
    ],
)
def test_tests_in_containers_run_as_root_and_are_never_skipped(tmp_path: Path, ends: str, is_taken: bool) -> None:
    step = find_step(DIRECTORY / "test.yml", "Test the team's stack in containers")
    for name, script in (("sudo", 'echo "as root: $*" >> calls; "$@"'), ("make", f'echo "make $*" >> calls; {ends}')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    assert step["shell"] == "bash"
    # As GitHub runs it.
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == is_taken, done.stdout + done.stderr
    root, made = (tmp_path / "calls").read_text().splitlines()
    assert root.startswith("as root: ")
    # Its programs are those of the job's own Python.
    assert f"PATH={environment['PATH']}" in root
    assert made.startswith("make test-containers ")


def triggers(path: Path) -> set[str]:
    # YAML 1.1 takes the key `on` for true.
    return set(read(path)[True])  # type: ignore[index]


def called(path: Path) -> list[Path]:
    """The workflow, and those of this repository that it calls."""
    calls = [job["uses"] for job in read(path)["jobs"].values() if "uses" in job]
    return [path, *(found for call in calls for found in called(ROOT / call))]


def find_step(path: Path, name: str) -> dict[str, Any]:
    return next(step for step in steps(path) if name in (step.get("name"), step.get("uses", "").partition("@")[0]))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_runs_for_a_change_or_by_the_clock_may_write_nothing(path: Path) -> None:
    if not triggers(path) & {"pull_request", "schedule"}:
        return
    for workflow in called(path):
        for job in read(workflow)["jobs"].values():
            granted = job.get("permissions", {})
            assert isinstance(granted, dict) and set(granted.values()) <= {"read", "none"}, workflow.name


def test_no_workflow_runs_foreign_code_with_this_repositorys_rights() -> None:
    assert not {name for path in WORKFLOWS for name in triggers(path)} & {"pull_request_target", "workflow_run"}


def test_production_waits_for_staging_and_both_for_the_published_image() -> None:
    jobs = read(DIRECTORY / "release.yml")["jobs"]
    assert jobs["publish"]["needs"] == "image"
    assert jobs["image"]["needs"] == "test"
    assert jobs["staging"]["needs"] == "publish"
    assert jobs["production"]["needs"] == ["publish", "staging"]
    assert jobs["staging"]["with"]["image"] == jobs["production"]["with"]["image"]


def test_image_is_built_once_and_the_files_that_were_scanned_are_published() -> None:
    build = [step for path in WORKFLOWS for step in steps(path) if "build-push-action" in step.get("uses", "")]
    assert len(build) == 1 and not build[0]["with"].get("push")
    order = [step.get("name") for step in steps(DIRECTORY / "image.yml")]
    scan, hand_on = "Look for vulnerabilities that have a remedy", "Hand the image on"
    assert order.index(scan) < order.index(hand_on)
    scanned = find_step(DIRECTORY / "image.yml", scan)
    assert scanned["with"]["exit-code"] == "1" and "continue-on-error" not in scanned
    [directory] = re.findall(r"dest=(\S+)", build[0]["with"]["outputs"])
    assert scanned["with"]["input"] == find_step(DIRECTORY / "image.yml", hand_on)["with"]["path"] == directory
    publish = find_step(DIRECTORY / "release.yml", "Publish it as it is")
    assert "--preserve-digests" in publish["run"]
    assert publish["env"]["SCANNED"] == "${{ needs.image.outputs.digest }}"
    attested = find_step(DIRECTORY / "release.yml", "actions/attest-build-provenance")
    assert attested["with"]["subject-digest"] == "${{ needs.image.outputs.digest }}"


def test_deployment_checks_the_image_before_it_has_any_rights_in_the_cloud() -> None:
    names = [step.get("name") or step["uses"].partition("@")[0] for step in steps(DIRECTORY / "deploy.yml")]
    first = ["Take only an image of this repository, by its digest", "docker/login-action"]
    assert names[:3] == [*first, "Take only what the release workflow attested"]
    verify = find_step(DIRECTORY / "deploy.yml", names[2])["run"]
    assert 'gh attestation verify "oci://$IMAGE" --repo "$GITHUB_REPOSITORY"' in verify
    assert "$GITHUB_REPOSITORY/.github/workflows/release.yml" in verify
    for job in read(DIRECTORY / "release.yml")["jobs"].values():
        if job.get("uses", "").endswith("deploy.yml"):
            assert job["permissions"] == read(DIRECTORY / "deploy.yml")["jobs"]["deploy"]["permissions"]


DIGEST = f"sha256:{'0123456789abcdef' * 4}"


@pytest.mark.parametrize(
    ("image", "is_taken"),
    [
        (f"ghcr.io/some-one/mltrain@{DIGEST}", True),
        (f"ghcr.io/someone-else/mltrain@{DIGEST}", False),
        (f"ghcr.io/some-one/mltrain-other@{DIGEST}", False),
        (f"ghcrXio/some-one/mltrain@{DIGEST}", False),
        (f"docker.io/x/ghcr.io/some-one/mltrain@{DIGEST}", False),
        (f"ghcr.io/some-one/mltrain:v1@{DIGEST}", False),
        ("ghcr.io/some-one/mltrain:v1", False),
        ("ghcr.io/some-one/mltrain", False),
        (f"ghcr.io/some-one/mltrain@{DIGEST[:-1]}", False),
        (f"ghcr.io/some-one/mltrain@{DIGEST}0", False),
        (f"ghcr.io/some-one/mltrain@{DIGEST}\nx", False),
        (f"--help ghcr.io/some-one/mltrain@{DIGEST}", False),
        ("", False),
    ],
)
def test_only_this_repositorys_images_are_deployed_and_by_digest_alone(image: str, is_taken: bool) -> None:
    script = find_step(DIRECTORY / "deploy.yml", "Take only an image of this repository, by its digest")["run"]
    # As GitHub runs it.
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    environment = {"PATH": os.environ["PATH"], "GITHUB_REPOSITORY": "Some-One/mltrain", "IMAGE": image}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == is_taken
    assert is_taken or "::error::image must be ghcr.io/some-one/mltrain@sha256:" in done.stdout


@pytest.mark.parametrize(("prefix", "is_taken"), [("v", True), ("", False), ("v1", False)])
def test_only_a_tag_that_is_the_projects_version_is_released(prefix: str, is_taken: bool) -> None:
    script = find_step(DIRECTORY / "release.yml", "Take only a tag that is the project's version")["run"]
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    environment = {"PATH": os.environ["PATH"], "GITHUB_REF_NAME": f"{prefix}{VERSION}"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == is_taken, done.stdout + done.stderr
    assert read(DIRECTORY / "release.yml")["jobs"]["test"]["needs"] == "version"


def test_variables_of_the_workflow_are_those_that_the_checklist_asks_for() -> None:
    used = set(re.findall(r"vars\.(\w+)", (ROOT / ".github" / "workflows" / "deploy.yml").read_text()))
    asked = next(line for line in ASKED_OF["ecs"] if "variables" in line)
    assert used == set(re.findall(r"\b[A-Z]+_[A-Z]+\b", asked))


def test_devcontainer_has_documented_keys_and_ends_in_the_main_job() -> None:
    devcontainer = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert set(devcontainer) <= DEVCONTAINER_KEYS
    assert devcontainer["postAttachCommand"] == "make run"
    ports = re.findall(r"^(?:AIRFLOW|MLFLOW|SERVING)_PORT=(\d+)", (ROOT / ".env").read_text(), re.MULTILINE)
    assert sorted(devcontainer["forwardPorts"]) == sorted(map(int, ports))
    assert set(devcontainer["portsAttributes"]) == set(ports)
