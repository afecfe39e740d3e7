"""GitHub's workflows: valid by its schema, pinned, without keys, in step with the environment they deploy to."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.deployment.checklist import ASKED_OF
from include.taxi.settings import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
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


def test_production_waits_for_staging_and_both_for_the_scanned_image() -> None:
    jobs = read(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    assert jobs["staging"]["needs"] == "image"
    assert jobs["production"]["needs"] == ["image", "staging"]
    assert jobs["staging"]["with"]["image"] == jobs["production"]["with"]["image"]
    names = [step.get("name") for step in steps(ROOT / ".github" / "workflows" / "image.yml")]
    assert names.index("Look for vulnerabilities that have a remedy") < names.index("Log in to the registry")


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
