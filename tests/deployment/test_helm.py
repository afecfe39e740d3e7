"""The chart's values and the manifests beside it.

The chart itself is not part of the project: AIRFLOW_CHART names a directory that holds it (`helm pull --untar
apache-airflow/airflow --version 1.22.0`), else the values are checked by what is known of its keys.
"""

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from include.settings import ROOT

DIRECTORY = ROOT / "deploy" / "helm"
VALUES: dict[str, Any] = yaml.safe_load((DIRECTORY / "values.yaml").read_text())
MANIFESTS = [
    document
    for path in sorted((DIRECTORY / "manifests").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
]
# Of chart 1.22.0, as far as the values use them: key -> keys below it; none where anything may stand.
KNOWN: dict[str, tuple[str, ...] | None] = {
    "airflowVersion": None, "executor": None, "airflowLocalSettings": None, "env": None, "secret": None,
    "extraEnvFrom": None, "config": None, "gid": None, "fernetKeySecretName": None, "apiSecretKeySecretName": None,
    "jwtSecretName": None, "enableServiceLinks": None,
    "images": ("airflow",),
    "dagProcessor": (
        "livenessProbe", "logGroomerSidecar", "dagBundleConfigList", "resources", "podDisruptionBudget",
    ),
    "postgresql": ("enabled",),
    "data": ("metadataSecretName", "brokerUrlSecretName"),
    "redis": ("enabled",),
    "migrateDatabaseJob": ("args", "env", "resources"),
    "createUserJob": ("enabled",),
    "securityContexts": ("pod", "containers"),
    "apiServer": ("replicas", "serviceAccount", "resources", "podDisruptionBudget", "hpa"),
    "scheduler": (
        "replicas", "startupProbe", "livenessProbe", "logGroomerSidecar", "serviceAccount", "resources",
        "podDisruptionBudget",
    ),
    "triggerer": (
        "replicas", "livenessProbe", "logGroomerSidecar", "persistence", "serviceAccount", "resources",
        "podDisruptionBudget",
    ),
    "workers": ("celery", "kubernetes"),
    "cleanup": ("enabled",),
    "databaseCleanup": ("enabled", "retentionDays"),
    "statsd": ("enabled",),
    "ingress": ("apiServer",),
}  # fmt: skip


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: merge(below[key], value) for key, value in above.items()
        if isinstance(value, dict) and isinstance(below.get(key), dict)
    }  # fmt: skip
    return {**below, **above, **both}


@pytest.fixture(scope="module")
def chart() -> Path:
    directory = Path(os.environ.get("AIRFLOW_CHART") or "airflow-chart-not-given")
    if not (directory / "values.schema.json").exists():
        pytest.skip("AIRFLOW_CHART names no directory with the official chart")
    return directory


