"""Releases to an ECS cluster, on moto's server."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError

from include.deployment import release as module
from include.deployment.errors import DeploymentError
from include.deployment.release import MIGRATIONS, SERVICES, release
from include.settings import ROOT
from tests.deployment.conftest import Cloud

OLD, NEW = (f"registry/mltrain@sha256:{digit * 64}" for digit in "12")
NUMBERS = count(1)


@dataclass
class Cluster:
    """A cluster with every service, and what moto is told to say of it."""

    ecs: Any
    name: str

    def images(self) -> dict[str, str]:
        """Service -> image that it is set to."""
        services = self.ecs.describe_services(cluster=self.name, services=list(SERVICES))["services"]
        definitions = {one["serviceName"]: one["taskDefinition"] for one in services}
        return {
            name: self.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]["containerDefinitions"][0][
                "image"
            ]
            for name, arn in definitions.items()
        }


class Settled:
    """ECS whose services have their tasks at once and whose migrations end: moto starts none of either."""

    def __init__(self, ecs: Any, exit_code: int = 0, stuck: str = "") -> None:
        self._ecs, self._exit_code, self._stuck = ecs, exit_code, stuck
        self.ran: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ecs, name)

    def describe_services(self, **arguments: Any) -> Any:
        answer = self._ecs.describe_services(**arguments)
        for service in answer["services"]:
            service["runningCount"] = service["desiredCount"] if service["serviceName"] != self._stuck else 0
            service["deployments"] = [{**service["deployments"][0], "rolloutState": "COMPLETED"}]
            service.setdefault("networkConfiguration", {"awsvpcConfiguration": {"subnets": ["subnet-1"]}})
        return answer

    def run_task(self, **arguments: Any) -> Any:
        self.ran.append(arguments["taskDefinition"])
        return {"tasks": [{"taskArn": "task"}], "failures": []}

    def describe_tasks(self, **_: Any) -> Any:
        return {"tasks": [{"lastStatus": "STOPPED", "containers": [{"exitCode": self._exit_code}]}]}


@pytest.fixture
def cluster(cloud: Cloud) -> Iterator[Cluster]:
    ecs, name = cloud.client("ecs"), f"mltrain-{next(NUMBERS)}"
    ecs.create_cluster(clusterName=name)
    for program in (*SERVICES, MIGRATIONS):
        container = {"name": program, "image": OLD, "memory": 128, "environment": [{"name": "A", "value": program}]}
        ecs.register_task_definition(family=f"{name}-{program}", containerDefinitions=[container])
        if program != MIGRATIONS:
            ecs.create_service(
                cluster=name, serviceName=program, taskDefinition=f"{name}-{program}", desiredCount=1, launchType="EC2"
            )
    return Cluster(ecs, name)


def test_every_service_runs_the_new_image_after_a_release(cluster: Cluster) -> None:
    ecs = Settled(cluster.ecs)
    release(ecs, cluster.name, NEW, say=lambda _: None)
    assert set(cluster.images().values()) == {NEW}
    assert len(ecs.ran) == 1
    assert MIGRATIONS in ecs.ran[0]


def test_release_changes_nothing_but_the_image(cluster: Cluster) -> None:
    release(Settled(cluster.ecs), cluster.name, NEW, say=lambda _: None)
    definition = cluster.ecs.describe_task_definition(taskDefinition=f"{cluster.name}-scheduler")["taskDefinition"]
    assert definition["revision"] == 2
    assert definition["containerDefinitions"][0]["environment"] == [{"name": "A", "value": "scheduler"}]


def test_nothing_is_moved_when_the_migrations_fail(cluster: Cluster) -> None:
    with pytest.raises(DeploymentError, match="nothing was moved"):
        release(Settled(cluster.ecs, exit_code=1), cluster.name, NEW, say=lambda _: None)
    assert set(cluster.images().values()) == {OLD}


def test_all_services_go_back_when_one_does_not_settle(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_TO_SETTLE", 0)
    with pytest.raises(DeploymentError, match="serving did not settle"):
        release(Settled(cluster.ecs, stuck="serving"), cluster.name, NEW, say=lambda _: None)
    assert set(cluster.images().values()) == {OLD}


@pytest.mark.parametrize("migrate", [True, False])
def test_release_that_fails_says_that_its_migrations_stay_and_where_the_way_back_is(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, migrate: bool
) -> None:
    monkeypatch.setattr(module, "SECONDS_TO_SETTLE", 0)
    said: list[str] = []
    with pytest.raises(DeploymentError):
        release(Settled(cluster.ecs, stuck="serving"), cluster.name, NEW, migrate=migrate, say=said.append)
    lines = [line for line in said if "stay applied" in line]
    assert len(lines) == migrate
    for line in lines:
        assert re.search(r"restored to \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line)
        [(path, heading)] = re.findall(r"\((docs/\S+), ([^)]+)\)", line)
        assert f"\n## {heading}\n" in (ROOT / path).read_text()


def test_release_of_the_present_image_takes_up_what_terraform_registered(cluster: Cluster) -> None:
    changed = {"name": "scheduler", "image": OLD, "memory": 128, "environment": [{"name": "A", "value": "changed"}]}
    cluster.ecs.register_task_definition(family=f"{cluster.name}-scheduler", containerDefinitions=[changed])
    release(Settled(cluster.ecs), cluster.name, OLD, say=lambda _: None)
    [service] = cluster.ecs.describe_services(cluster=cluster.name, services=["scheduler"])["services"]
    running = cluster.ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    assert running["containerDefinitions"][0]["environment"] == [{"name": "A", "value": "changed"}]


def test_service_whose_tasks_run_but_are_not_healthy_does_not_count_as_settled(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unwell(Settled):
        def describe_services(self, **arguments: Any) -> Any:
            answer = super().describe_services(**arguments)
            for service in answer["services"]:
                if service["serviceName"] == "scheduler":
                    service["deployments"][0]["rolloutState"] = "IN_PROGRESS"
            return answer

    monkeypatch.setattr(module, "SECONDS_TO_SETTLE", 0)
    with pytest.raises(DeploymentError, match="scheduler did not settle"):
        release(Unwell(cluster.ecs), cluster.name, NEW, say=lambda _: None)
    assert set(cluster.images().values()) == {OLD}


def test_release_is_refused_when_ecs_itself_took_a_service_back(cluster: Cluster) -> None:
    class TakenBack(Settled):
        def update_service(self, *, service: str, **arguments: Any) -> Any:
            # What the circuit breaker does where tasks do not come up.
            return self._ecs.update_service(service=service, **arguments) if service != "mlflow" else None

    with pytest.raises(DeploymentError, match="mlflow went back"):
        release(TakenBack(cluster.ecs), cluster.name, NEW, say=lambda _: None)
    assert set(cluster.images().values()) == {OLD}


def test_going_back_runs_no_migrations(cluster: Cluster) -> None:
    ecs = Settled(cluster.ecs)
    release(ecs, cluster.name, NEW, migrate=False, say=lambda _: None)
    assert set(cluster.images().values()) == {NEW}
    assert not ecs.ran


def test_image_without_digest_is_refused(cluster: Cluster) -> None:
    with pytest.raises(DeploymentError, match="no digest"):
        release(cluster.ecs, cluster.name, "registry/mltrain:latest")


def test_cluster_without_one_of_the_services_is_refused(cluster: Cluster) -> None:
    cluster.ecs.update_service(cluster=cluster.name, service="triggerer", desiredCount=0)
    cluster.ecs.delete_service(cluster=cluster.name, service="triggerer")
    with pytest.raises(DeploymentError, match="triggerer"):
        release(Settled(cluster.ecs), cluster.name, NEW, say=lambda _: None)


def test_all_services_go_back_when_aws_refuses_one_though_another_cannot(cluster: Cluster) -> None:
    class Refusing(Settled):
        def update_service(self, *, service: str, taskDefinition: str, **arguments: Any) -> Any:
            if service == "scheduler" or (service == "mlflow" and taskDefinition == before["mlflow"]):
                raise ClientError({"Error": {"Code": "ThrottlingException"}}, "UpdateService")
            return self._ecs.update_service(service=service, taskDefinition=taskDefinition, **arguments)

    services = cluster.ecs.describe_services(cluster=cluster.name, services=list(SERVICES))["services"]
    before = {one["serviceName"]: one["taskDefinition"] for one in services}
    said: list[str] = []
    with pytest.raises(ClientError):
        release(Refusing(cluster.ecs), cluster.name, NEW, say=said.append)
    assert {name for name, image in cluster.images().items() if image == NEW} == {"mlflow"}
    assert any("mlflow could not be moved back" in line for line in said)
