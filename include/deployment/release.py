"""`python -m include.deployment.release <cluster> <image>`: moves the services of an ECS cluster to another image.

Migrations first, then all services, and back again on trouble. Each program's present definition is copied with the
new image; everything else in it is Terraform's. Beside the standard library this needs boto3 alone.
"""

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from include.deployment.errors import DeploymentError

# What DescribeTaskDefinition answers and RegisterTaskDefinition does not take.
ANSWERED_ONLY = (
    "taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt",
    "registeredBy", "deregisteredAt",
)  # fmt: skip
MIGRATIONS = "migrations"
SERVICES = (
    "mlflow", "api-server", "scheduler", "dag-processor", "triggerer", "worker-default", "worker-cpu", "serving",
)  # fmt: skip
SECONDS_TO_MIGRATE = 900
SECONDS_TO_SETTLE = 1200
SECONDS_BETWEEN_LOOKS = 10.0
Say = Callable[[str], None]


def release(ecs: Any, cluster: str, image: str, *, migrate: bool = True, say: Say = print) -> dict[str, str]:
    """Moves every service of the cluster to `image`.

    Args:
        ecs: boto3's client.
        cluster: Its name, which is also the first part of its task definitions' names.
        image: By digest.
        migrate: Whether the migrations run first; not when going back.

    Returns:
        Service -> the task definition that it ran before.

    Raises:
        DeploymentError: The image has no digest, migrations failed (then nothing was moved), or a service did not
            settle (then all were moved back, as after any other error).
    """
    if "@sha256:" not in image:
        raise DeploymentError(f"{image} has no digest: the image that runs could change unnoticed")
    before = {service["serviceName"]: service for service in _describe(ecs, cluster)}
    started = datetime.now(UTC)
    if migrate:
        definition = _define(ecs, f"{cluster}-{MIGRATIONS}", image)
        _migrate(ecs, cluster, definition, before[SERVICES[0]]["networkConfiguration"], say)
    former = {name: before[name]["taskDefinition"] for name in SERVICES}
    wanted = {name: _define(ecs, f"{cluster}-{name}", image) for name in SERVICES}
    try:
        _move(ecs, cluster, wanted)
        _wait(ecs, cluster, wanted, say)
    except BaseException:  # a call that AWS refuses, or a person who ends the release, leaves services half moved too
        say("Rolling back to the previous definitions")
        _move_back(ecs, cluster, former, say)
        if migrate:
            say(
                "The migrations of this release stay applied: the former programs may fail until a later release, or"
                f" until the databases are restored to {started:%Y-%m-%dT%H:%M:%SZ}"
                " (docs/production.md, Backup and restore)"
            )
        raise
    return former


def _define(ecs: Any, family: str, image: str) -> str:
    """Registers the newest definition of a program again, with another image."""
    answer = ecs.describe_task_definition(taskDefinition=family)
    definition = {key: value for key, value in answer["taskDefinition"].items() if key not in ANSWERED_ONLY}
    definition["containerDefinitions"] = [{**one, "image": image} for one in definition["containerDefinitions"]]
    return ecs.register_task_definition(**definition)["taskDefinition"]["taskDefinitionArn"]


def _migrate(ecs: Any, cluster: str, definition: str, network: dict[str, Any], say: Say) -> None:
    say("Running migrations")
    started = ecs.run_task(cluster=cluster, taskDefinition=definition, launchType="FARGATE",
                           networkConfiguration=network)  # fmt: skip
    if started.get("failures"):
        raise DeploymentError(f"The migrations could not be started: {started['failures']}")
    arn = started["tasks"][0]["taskArn"]
    deadline = time.monotonic() + SECONDS_TO_MIGRATE
    while True:
        task = ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"][0]
        if task["lastStatus"] == "STOPPED":
            break
        if time.monotonic() > deadline:
            raise DeploymentError(f"The migrations did not finish within {SECONDS_TO_MIGRATE} s: {arn}")
        time.sleep(SECONDS_BETWEEN_LOOKS)
    codes = [container.get("exitCode") for container in task["containers"]]
    if any(codes) or None in codes:
        why = task.get("stoppedReason", "")
        raise DeploymentError(
            f"The migrations failed ({codes}; {why}); nothing was moved. See the log group migrations."
        )


def _move(ecs: Any, cluster: str, definitions: dict[str, str]) -> None:
    for name, definition in definitions.items():
        ecs.update_service(cluster=cluster, service=name, taskDefinition=definition)


def _move_back(ecs: Any, cluster: str, former: dict[str, str], say: Say) -> None:
    """Moves each service for itself: one that cannot be moved holds up no other."""
    for name, definition in former.items():
        try:
            _move(ecs, cluster, {name: definition})
        except Exception as error:  # boto3 makes its classes at run time
            say(f"{name} could not be moved back to {definition.rpartition('/')[2]}, do so by hand: {error}")


def _wait(ecs: Any, cluster: str, wanted: dict[str, str], say: Say) -> None:
    """Waits until each service runs what it was moved to, and nothing else."""
    waiting = dict(wanted)
    deadline = time.monotonic() + SECONDS_TO_SETTLE
    while waiting:
        for service in _describe(ecs, cluster):
            name = service["serviceName"]
            if service["taskDefinition"] != wanted[name]:
                raise DeploymentError(f"{name} went back to {service['taskDefinition']}: its tasks did not start")
            if name in waiting and _is_settled(service):
                del waiting[name]
                say(f"{name} runs {wanted[name].rpartition('/')[2]}")
        if waiting and time.monotonic() > deadline:
            raise DeploymentError(f"{', '.join(waiting)} did not settle within {SECONDS_TO_SETTLE} s")
        if waiting:
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _is_settled(service: dict[str, Any]) -> bool:
    """Whether the newest deployment is the only one, and ECS has found its tasks healthy, not only running."""
    first, *others = service["deployments"]
    is_complete = first.get("rolloutState", "COMPLETED") == "COMPLETED"
    return not others and is_complete and service["runningCount"] >= service["desiredCount"]


def _describe(ecs: Any, cluster: str) -> list[dict[str, Any]]:
    answer = ecs.describe_services(cluster=cluster, services=list(SERVICES))
    # Services that were removed are still described for a while.
    services = [service for service in answer["services"] if service["status"] == "ACTIVE"]
    missing = set(SERVICES) - {service["serviceName"] for service in services}
    if missing:
        raise DeploymentError(f"The cluster {cluster} has no services {', '.join(sorted(missing))}: apply Terraform")
    return services


def main() -> int:
    """Releases, and says what ran before."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    parser = argparse.ArgumentParser(prog="python -m include.deployment.release", description=__doc__)
    parser.add_argument("cluster")
    parser.add_argument("image", help="by digest")
    parser.add_argument("--going-back", action="store_true", help="without the migrations")
    arguments = parser.parse_args()
    try:
        former = release(boto3.client("ecs"), arguments.cluster, arguments.image, migrate=not arguments.going_back)
    except (DeploymentError, BotoCoreError, ClientError) as error:
        print(error, file=sys.stderr)
        return 1
    for name, definition in former.items():
        print(f"{name} ran {definition.rpartition('/')[2]} before")
    return 0


if __name__ == "__main__":
    sys.exit(main())