def test_values_fit_the_charts_schema(chart: Path) -> None:
    schema = json.loads((chart / "values.schema.json").read_text())
    defaults = yaml.safe_load((chart / "values.yaml").read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    errors = [
        f"{'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(merge(defaults, VALUES))
    ]
    assert not errors
    # The schema lets unknown keys pass in places; the chart's own values are complete.
    unknown = {(key, *below) for key, below in walk(VALUES) if not stands_in(defaults, (key, *below))}
    assert not unknown


def walk(values: dict[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    """Each key of the first two levels, but for Airflow's own configuration."""
    found = []
    for key, value in values.items():
        found.append((key, ()))
        if isinstance(value, dict) and key != "config":
            found += [(key, (below,)) for below in value]
    return found


def stands_in(values: Any, path: tuple[str, ...]) -> bool:
    for key in path:
        if not isinstance(values, dict) or key not in values:
            return False
        values = values[key]
    return True


def test_chart_is_the_one_that_the_values_are_for(chart: Path) -> None:
    version = yaml.safe_load((chart / "Chart.yaml").read_text())["version"]
    assert f"Airflow chart {version}" in (DIRECTORY / "values.yaml").read_text().splitlines()[0]


def test_values_use_the_charts_known_keys_alone() -> None:
    assert set(VALUES) == set(KNOWN)
    for key, below in KNOWN.items():
        if below is not None:
            assert set(VALUES[key]) == set(below), key


def test_airflows_programs_are_asked_as_on_ecs_by_what_the_image_has() -> None:
    # The chart would run /entrypoint, which is in the official image alone.
    services = (ROOT / "deploy" / "terraform" / "aws" / "services.tf").read_text()
    jobs = dict(re.findall(r'([\w-]+) += "(\w+Job)"', services))
    [check] = re.findall(r"check_job = (\[.*\])", services)
    probes = {"scheduler": "scheduler", "triggerer": "triggerer", "dagProcessor": "dag-processor"}
    for section, program in probes.items():
        expected = [*json.loads(check)[1:], jobs[program]]
        assert VALUES[section]["livenessProbe"]["command"] == expected, section
    assert VALUES["scheduler"]["startupProbe"]["command"] == VALUES["scheduler"]["livenessProbe"]["command"]
    compose = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]["worker-default"]
    # Their environment is complete: nothing has to be filled in before.
    start = ["CMD", "python", "-m", "include.team.start"]
    expected = compose["healthcheck"]["test"]
    assert expected[: len(start)] == start
    assert VALUES["workers"]["celery"]["livenessProbe"]["command"] == expected[len(start) :]


ASKED = (VALUES["scheduler"], VALUES["triggerer"], VALUES["dagProcessor"], VALUES["workers"]["celery"])


def test_program_may_be_unwell_for_as_long_as_on_ecs_and_has_as_long_to_start_as_in_compose() -> None:
    for section in ASKED:
        probe = section["livenessProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] == 600
        starting = section.get("startupProbe")
        started = starting["periodSeconds"] * starting["failureThreshold"] if starting else probe["initialDelaySeconds"]
        assert started == 120


def test_no_pod_has_a_log_groomer_whose_script_the_image_lacks() -> None:
    assert [section["logGroomerSidecar"] for section in ASKED] == [{"enabled": False}] * len(ASKED)


def test_no_command_of_the_chart_that_is_left_needs_the_official_image(chart: Path) -> None:
    values = merge(yaml.safe_load((chart / "values.yaml").read_text()), VALUES)
    # What is for Celery's workers alone is read below `celery`.
    values["workers"] |= {"logGroomerSidecar": values["workers"]["celery"]["logGroomerSidecar"]}
    assert not find_scripts(values)


def find_scripts(values: dict[str, Any]) -> list[str]:
    """Sections that are enabled and run a script of the official image."""
    found = []
    for key, value in values.items():
        if isinstance(value, dict) and value.get("enabled", True):
            own = [value.get("command"), value.get("args")]
            found += [key] if re.search(r"/(entrypoint|clean-logs)\b", str(own)) else find_scripts(value)
    return found


def test_chart_runs_the_airflow_that_the_project_is_locked_to() -> None:
    locked = re.search(r"^apache-airflow==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert locked
    assert VALUES["airflowVersion"] == locked[1]


def test_every_option_is_one_that_airflow_knows() -> None:
    from airflow.configuration import conf

    # Of a provider that only the image has to have.
    of_providers = {"celery", "kubernetes_executor"}
    for section, options in VALUES["config"].items():
        for option in options:
            known = conf.configuration_description.get(section, {}).get("options", {})
            assert section in of_providers or option in known, f"[{section}] {option}"


def policy() -> Any:
    names: dict[str, Any] = {}
    exec(VALUES["airflowLocalSettings"], names)
    return names["task_policy"]


def test_tuning_gets_a_pod_of_its_size_and_other_tasks_stay_with_celery() -> None:
    pytest.importorskip("kubernetes", reason="the Kubernetes provider is not installed (requirements-team.txt)")
    task = SimpleNamespace(queue="cpu", executor=None, executor_config={})
    policy()(task)
    assert task.executor == "KubernetesExecutor"
    container = task.executor_config["pod_override"].spec.containers[0]
    assert container.name == "base"
    assert container.resources.requests["memory"] == "3Gi"
    other = SimpleNamespace(queue="default", executor=None, executor_config={})
    policy()(other)
    assert (other.executor, other.executor_config) == (None, {})


def test_settings_that_the_chart_renders_hold_nothing_to_render() -> None:
    assert "{{" not in VALUES["airflowLocalSettings"]


def test_queues_with_pods_are_those_that_the_dags_use() -> None:
    from include.orchestration import training_dags

    queues = {value for name, value in vars(training_dags).items() if name.endswith("_QUEUE")}
    sized = set(re.findall(r'^    "(\w+)": \{', VALUES["airflowLocalSettings"], re.MULTILINE))
    assert sized | {VALUES["workers"]["celery"]["queue"]} == queues


def secret_keys(node: Any) -> set[tuple[str, str]]:
    if isinstance(node, dict):
        own = {(node["secretKeyRef"]["name"], node["secretKeyRef"]["key"])} if "secretKeyRef" in node else set()
        own |= {(node["secretName"], node["secretKey"])} if "secretKey" in node else set()
        return own.union(*(secret_keys(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(secret_keys(value) for value in node)) if node else set()
    return set()


def test_every_secret_that_pods_need_is_in_the_documentation() -> None:
    text = (ROOT / "docs" / "production.md").read_text()
    documented = set(re.findall(r"^\| `(mltrain-[\w-]+)` \| `([\w-]+)` \|", text, re.MULTILINE))
    charts_own = {
        (VALUES["data"]["metadataSecretName"], "connection"), (VALUES["data"]["brokerUrlSecretName"], "connection"),
        (VALUES["fernetKeySecretName"], "fernet-key"), (VALUES["apiSecretKeySecretName"], "api-secret-key"),
        (VALUES["jwtSecretName"], "jwt-secret"),
    }  # fmt: skip
    assert documented == secret_keys(VALUES) | secret_keys(MANIFESTS) | charts_own


def test_no_secret_is_in_a_value() -> None:
    for entry in VALUES["env"]:
        assert not re.search("PASSWORD|SECRET|KEY", entry["name"])


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {document["metadata"]["name"]: document for document in MANIFESTS if document["kind"] == kind}


@pytest.mark.parametrize(
    "document", MANIFESTS, ids=lambda document: f"{document['kind']} {document['metadata']['name']}"
)
def test_manifest_is_what_the_api_of_kubernetes_takes(document: dict[str, Any]) -> None:
    # A misspelt field is an error too.
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("name", ["mlflow", "serving"])
def test_service_and_budget_select_the_pods_of_their_deployment(name: str) -> None:
    labels = of_kind("Deployment")[name]["spec"]["template"]["metadata"]["labels"]
    assert of_kind("Deployment")[name]["spec"]["selector"]["matchLabels"] == labels
    assert of_kind("Service")[name]["spec"]["selector"] == labels
    assert of_kind("PodDisruptionBudget")[name]["spec"]["selector"]["matchLabels"] == labels


@pytest.mark.parametrize("name", ["mlflow", "serving"])
def test_pods_have_bounds_and_no_rights_that_they_do_not_need(name: str) -> None:
    pod = of_kind("Deployment")[name]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert container["resources"]["limits"]["memory"]
    assert "@sha256:" in container["image"]
    assert {"readinessProbe", "livenessProbe"} <= set(container)


def test_server_has_as_long_as_elsewhere_to_migrate_its_database_before_it_listens() -> None:
    container = of_kind("Deployment")["mlflow"]["spec"]["template"]["spec"]["containers"][0]
    startup = container["startupProbe"]
    assert startup["exec"] == container["livenessProbe"]["exec"]
    assert startup["periodSeconds"] * startup["failureThreshold"] == 12 * 60
    compose = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]["mlflow"]["healthcheck"]
    assert compose["start_period"] == "12m"


def test_pods_get_requests_once_they_can_predict_and_a_first_rollout_ends_before_there_is_a_model() -> None:
    container = of_kind("Deployment")["serving"]["spec"]["template"]["spec"]["containers"][0]
    annotations = of_kind("Ingress")["serving"]["metadata"]["annotations"]
    asked = container["readinessProbe"]["httpGet"]["path"], annotations["alb.ingress.kubernetes.io/healthcheck-path"]
    assert set(asked) == {"/readyz?champion=optional"}
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"


@pytest.mark.parametrize("name", ["dask-scheduler", "dask-worker"])
def test_pods_that_fit_models_have_bounds_and_are_reached_by_airflows_workers_alone(name: str) -> None:
    deployment = of_kind("Deployment")[name]
    pod = deployment["spec"]["template"]
    assert deployment["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
    container = pod["spec"]["containers"][0]
    assert pod["spec"]["securityContext"]["runAsNonRoot"]
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert container["resources"]["limits"]["memory"]
    assert container["image"] == of_kind("Deployment")["serving"]["spec"]["template"]["spec"]["containers"][0]["image"]
    [others] = of_kind("NetworkPolicy")["dask"]["spec"]["podSelector"]["matchExpressions"]
    assert name in others["values"]
    first, second = of_kind("NetworkPolicy")["dask"]["spec"]["ingress"][0]["from"]
    assert first["podSelector"]["matchLabels"] == {"tier": "airflow", "component": "worker"}
    assert second["podSelector"]["matchExpressions"] == [others]


def test_settings_of_the_cluster_are_settings() -> None:
    from include.settings import SETTING_KEYS, Settings

    given = of_kind("ConfigMap")["mltrain-settings"]["data"]
    assert set(given) <= SETTING_KEYS
    Settings(**{key.lower(): value for key, value in given.items()})  # type: ignore[call-arg]


def test_no_pod_is_given_variables_that_would_be_read_as_settings() -> None:
    # Kubernetes makes MLFLOW_PORT of a service called `mlflow`.
    assert VALUES["enableServiceLinks"] is False
    pods = {name: one["spec"]["template"]["spec"] for name, one in of_kind("Deployment").items()}
    assert {name: pod.get("enableServiceLinks") for name, pod in pods.items()} == dict.fromkeys(pods, False)
