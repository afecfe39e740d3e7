"""The stack of docker-compose.yaml at work: the main job on Celery's workers, people's roles, two serving processes."""

from pathlib import Path
from typing import Any

import httpx
import mlflow
import psutil
import pytest

from include.embedded.commands.airflow_api import Run
from tests.dashboards.test_access import BODIES
from tests.e2e.conftest import Bench
from tests.team.conftest import log_in
from tests.team.running import Containers
from tests.waiting import wait_until

pytestmark = pytest.mark.slow
TRIP = {"pickup_zone": 74, "dropoff_zone": 75, "trip_distance": 1.98}
# Slow enough for a worker to be killed in the middle of it.
SLOW = {
    "sample_rows": 12000,
    "max_evaluations": 4,
    "sklearn_models": "ensemble.RandomForestRegressor,ensemble.ExtraTreesRegressor",
    "xgboost_models": "gbtree.squarederror,gbtree.gamma",
}


def tuning(bench: Bench, run: Run) -> list[dict]:
    """The run's tuning tasks, as Airflow shows them."""
    return [task for (task_id, index), task in bench.tasks(run).items() if task_id == "tune" and index >= 0]


def trials_of(bench: Bench, run: Run) -> dict[str, list[int]]:
    """Model -> numbers of its trials, in order of storing."""
    rows = bench.query(
        "SELECT model, array_agg(number ORDER BY finished_at) FROM training.trials WHERE run_key = %s GROUP BY model",
        f"{run.dag_id}/{run.run_id}",
    )
    return dict(rows)


@pytest.fixture(scope="module")
def job(containers: Containers, bench: Bench) -> dict:
    """The main job, in the middle of which a worker that tunes is killed: its runs, and what was seen on the way."""
    bench.use_new_data(**SLOW)
    _, runs = bench.prepare()
    seen: dict[str, dict[tuple[str, int], int]] = {"worker-cpu-1": {}, "worker-cpu-2": {}}

    def look() -> bool:
        for run in runs:
            for task in tuning(bench, run):
                if task["hostname"] in seen and task["state"] == "running":
                    seen[task["hostname"]][run.dag_id, task["map_index"]] = task["pid"]
        stored = {(run.dag_id, model): len(numbers) for run in runs for model, numbers in trials_of(bench, run).items()}
        return all(seen.values()) and any(count >= 2 for count in stored.values())

    wait_until(look, "both workers tune")
    victims = {
        (run.dag_id, task["map_index"]): len(trials_of(bench, run))
        for run in runs
        for task in tuning(bench, run)
        if task["hostname"] == "worker-cpu-2" and task["state"] == "running"
    }
    containers.kill("worker-cpu-2")
    for run in runs:
        bench.wait(run)
    return {"runs": runs, "seen": seen, "victims": victims}


def test_tuning_is_spread_over_two_workers_each_in_processes_of_its_own(containers: Containers, job: dict) -> None:
    first, second = job["seen"].values()
    assert first, "the first worker tuned"
    assert second, "the second worker tuned"
    assert not set(first.values()) & set(second.values()), "no process is of both"
    assert containers.processes["worker-cpu-1"].pid != containers.processes["worker-cpu-2"].pid


def test_job_completes_though_a_worker_was_killed_and_what_it_did_goes_on_elsewhere(bench: Bench, job: dict) -> None:
    assert job["victims"], "the killed worker was at work"
    tasks = {(run.dag_id, task["map_index"]): task for run in job["runs"] for task in tuning(bench, run)}
    for key, task in tasks.items():
        assert task["state"] == "success"
        assert task["try_number"] == (2 if key in job["victims"] else 1), key
        if key in job["victims"]:
            assert task["hostname"] == "worker-cpu-1"


