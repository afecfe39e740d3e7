"""docs/production.md names what there is."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from include.serving.metrics import Metrics
from include.settings import ROOT

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


def test_every_make_target_and_module_is_there() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert (
        set(re.findall(r"`make ([a-z-]+)", TEXT)) | set(re.findall(r"^make ([a-z-]+)", TEXT, re.MULTILINE)) <= targets
    )
    for module in re.findall(r"-m (include[\w.]+)", TEXT):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:deploy|include|benchmarks|docs|scripts|\.github)/[\w./-]+)`", TEXT)))
)
def test_every_path_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_backup_in_compose_is_done_as_written(tmp_path: Path) -> None:
    [block] = [found for found in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) if "in_compose" in found]
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
