"""docs/production.md names what there is."""

import re
import subprocess
from pathlib import Path

import psycopg
import pytest
import yaml

from include import warehouse
from include.deployment.checklist import review
from include.serving.metrics import Metrics
from include.settings import ROOT
from tests.documented import SHELL

TEXT = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")


def airflow_metrics() -> set[str]:
    import airflow

    path = Path(airflow.__file__).parent / "_shared" / "observability" / "metrics" / "metrics_template.yaml"
    return {entry["name"] for entry in yaml.safe_load(path.read_text())["metrics"]}


def test_every_metric_to_alarm_on_is_one_that_is_told() -> None:
    named = set(re.findall(r"^\| `([\w.]+)`[^|]*\|", TEXT.partition("| alarm |")[2], re.MULTILINE))
    ours = {family.name for family in Metrics().registry.collect()}
    told = airflow_metrics() | ours | {f"{name}_total" for name in ours}
    assert len(named) > 5
    assert named <= told


def test_every_option_is_one_that_airflow_knows() -> None:
    from airflow.configuration import conf

    named = set(re.findall(r"AIRFLOW__([A-Z]+)__([A-Z_]+)", TEXT))
    of_providers = {"OPENLINEAGE"}
    for section, option in named:
        known = conf.configuration_description.get(section.lower(), {}).get("options", {})
        assert section in of_providers or option.lower() in known, f"{section} {option}"


def test_every_module_is_there() -> None:
    for module in re.findall(r"-m (include[\w.]+)", TEXT):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:deploy|include|benchmarks|docs|scripts|\.github)/[\w./-]+)`", TEXT)))
)
def test_every_path_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_manifests_that_are_applied_are_those_that_the_checklist_looks_through(tmp_path: Path) -> None:
    [block] = [found for found in SHELL.findall(TEXT) if "kubectl --namespace" in found]
    for name in ("kubectl", "helm"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "{tmp_path}/calls"\n')
        (tmp_path / name).chmod(0o755)
    subprocess.run(["bash", "-e", "-c", block], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True)
    applied = re.findall(r"--filename (\S+)", (tmp_path / "calls").read_text())
    # Without these files, what the checklist says of the manifests names each that it looks for.
    problem = next(finding.problem for finding in review(tmp_path, "helm") if "manifests" in finding.what)
    assert applied == re.findall(r"no (deploy/\S+?\.yaml)", problem or "")
    assert all((ROOT / path).exists() for path in applied)


def test_statements_that_prune_tables_delete_what_is_old_alone(warehouse_url: str) -> None:
    [block] = re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL)
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        for month, version in (("2024-01", 11), ("2024-01", 12)):
            with warehouse.connect(warehouse_url) as creating:
                warehouse.ensure_month(creating, warehouse_url, "prediction", "batch", month)
            connection.execute(
                "INSERT INTO prediction.batch (month, model_version, row_number, predicted) VALUES (%s, %s, 1, 9.5)",
                [month, version],
            )
        for run, age in (("old", "2 years"), ("new", "1 day")):
            connection.execute(
                "INSERT INTO training.trials (run_key, model, number, set_version, status, loss, parameters,"
                " started_at, finished_at) VALUES (%(run)s, 'm', 0, 1, 'ok', 1, '{}', now() - %(age)s::interval,"
                " now() - %(age)s::interval)",
                {"run": run, "age": age},
            )
            connection.execute(
                "INSERT INTO prediction.log (at, source, request_id, model_version, predicted, pickup_at)"
                " VALUES (now() - %s::interval, 'rest', %s, 3, 9.5, now())",
                [age, run],
            )
        connection.execute(block)
        left = {
            column: connection.execute(f"SELECT {column} FROM {table}").fetchall()
            for column, table in (
                ("model_version", "prediction.batch"),
                ("request_id", "prediction.log"),
                ("run_key || ''", "training.trials"),
                ("run_key", "training.tunings"),
            )
        }
    assert list(left.values()) == [[(12,)], [("new",)], [("new",)], [("new",)]]


def test_backup_in_compose_is_done_as_written(tmp_path: Path) -> None:
    [block] = [found for found in SHELL.findall(TEXT) if "in_compose" in found]
    (tmp_path / "scripts").mkdir()
    for name in ("docker", "sudo", "scripts/start.sh"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "{tmp_path}/calls"\n')
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    subprocess.run(["bash", "-e", "-c", block], cwd=tmp_path, env=environment, check=True)
    calls = (tmp_path / "calls").read_text().splitlines()
    run = "docker compose run --rm --no-deps --volume mltrain_artifacts:/var/lib/mlflow --volume ./backups:/backups"
    run += " --env MLFLOW_ARTIFACTS_DESTINATION=/var/lib/mlflow migrations python -m include.deployment"
    assert calls[1:] == [
        f"{run} backup /backups/first",
        "docker compose up --detach --wait postgres",
        f"{run} restore /backups/first",
        "scripts/start.sh ",
    ]