def test_no_trial_is_lost_or_counted_twice(
    containers: Containers, bench: Bench, job: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "reader")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", containers.secret("mlflow_reader_password"))
    client = mlflow.MlflowClient(containers.address("mlflow"))
    for run in job["runs"]:
        stored = trials_of(bench, run)
        assert len(stored) == 2
        for model, numbers in stored.items():
            assert numbers == list(range(SLOW["max_evaluations"])), model
            [parent] = client.search_runs(
                ["1"], f"tags.run_key = '{run.dag_id}/{run.run_id}' AND tags.model = '{model}' AND tags.role = 'model'"
            )
            children = client.search_runs(["1"], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
            assert sorted(int(child.data.tags["trial"]) for child in children) == numbers, model
        assert len(bench.events_of(run)) == 1


def test_tuning_ran_on_the_workers_for_it_and_the_rest_on_the_other(bench: Bench, job: dict) -> None:
    for run in job["runs"]:
        queues = {task_id: task["queue"] for (task_id, _), task in bench.tasks(run).items()}
        assert queues.pop("tune") == "cpu"
        assert set(queues.values()) == {"default"}


def test_every_container_is_healthy_after_the_job_but_the_killed_one(containers: Containers, job: dict) -> None:
    problems = {name: each.find_problem() for name, each in containers.running.items() if each.health}
    assert {name for name, problem in problems.items() if problem} == {"worker-cpu-2"}, problems


def test_both_serving_processes_predict_alike_and_one_goes_on_alone(
    containers: Containers, bench: Bench, job: dict
) -> None:
    key = {"X-API-Key": containers.secret("serving_api_key")}

    def ask(name: str, path: str, **body: Any) -> dict[str, Any]:
        answer = httpx.post(f"{containers.address(name)}/{path}", headers=key, timeout=60, trust_env=False, **body)
        return answer.raise_for_status().json()

    for training in job["runs"]:
        for promotion in bench.runs_after(training, "model_promotion"):
            bench.wait(promotion)
    for name in ("serving-1", "serving-2"):
        ask(name, "reload")
    first, second = (ask(name, "predict", json=TRIP) for name in ("serving-1", "serving-2"))
    assert first == second
    assert httpx.post(f"{containers.address('serving-1')}/predict", json=TRIP, trust_env=False).status_code == 401
    containers.kill("serving-1")
    assert ask("serving-2", "predict", json=TRIP) == second


def test_mail_leaves_by_the_connection_in_the_secret(job: dict, mail: tuple[int, Path]) -> None:
    wait_until(lambda: list(mail[1].glob("*.eml")), "a summary of the job arrives")


def test_no_command_line_shows_a_secret(containers: Containers) -> None:
    secrets = [path.read_text().strip() for path in containers.composed.secrets.iterdir() if path.stat().st_size > 20]
    for process in containers.processes.values():
        if not process.is_running():
            continue
        for each in [process, *process.children(recursive=True)]:
            try:
                line = " ".join(each.cmdline())
            except psutil.NoSuchProcess:
                continue
            assert not [secret for secret in secrets if secret in line], line


# Role -> what it may: look at a run, start one, read connections, read what everybody did.
RIGHTS = {
    "guest": (200, 403, 403, 403),
    "analyst": (200, 200, 403, 403),
    "operator": (200, 200, 200, 403),
    "admin": (200, 200, 200, 200),
}


@pytest.mark.parametrize("user", RIGHTS)
def test_role_from_the_settings_decides_what_airflow_allows(
    containers: Containers, passwords: dict[str, str], user: str
) -> None:
    with log_in(containers, user, passwords[user]) as api:
        run = {"logical_date": None, "conf": {"numbers": "median"}}
        answers = (
            api.get("/api/v2/dags/example/dagRuns"),
            api.post("/api/v2/dags/example/dagRuns", json=run),
            api.get("/api/v2/connections"),
            api.get("/api/v2/eventLogs"),
        )
        assert tuple(answer.status_code for answer in answers) == RIGHTS[user], [answer.text for answer in answers]


def test_dashboards_let_viewers_look_users_act_and_strangers_not_in(
    containers: Containers, passwords: dict[str, str], job: dict
) -> None:
    from tests.e2e.test_dashboards import walk

    with (
        log_in(containers, "guest", passwords["guest"]) as viewer,
        log_in(containers, "analyst", passwords["analyst"]) as user,
        httpx.Client(base_url=containers.address("api-server"), timeout=60, trust_env=False) as stranger,
    ):
        for method, path, route in walk():
            body = BODIES.get(route, {})
            assert stranger.request(method, path, json=body).status_code == 401, path
            seen = viewer.request(method, path, json=body).status_code
            assert seen in ((403,) if route == "/predict" else (200, 204, 307)), f"{method} {path}: {seen}"
        assert user.post("/mltrain/predict", json=BODIES["/predict"]).status_code == 200


def test_wrong_password_is_refused(containers: Containers) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="401"), log_in(containers, "admin", "wrong"):
        pass


def test_second_migration_changes_nothing(containers: Containers, passwords: dict[str, str]) -> None:
    before = containers.log("migrations-1").read_text()
    assert "guest was created as Viewer" in before
    containers.start("migrations")
    again = containers.log("migrations-1").read_text().removeprefix(before)
    assert "Warehouse: applied nothing" in again
    assert "was created" not in again
    with log_in(containers, "guest", passwords["guest"]) as guest:
        assert guest.get("/api/v2/dags").is_success
