"""docker-compose.yaml as it stands: valid, pinned, closed, and complete."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from include.settings import SETTING_KEYS
from include.training.engines.shares import ADDRESS
from scripts.settings_reference import list_settings
from tests.team.compose_file import COMPOSE, LISTENS, load_compose, read_settings

FILE = load_compose()
SERVICES: dict[str, Any] = FILE["services"]
OURS = [name for name, entry in SERVICES.items() if entry["image"].startswith("mltrain:")]
# What listens, mail included, and what each service uses of it. The mail server's address is a secret of its own.
ADDRESSES = [*LISTENS]
AIRFLOW, WORKER = (
    {"postgres", "api-server"},
    {"postgres", "api-server", "broker", "mlflow", "mailpit", "dask-scheduler"},
)
NEEDS = {
    "postgres": set(),
    "broker": set(),
    "mailpit": set(),
    "migrations": AIRFLOW,
    "mlflow": {"postgres"},
    "serving": {"postgres", "mlflow"},
    "dask-scheduler": set(),
    "dask-worker": {"postgres", "dask-scheduler"},
    "api-server": {"postgres", "mlflow"},
    "scheduler": {*AIRFLOW, "broker"},
    "dag-processor": {*AIRFLOW, "mlflow", "mailpit"},
    "triggerer": {*AIRFLOW, "mailpit"},
    **dict.fromkeys(("worker-default", "worker-cpu", "worker-gpu"), WORKER),
}
SECRET = re.compile(r"<secret:(\w+)>")


def test_file_is_what_the_compose_specification_allows() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_services_are_those_of_a_team() -> None:
    workers = {"worker-default", "worker-cpu", "worker-gpu"}
    airflow = {"api-server", "scheduler", "dag-processor", "triggerer", "migrations", *workers}
    assert set(SERVICES) == airflow | {
        "postgres", "broker", "mlflow", "serving", "mailpit", "dask-scheduler", "dask-worker"
    }  # fmt: skip
    assert SERVICES["serving"]["deploy"]["replicas"] == 2
    first, last = map(int, read_settings()["SERVING_PORTS"].split("-"))
    assert last - first + 1 == SERVICES["serving"]["deploy"]["replicas"], "a port for each replica"


@pytest.mark.parametrize("name", SERVICES)
def test_service_can_do_no_more_than_it_must(name: str) -> None:
    entry = SERVICES[name]
    assert entry["read_only"] is True
    assert entry["cap_drop"] == ["ALL"]
    assert entry["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "network_mode", "pid", "ipc", "cap_add"} & entry.keys()
    assert name in OURS or entry["user"] not in ("root", "0", "0:0"), "the Dockerfile names our image's account"
    assert all(port.startswith("127.0.0.1:") for port in entry.get("ports", ()))
    assert all(volume.split(":")[0] in FILE["volumes"] or volume.endswith(":ro") for volume in entry.get("volumes", ()))


@pytest.mark.parametrize("name", SERVICES)
def test_service_cannot_take_the_machines_memory_or_processes_from_the_others(name: str) -> None:
    entry = SERVICES[name]
    assert re.fullmatch(r"\d+[mg]", entry["mem_limit"])
    assert 0 < entry["pids_limit"] <= 1024


def reachable(name: str) -> set[str]:
    """The services that listen and share a network with this one."""
    own = set(SERVICES[name]["networks"])
    return {other for other in ADDRESSES if other != name and own & set(SERVICES[other]["networks"])}


@pytest.mark.parametrize("name", SERVICES)
def test_service_reaches_what_it_uses_and_nothing_else(name: str) -> None:
    # A network works both ways: who is asked could ask back.
    asks = NEEDS[name] | {other for other, needs in NEEDS.items() if name in needs and other in ADDRESSES}
    assert reachable(name) == asks


@pytest.mark.parametrize("name", SERVICES)
def test_service_reaches_every_address_that_it_is_given(name: str) -> None:
    entry = {key: SERVICES[name].get(key) for key in ("command", "environment", "healthcheck")}
    named = set(re.findall(rf"({'|'.join(ADDRESSES)}):\d", json.dumps(entry)))
    assert named - {name} <= reachable(name)
    assert named - {name} <= NEEDS[name]


def test_network_that_leads_out_is_one_of_a_service_that_needs_that() -> None:
    out = {network for network, entry in FILE["networks"].items() if not (entry or {}).get("internal")}
    assert out == {"airflow", "mail", "mlflow", "serving"}
    published = {name for name, entry in SERVICES.items() if "ports" in entry}
    assert all(out & set(SERVICES[name]["networks"]) for name in published), "a port leads to an internal network"
    members = {network: {name for name, entry in SERVICES.items() if network in entry["networks"]} for network in out}
    assert (members["mlflow"], members["serving"]) == ({"mlflow"}, {"serving"})
    assert not members["airflow"] & {"postgres", "broker", "mlflow", "serving", "mailpit", "migrations"}


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in OURS])
def test_image_of_others_is_pinned_to_a_release(name: str) -> None:
    assert re.fullmatch(r"[\w./-]+:v?\d+(\.\d+)+(-\w+)?(@sha256:[0-9a-f]{64})?", SERVICES[name]["image"])


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "migrations"])
def test_service_has_a_health_check_and_comes_back(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_what_runs_once_is_waited_for_by_a_service_that_stays() -> None:
    # Otherwise `up --wait` takes its end for a failure.
    waiting = [entry["depends_on"] for entry in SERVICES.values() if "migrations" in entry.get("depends_on", ())]
    assert waiting
    assert all(needs["migrations"] == {"condition": "service_completed_successfully"} for needs in waiting)
    assert SERVICES["migrations"]["restart"] == "no"


@pytest.mark.parametrize("name", OURS)
def test_service_gets_exactly_the_secrets_that_its_environment_names(name: str) -> None:
    named = SECRET.findall(json.dumps(SERVICES[name].get("environment", {})))
    assert set(SERVICES[name].get("secrets", ())) == set(named)


def test_each_database_has_an_owner_of_its_own_whose_password_only_its_users_get() -> None:
    holders = {
        secret: {name for name, entry in SERVICES.items() if secret in entry.get("secrets", ())}
        for secret in FILE["secrets"]
    }
    assert holders["postgres_password"] == {"postgres", "migrations"}
    assert holders["mlflow_database_password"] == {"mlflow", "migrations"}
    assert not holders["airflow_database_password"] & {"mlflow", "serving"}
    workers = {name for name in SERVICES if name.startswith("worker-")}
    assert holders["jwt_secret"] == {"api-server", "scheduler"}, "who has it can make tokens for any task"
    assert holders["broker_password"] == {"broker", "scheduler", *workers}
    assert holders["user_passwords"] == {"migrations"}
    assert holders["smtp_connection"] == {"dag-processor", "triggerer", *workers}
    assert holders["alert_urls"] == {*holders["smtp_connection"], "migrations"}
    assert all(holders.values()), "a secret that nobody gets"


def test_migrations_are_given_every_secret_that_is_a_setting_so_that_they_check_it() -> None:
    named = {
        key
        for entry in SERVICES.values()
        for key, value in entry.get("environment", {}).items()
        if key in SETTING_KEYS and SECRET.search(str(value))
    }
    assert named
    assert named <= SERVICES["migrations"]["environment"].keys()


def test_only_services_that_run_tasks_may_write_to_mlflow() -> None:
    roles = {name: entry.get("environment", {}).get("MLFLOW_TRACKING_USERNAME") for name, entry in SERVICES.items()}
    writers = {name for name, role in roles.items() if role == "writer"}
    assert writers == {name for name in SERVICES if name.startswith("worker-")}
    holders = {name for name, entry in SERVICES.items() if "mlflow_writer_password" in entry.get("secrets", ())}
    assert holders == writers | {"mlflow"}


def test_every_setting_that_the_file_names_is_in_env() -> None:
    named = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text()))
    assert named - {"GIT_COMMIT"} <= read_settings().keys()


def test_setting_that_says_nothing_has_the_default_of_the_code() -> None:
    defaults = {setting.key: setting.default for setting in list_settings()}
    named = set(re.findall(r"\$\{(\w+)(?::-([^${}]*))?", COMPOSE.read_text())) - {("GIT_COMMIT", "")}
    nested = {("AIRFLOW_ADDRESS", "http://localhost:")}
    assert named - nested == {(key, defaults[key]) for key, _ in named - nested}
    assert all(defaults[key] for key, _ in named - nested)


def test_ports_that_are_published_are_those_that_programs_listen_on() -> None:
    published = {name: int(port.split(":")[-1]) for name, entry in SERVICES.items() for port in entry.get("ports", ())}
    assert published == {name: LISTENS[name] for name in published if name != "mailpit"} | {"mailpit": 8025}


def test_gpu_profile_adds_one_worker_that_computes_on_the_gpu() -> None:
    assert [name for name, entry in SERVICES.items() if entry.get("profiles") == ["gpu"]] == ["worker-gpu"]
    worker = SERVICES["worker-gpu"]
    assert worker["environment"]["XGBOOST_DEVICE"] == "cuda"
    assert worker["deploy"]["resources"]["reservations"]["devices"] == [
        {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    ]


def test_dask_profile_adds_a_cluster_whose_workers_read_the_warehouse_by_themselves() -> None:
    found = [name for name, entry in SERVICES.items() if entry.get("profiles") == ["dask"]]
    assert found == ["dask-scheduler", "dask-worker"]
    scheduler, worker = (SERVICES[name] for name in found)
    assert worker["image"] == scheduler["image"] == SERVICES["worker-default"]["image"], "the same code and packages"
    assert ADDRESS in worker["environment"]
    assert ADDRESS not in {*scheduler.get("environment", {}), *SERVICES["worker-default"]["environment"]}
    assert worker["deploy"]["replicas"] == read_settings()["DASK_WORKERS"]
    assert int(worker["command"][-1].removesuffix("GiB")) < int(worker["mem_limit"].removesuffix("g"))


def test_queues_of_the_workers_are_those_of_the_tasks() -> None:
    from include.orchestration.training_dags import CPU_QUEUE, DEFAULT_QUEUE, GPU_QUEUE

    commands = {name: entry["command"] for name, entry in SERVICES.items() if name.startswith("worker")}
    queues = {name: command[command.index("--queues") + 1] for name, command in commands.items()}
    assert queues == {"worker-default": DEFAULT_QUEUE, "worker-cpu": CPU_QUEUE, "worker-gpu": GPU_QUEUE}


def test_file_keeps_the_options_of_all_stacks_out() -> None:
    from include.embedded import options

    airflow = options.name_variables(options.AIRFLOW_OPTIONS) | options.name_variables(options.CONTAINER_OPTIONS)
    shared = options.SHARED_ENVIRONMENT | options.MLFLOW_SERVER_ENVIRONMENT | airflow
    for entry in yaml.safe_load(COMPOSE.read_text())["services"].values():
        assert not shared.keys() & entry.get("environment", {}).keys()
