"""The stack of docker-compose.yaml as the engine runs it: limits, the main job on Celery's workers, people's roles."""

import json
from typing import Any

import httpx
import mlflow
import pytest

from include.embedded.commands.airflow_api import Run
from tests.containers.conftest import EVALUATIONS
from tests.containers.team_stack import TeamBench, TeamStack, trials_of
from tests.dashboards.test_access import BODIES
from tests.team.compose_file import load_compose
from tests.waiting import wait_until

# At a time of its own: without one, the answer is that for now.
TRIP = {"pickup_zone": 74, "dropoff_zone": 75, "trip_distance": 1.98, "pickup_at": "2024-02-14 18:30"}
FILE = load_compose()
SERVICES = {name: entry for name, entry in FILE["services"].items() if "profiles" not in entry}
REPLICAS = {"worker-cpu": 2, "serving": 2}
BYTES = {"m": 2**20, "g": 2**30}


def test_script_prints_where_everything_is(stack: TeamStack) -> None:
    assert f"{stack.address('api-server-1').replace('127.0.0.1', 'localhost')}  admin / {stack.passwords['admin']}" in (
        stack.started
    )
    assert f"reader / {stack.secret('mlflow_reader_password')}" in stack.started


def test_every_service_runs_in_as_many_containers_as_asked_and_is_healthy(stack: TeamStack) -> None:
    wanted = {f"{name}-{number}" for name in SERVICES for number in range(1, REPLICAS.get(name, 1) + 1)}
    assert set(stack.containers()) == wanted
    assert stack.is_healthy()


