"""docs/production.md names what there is."""

import re
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
