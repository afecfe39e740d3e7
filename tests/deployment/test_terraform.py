"""The AWS environment: valid, and made, released to and removed on moto's server."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.deployment.release import MIGRATIONS, SERVICES
from include.deployment.secret_values import GIVEN, make_values
from include.keep_alive import KEEP_ALIVE_SECONDS
from include.settings import ROOT
from tests.deployment.conftest import Cloud

DIRECTORY = ROOT / "deploy" / "terraform" / "aws"
EXAMPLE = DIRECTORY / "staging.tfvars.example"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text(encoding="utf-8"))["services"]
# Secret of compose -> its name here, if it is not the same with dashes; RDS keeps its administrator's password itself.
RENAMED = {
    "airflow_database_password": "airflow-database", "mlflow_database_password": "mlflow-database",
    "warehouse_password": "warehouse", "broker_password": "broker", "smtp_connection": "smtp",
    "postgres_password": None,
}  # fmt: skip
TERRAFORM = shutil.which("terraform") or shutil.which("tofu")
# Where a machine without network may have the provider; TF_PLUGIN_DIRECTORY names another place.
PLUGIN_DIRECTORIES = (Path(os.environ.get("TF_PLUGIN_DIRECTORY") or "/opt/tf-plugins"),)
SERVED = (
    "acm", "applicationautoscaling", "cloudwatch", "ec2", "ecr", "ecs", "elasticache", "elbv2", "iam", "logs", "rds",
    "s3", "secretsmanager", "servicediscovery", "sts",
)  # fmt: skip
OVERRIDE = """
terraform {{
  backend "local" {{}}
}}
provider "aws" {{
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  s3_use_path_style           = true
  endpoints {{
{endpoints}
  }}
}}
"""

pytestmark = [
    pytest.mark.skipif(not TERRAFORM, reason="terraform is not installed"),
    pytest.mark.slow,
]


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("TF_", "AWS_"))}
    command = [str(TERRAFORM), *arguments]
    done = subprocess.run(
        command, cwd=directory, env=kept | {"TF_IN_AUTOMATION": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    return done


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory, cloud: Cloud) -> Path:
    """A copy of the module whose provider speaks to moto, initialised."""
    directory = tmp_path_factory.mktemp("terraform")
    for path in DIRECTORY.glob("*.tf"):
        shutil.copy(path, directory)
    endpoints = "\n".join(f'    {service} = "{cloud.address}"' for service in SERVED)
    (directory / "override.tf").write_text(OVERRIDE.format(endpoints=endpoints))
    mirrors = [f"-plugin-dir={path}" for path in PLUGIN_DIRECTORIES if path.is_dir()]
    command = [str(TERRAFORM), "init", "-input=false", "-no-color", *mirrors]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    if re.search("Failed to (query available provider packages|install provider)", done.stderr):
        pytest.skip("Terraform's AWS provider is neither in a local directory nor to be had from its registry")
    assert done.returncode == 0, done.stderr
    return directory


@dataclass(frozen=True)
class Environment:
    """An environment that exists on moto."""

    cloud: Cloud
    outputs: dict[str, Any]
    name: str = "mltrain-staging"

    def containers(self) -> dict[str, dict[str, Any]]:
        """Program -> the container of its newest definition."""
        ecs = self.cloud.client("ecs")
        definitions = {name: f"{self.name}-{name}" for name in (*SERVICES, MIGRATIONS)}
        return {
            name: ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]["containerDefinitions"][0]
            for name, family in definitions.items()
        }


@pytest.fixture(scope="module")
def environment(module: Path, cloud: Cloud) -> Iterator[Environment]:
    """Staging, applied; destroyed at the end, which must leave nothing."""
    certificate = cloud.client("acm").request_certificate(DomainName="*.example.org")["CertificateArn"]
    # Moto makes a replication group without the nodes that it consists of.
    cloud.client("elasticache").create_cache_cluster(
        CacheClusterId="mltrain-staging-001",
        Engine="redis",
        EngineVersion="7.1",
        NumCacheNodes=1,
        CacheNodeType="cache.t4g.small",
    )
    given = ("-var-file", str(EXAMPLE), "-var", f"certificate_arn={certificate}")
    options = ("-auto-approve", "-input=false", "-no-color", "-parallelism=30", *given)
    run(module, "apply", *options)
    outputs = json.loads(run(module, "output", "-json").stdout)
    yield Environment(cloud, {key: entry["value"] for key, entry in outputs.items()})
    run(module, "destroy", *options)
    assert not json.loads((module / "terraform.tfstate").read_text())["resources"]


def test_files_are_formatted() -> None:
    run(DIRECTORY, "fmt", "-check", "-diff")


def test_variables_that_cannot_be_meant_are_refused(module: Path) -> None:
    wrong = {
        "image": ("ghcr.io/example/mltrain:latest", "by digest"),
        "environment": ("test", "staging or production"),
        "github_repository": ("example/*", "without wildcards"),
        "project": ("a-name-too-long", "Up to ten small letters"),
    }
    command = [str(TERRAFORM), "plan", "-input=false", "-no-color", "-refresh=false", f"-var-file={EXAMPLE}"]
    command += [f"-var={name}={value}" for name, (value, _) in wrong.items()]
    done = subprocess.run(command, cwd=module, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    said = " ".join(done.stderr.split())
    assert [why for _, why in wrong.values() if why not in said] == []


def test_every_service_that_a_release_moves_is_there_and_no_other(environment: Environment) -> None:
    arns = environment.cloud.client("ecs").list_services(cluster=environment.name, maxResults=50)["serviceArns"]
    assert {arn.rpartition("/")[2] for arn in arns} == set(SERVICES)


def test_every_secret_is_one_that_is_generated_or_asked_for(environment: Environment) -> None:
    listed = environment.cloud.client("secretsmanager").list_secrets(MaxResults=100)["SecretList"]
    # RDS keeps its administrator's password in one of its own.
    prefix = f"{environment.name}/"
    names = {entry["Name"].removeprefix(prefix) for entry in listed if entry["Name"].startswith(prefix)}
    values = make_values("database", "broker", "http://api-server:8080")
    assert names == {*values, *GIVEN}


def test_load_balancer_closes_a_connection_before_the_program_behind_it_does(environment: Environment) -> None:
    balancing, containers = environment.cloud.client("elbv2"), environment.cloud.client("ecs")
    (balancer,) = balancing.describe_load_balancers()["LoadBalancers"]
    attributes = balancing.describe_load_balancer_attributes(LoadBalancerArn=balancer["LoadBalancerArn"])["Attributes"]
    idle_seconds = next(int(one["Value"]) for one in attributes if one["Key"] == "idle_timeout.timeout_seconds")
    found = containers.describe_task_definition(taskDefinition=f"{environment.name}-api-server")["taskDefinition"]
    variables = {one["name"]: one["value"] for one in found["containerDefinitions"][0]["environment"]}
    assert idle_seconds < int(variables["AIRFLOW__API__WORKER_TIMEOUT"])
    assert idle_seconds < KEEP_ALIVE_SECONDS


def test_buckets_are_closed_encrypted_and_keep_replaced_artifacts(environment: Environment) -> None:
    s3 = environment.cloud.client("s3")
    buckets = [entry["Name"] for entry in s3.list_buckets()["Buckets"]]
    assert len(buckets) == 2
    for bucket in buckets:
        assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
        assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    versions = {bucket: s3.get_bucket_versioning(Bucket=bucket).get("Status") for bucket in buckets}
    assert {bucket.split("-")[2]: status for bucket, status in versions.items()}["artifacts"] == "Enabled"


def test_delivery_may_be_taken_by_this_repositorys_environment_alone(environment: Environment) -> None:
    iam = environment.cloud.client("iam")
    role = iam.get_role(RoleName="mltrain-staging-delivery")["Role"]
    condition = role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["StringEquals"]
    assert condition["token.actions.githubusercontent.com:sub"] == "repo:example/mltrain:environment:staging"
    policy = iam.get_role_policy(RoleName="mltrain-staging-delivery", PolicyName="delivery")["PolicyDocument"]
    everywhere = {
        action
        for statement in policy["Statement"]
        if statement["Resource"] == "*" and "Condition" not in statement
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    # AWS knows no resource for these three.
    assert everywhere == {"ecr:GetAuthorizationToken", "ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition"}


def test_no_definition_holds_a_password(environment: Environment) -> None:
    ecs = environment.cloud.client("ecs")
    for arn in ecs.list_task_definitions(maxResults=100)["taskDefinitionArns"]:
        for container in ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]["containerDefinitions"]:
            plain = {entry["name"] for entry in container["environment"]}
            assert not plain & {entry["name"] for entry in container["secrets"]}
            assert not [name for name in plain if re.search("PASSWORD|SECRET|FERNET|API_KEY", name)]


def test_every_program_has_a_health_check_that_it_may_fail_for_ten_minutes(environment: Environment) -> None:
    checks = {name: container.get("healthCheck") for name, container in environment.containers().items()}
    assert checks.pop(MIGRATIONS) is None
    for name, check in checks.items():
        assert check["interval"] * check["retries"] == 600, name
        # What ECS takes.
        assert (2 <= check["timeout"] <= 60, check["retries"] <= 10, check["startPeriod"]) == (True, True, 120), name


def test_programs_are_asked_as_in_compose_but_airflows_loops_by_themselves(environment: Environment) -> None:
    asked = {
        name: one["healthCheck"]["command"] for name, one in environment.containers().items() if name != MIGRATIONS
    }
    jobs = {name: command[command.index("airflow") :] for name, command in asked.items() if "airflow" in command}
    assert jobs == {
        name: ["airflow", "jobs", "check", "--local", "--job-type", job]
        for name, job in (
            ("scheduler", "SchedulerJob"), ("dag-processor", "DagProcessorJob"), ("triggerer", "TriggererJob"),
        )
    }  # fmt: skip
    # Their environment is complete: nothing has to be filled in before.
    start = ["python", "-m", "include.team.start"]
    for name in asked.keys() - jobs.keys():
        expected = [part for part in COMPOSE[name]["healthcheck"]["test"] if part != "CMD"]
        assert asked[name] == ["CMD", *(expected[3:] if expected[:3] == start else expected)], name


def test_every_program_has_the_secrets_that_it_has_in_compose_and_no_other(environment: Environment) -> None:
    for name, container in environment.containers().items():
        had = {RENAMED.get(secret, secret.replace("_", "-")) for secret in COMPOSE[name]["secrets"]} - {None}
        if name != MIGRATIONS and "automation-password" in had:
            had = had - {"automation-password"} | {"airflow-api"}
        arns = [one["valueFrom"].split(":secret:")[1] for one in container["secrets"] if one["name"] != "PGPASSWORD"]
        assert {arn.removeprefix(f"{environment.name}/").rpartition("-")[0] for arn in arns} == had, name


def test_prediction_service_reaches_the_registry_and_the_database_alone(environment: Environment) -> None:
    ec2 = environment.cloud.client("ec2")
    groups = {one["GroupId"]: one["GroupName"].removeprefix(f"{environment.name}-") for one in
              ec2.describe_security_groups()["SecurityGroups"]}  # fmt: skip
    ways = {
        (groups[one["ReferencedGroupInfo"]["GroupId"]], groups[one["GroupId"]], one["FromPort"])
        for one in ec2.describe_security_group_rules()["SecurityGroupRules"]
        if "ReferencedGroupInfo" in one
    }
    assert {way for way in ways if way[0] == "serving"} == {("serving", "mlflow", 5000), ("serving", "database", 5432)}
    assert {way for way in ways if way[1] == "broker"} == {("airflow", "broker", 6379)}
    # The migrations run in MLflow's network.
    assert ("mlflow", "database", 5432) in ways
    services = environment.cloud.client("ecs").describe_services(cluster=environment.name, services=list(SERVICES))
    found = {
        service["serviceName"]: [groups[one] for one in
                                 service["networkConfiguration"]["awsvpcConfiguration"]["securityGroups"]]
        for service in services["services"]
    }  # fmt: skip
    assert found == {name: [name if name in ("mlflow", "serving") else "airflow"] for name in SERVICES}


def test_load_balancer_asks_whether_the_prediction_service_can_predict(environment: Environment) -> None:
    groups = environment.cloud.client("elbv2").describe_target_groups()["TargetGroups"]
    asked = {one["TargetGroupName"].removeprefix(f"{environment.name}-"): one["HealthCheckPath"] for one in groups}
    assert asked["serving"] == "/readyz?champion=optional"


def test_people_get_into_containers_of_staging_by_the_channel_that_the_task_opens(environment: Environment) -> None:
    iam = environment.cloud.client("iam")
    for program in ("airflow", "mlflow", "serving"):
        policy = iam.get_role_policy(RoleName=f"{environment.name}-{program}", PolicyName="shell")["PolicyDocument"]
        assert set(policy["Statement"][0]["Action"]) == {
            f"ssmmessages:{verb}{channel}Channel" for verb in ("Create", "Open") for channel in ("Control", "Data")
        }


def test_nobody_gets_into_containers_of_production(module: Path) -> None:
    given = (f"-var-file={EXAMPLE}", "-var=environment=production", "-state=production.tfstate", "-out=production.plan")
    run(module, "plan", "-input=false", "-no-color", *given)
    planned = json.loads(run(module, "show", "-json", "production.plan").stdout)["planned_values"]["root_module"]
    services = [one["values"] for one in planned["resources"] if one["type"] == "aws_ecs_service"]
    assert {one["enable_execute_command"] for one in services} == {False}
    assert len(services) == len(SERVICES)
    assert not [one for one in planned["resources"] if one["address"].startswith("aws_iam_role_policy.shell")]


def test_missing_scheduler_is_an_alarm(environment: Environment) -> None:
    # How much CPU it uses says nothing of one that hangs: its health check uses some.
    alarms = environment.cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]
    [alarm] = [one for one in alarms if one["AlarmName"].endswith("scheduler-away")]
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Threshold"]) == (
        "ECS/ContainerInsights", "RunningTaskCount", 1,
    )  # fmt: skip
    cluster = environment.cloud.client("ecs").describe_clusters(clusters=[environment.name], include=["SETTINGS"])
    assert {"name": "containerInsights", "value": "enabled"} in cluster["clusters"][0]["settings"]