def test_containers_can_do_no_more_than_the_file_says(stack: TeamStack) -> None:
    for name, container in stack.containers().items():
        entry, host = SERVICES[name.rpartition("-")[0]], container["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert not host["CapAdd"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert not host["Privileged"], name
        assert container["Config"]["User"] not in ("", "root", "0", "0:0"), name
        limit = entry["mem_limit"]
        assert host["Memory"] == int(limit[:-1]) * BYTES[limit[-1]], name
        assert host["PidsLimit"] == entry["pids_limit"], name
        networks = {network.removeprefix(f"{stack.name}_") for network in container["NetworkSettings"]["Networks"]}
        assert networks == set(entry["networks"]), name


def test_networks_that_are_internal_lead_nowhere(stack: TeamStack) -> None:
    found = json.loads(stack.engine.run("network", "inspect", *(f"{stack.name}_{name}" for name in FILE["networks"])))
    internal = {entry["Name"].removeprefix(f"{stack.name}_") for entry in found if entry["Internal"]}
    assert internal == {name for name, entry in FILE["networks"].items() if (entry or {}).get("internal")}


def test_program_reaches_what_shares_a_network_with_it_and_nothing_else(stack: TeamStack) -> None:
    ask = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"

    def reaches(host: str, port: int) -> bool:
        try:
            stack.compose("exec", "--no-TTY", "serving", "python", "-c", ask, host, str(port))
        except AssertionError:
            return False
        return True

    assert reaches("mlflow", 5000)
    assert reaches("postgres", 5432)
    assert not reaches("broker", 6379)
    assert not reaches("api-server", 8080)
    # The default gateway of another network is no way around.
    broker = stack.containers()["broker-1"]["NetworkSettings"]["Networks"][f"{stack.name}_broker"]["IPAddress"]
    assert not reaches(broker, 6379)


@pytest.mark.parametrize("worker", ["worker-cpu", "worker-default"])
def test_temporary_files_of_workers_are_on_a_disk(stack: TeamStack, worker: str) -> None:
    ask = 'touch "$TMPDIR/here" && stat --file-system --format=%T "$TMPDIR"'
    assert stack.compose("exec", "--no-TTY", worker, "sh", "-c", ask).strip() not in ("", "tmpfs")


def test_second_start_changes_nothing(stack: TeamStack) -> None:
    before = {name: entry["Id"] for name, entry in stack.containers().items() if name != "migrations-1"}
    printed = stack.start()
    assert printed[printed.index("Airflow  ") :] == stack.started[stack.started.index("Airflow  ") :]
    after = {name: entry["Id"] for name, entry in stack.containers().items() if name != "migrations-1"}
    assert before == after
    assert stack.is_healthy()


def test_main_job_ends_with_a_champion_that_both_services_serve(stack: TeamStack, job: list[Run]) -> None:
    for container in ("serving-1", "serving-2"):
        stack.ask(container, "reload")
    first, second = (stack.ask(container, "predict", json=TRIP) for container in ("serving-1", "serving-2"))
    assert first == second
    assert 1 < first["predictions"][0] < 60
    refused = httpx.post(f"{stack.address('serving-1')}/predict", json=TRIP, trust_env=False)
    assert refused.status_code == 401


def test_tuning_ran_on_the_workers_for_it_and_the_rest_on_the_other(bench: TeamBench, job: list[Run]) -> None:
    for run in job:
        queues = {task_id: task["queue"] for (task_id, _), task in bench.tasks(run).items()}
        assert queues.pop("tune") == "cpu"
        assert set(queues.values()) == {"default"}


def test_every_trial_is_kept_once_in_the_warehouse_and_in_mlflow(
    stack: TeamStack, bench: TeamBench, job: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "reader")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", stack.secret("mlflow_reader_password"))
    client = mlflow.MlflowClient(stack.address("mlflow-1"))
    for run in job:
        for model, trials in trials_of(bench, run).items():
            numbers = [number for number, _ in trials]
            assert numbers == list(range(EVALUATIONS)), model
            key = f"tags.run_key = '{run.dag_id}/{run.run_id}' AND tags.model = '{model}' AND tags.role = 'model'"
            [parent] = client.search_runs(["1"], key)
            children = client.search_runs(["1"], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
            assert sorted(int(child.data.tags["trial"]) for child in children) == numbers, model
        assert len(bench.events_of(run)) == 1


def test_mlflow_lets_readers_read_writers_write_and_strangers_not_in(stack: TeamStack, job: list[Run]) -> None:
    def ask(user: str | None, path: str, **body: Any) -> int:
        login = (user, stack.secret(f"mlflow_{user}_password")) if user else None
        address = f"{stack.address('mlflow-1')}/api/2.0/mlflow/{path}"
        return httpx.post(address, json=body, auth=login, trust_env=False).status_code

    create = "experiments/create"
    assert ask(None, "experiments/search", max_results=1) == 401
    assert ask("reader", "experiments/search", max_results=1) == 200
    assert ask("reader", create, name="by a reader") == 403
    assert ask("writer", create, name="by a writer") == 200


# Role -> what it may: look at a run, start one, read connections, read what everybody did.
RIGHTS = {
    "guest": (200, 403, 403, 403),
    "analyst": (200, 200, 403, 403),
    "operator": (200, 200, 200, 403),
    "admin": (200, 200, 200, 200),
}


@pytest.mark.parametrize("user", RIGHTS)
def test_role_from_the_settings_decides_what_airflow_allows(stack: TeamStack, user: str) -> None:
    with stack.log_in(user) as api:
        run = {"logical_date": None, "conf": {"numbers": "median"}}
        answers = (
            api.get("/api/v2/dags/example/dagRuns"),
            api.post("/api/v2/dags/example/dagRuns", json=run),
            api.get("/api/v2/connections"),
            api.get("/api/v2/eventLogs"),
        )
        assert tuple(answer.status_code for answer in answers) == RIGHTS[user], [answer.text for answer in answers]


def test_dashboards_let_viewers_look_users_act_and_strangers_not_in(stack: TeamStack, job: list[Run]) -> None:
    from tests.e2e.test_dashboards import walk

    with (
        stack.log_in("guest") as viewer,
        stack.log_in("analyst") as user,
        httpx.Client(base_url=stack.address("api-server-1"), timeout=60, trust_env=False) as stranger,
    ):
        for method, path, route in walk():
            body = BODIES.get(route, {})
            assert stranger.request(method, path, json=body).status_code == 401, path
            seen = viewer.request(method, path, json=body).status_code
            assert seen in ((403,) if route == "/predict" else (200, 204, 307)), f"{method} {path}: {seen}"
        assert user.post("/mltrain/predict", json=BODIES["/predict"]).status_code == 200


def test_wrong_password_is_refused(stack: TeamStack) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="401"), stack.log_in("admin", "wrong"):
        pass


def test_mail_leaves_by_the_connection_in_the_secret(stack: TeamStack, job: list[Run]) -> None:
    def sent() -> str:
        return stack.compose("exec", "--no-TTY", "mailpit", "sh", "-c", "ls /tmp/mail")

    wait_until(lambda: ".eml" in sent(), "a summary of the job arrives")


def test_no_command_line_shows_a_secret(stack: TeamStack) -> None:
    secrets = [path.read_text().strip() for path in (stack.project / "secrets").glob("[!.]*")]
    lines = stack.compose("top")
    assert "airflow" in lines
    assert not [secret for secret in secrets if len(secret) > 20 and secret in lines]


def test_second_migration_changes_nothing(stack: TeamStack) -> None:
    again = stack.compose("run", "--rm", "--no-deps", "migrations")
    assert "Warehouse: applied nothing" in again
    assert "guest is Viewer" in again
    with stack.log_in("guest") as guest:
        assert guest.get("/api/v2/dags").is_success
