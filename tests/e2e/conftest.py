"""The whole embedded stack, started once for all end-to-end tests, on ports and in a directory of its own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from include.embedded.commands.airflow_api import AirflowApi, Run
from include.embedded.environment import tracking_environment
from include.embedded.lifecycle import find_running, reset
from include.embedded.programs.supervision import log_path, tail
from include.embedded.settings import STACK_KEYS
from include.embedded.stack import Stack
from include.settings import read_settings
from include.sources import open_batches
from include.tracking_server.routes import WRITER
from tests.conftest import find_free_port
from tests.mail_server import MailServer, run_mail_server
from tests.waiting import MOST_SECONDS, wait_until

ROOT = Path(__file__).resolve().parents[2]
DAG_FILES = sorted((ROOT / "dags").glob("*.py"))
# A server that was killed on purpose is back within this.
SECONDS_OF_TROUBLE = 120
SECONDS_BETWEEN_TRIES = 0.3
TRAININGS = ("sklearn_training", "xgboost_training")
FOLLOWERS = ("model_promotion", "model_monitoring", "batch_prediction")
# Small enough for seconds, large enough for the models to learn something.
SMALL = {"SAMPLE_ROWS": "3000", "MAX_EVALUATIONS": "3", "MINIMUM_ROWS": "500"}
# Nothing starts by itself but where a test is about it.
SMALL |= {"RETRAINING_SCHEDULE": "0 0 1 1 *", "MONITORING_SCHEDULE": "0 0 1 1 *", "WATCH_INTERVAL": "0"}
SMALL |= {"ALERT_SCHEDULE": "0 0 1 1 *"}
# Who works on the code tests what is not committed yet.
SMALL |= {"REGISTER_UNCOMMITTED": "true"}
ONE_MODEL_A_FAMILY = {"SKLEARN_MODELS": "linear_model.LinearRegression", "XGBOOST_MODELS": "gbtree.squarederror"}
# The command from nothing trains the third family, too; after it, two show what is right for any number.
ONE_MODEL_A_FAMILY |= {"LIGHTGBM_MODELS": ""}
SEEDS = count(1000)
PORTS = ("AIRFLOW_PORT", "MLFLOW_PORT", "POSTGRES_PORT", "SMTP_PORT", "SERVING_PORT", "SUPERVISOR_PORT")


@pytest.fixture(scope="package")
def home() -> Iterator[Path]:
    """The directory of the stack; what runs in it is stopped at the end."""
    directory = Path(tempfile.mkdtemp(prefix="mltrain-e2e-"))
    directory.chmod(0o755)
    yield directory / "home"
    left = reset(directory / "home")
    shutil.rmtree(directory)
    assert not left, "everything in a stack's directory is known as its"


@pytest.fixture(scope="package")
def mail_server(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    """A mail server as strict as a company's, which also keeps what it takes where the stack's own server does."""
    with run_mail_server(tmp_path_factory.mktemp("mail"), find_free_port(), home / "mail") as server:
        yield server


@pytest.fixture(scope="package")
def command(home: Path, mail_server: MailServer) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Gives the stack a command, as `make` does, with settings of the tests' own."""
    environment = {key: value for key, value in os.environ.items() if key not in STACK_KEYS}
    environment |= {name: str(find_free_port()) for name in PORTS}
    environment |= {**SMALL, "MLTRAIN_HOME": str(home), "START_TIMEOUT": str(MOST_SECONDS), "COLUMNS": "160"}
    # Nobody but the tests has signed the server's certificate.
    environment["AIRFLOW_CONN_SMTP_DEFAULT"] = json.dumps(mail_server.connection(ssl_context="none"))

    def give(name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "include.embedded", name],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=MOST_SECONDS,
            check=False,
        )

    return give


@pytest.fixture(scope="package")
def main_job(command: Callable[[str], subprocess.CompletedProcess[str]]) -> subprocess.CompletedProcess[str]:
    """The command that a newcomer gives: its output and exit code. For modules that need its models."""
    return command("run")


@dataclass
class Bench:
    """What a test does with the stack, as its users would: over the API, the database and the settings file."""

    stack: Stack
    api: httpx.Client

    def configure(self, **settings: Any) -> None:
        """Settings that hold from the next task on, on top of the small ones."""
        given = {key.upper(): value for key, value in settings.items()}
        lines = [f"{key}={value}" for key, value in {**SMALL, **ONE_MODEL_A_FAMILY, **given}.items()]
        (self.stack.home / "settings.env").write_text("\n".join(lines) + "\n")

    def use_new_data(self, **settings: Any) -> None:
        """Settings with a sample that no run has seen."""
        self.configure(sample_seed=next(SEEDS), **settings)

    def trigger(self, dag_id: str, **conf: Any) -> Run:
        """Starts a run."""
        body = {"logical_date": None, "conf": conf}
        answer = self.api.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        assert answer.status_code in (200, 201), answer.text
        return Run(dag_id, answer.json()["dag_run_id"], "queued")

    def get(self, path: str, **params: Any) -> Any:
        """The answer of Airflow's API below /api/v2/."""
        deadline = time.monotonic() + SECONDS_OF_TROUBLE
        while True:
            is_last = time.monotonic() > deadline
            try:
                answer = self.api.get(f"/api/v2/{path}", params=params)
            except httpx.TransportError:  # a server may close a connection just when it is used again
                if is_last:
                    raise
            else:
                if is_last or not answer.is_server_error:
                    break
            time.sleep(SECONDS_BETWEEN_TRIES)
        assert answer.is_success, f"{answer.url}: {answer.status_code} {answer.text}"
        return answer.json()

    def details(self, run: Run) -> dict[str, Any]:
        """The run as the API shows it."""
        return self.get(f"dags/{run.dag_id}/dagRuns/{run.run_id}")

    def tasks(self, run: Run) -> dict[tuple[str, int], dict[str, Any]]:
        """Task id and map index -> task instance."""
        path = f"dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances"
        return {(entry["task_id"], entry["map_index"]): entry for entry in self.get(path, limit=200)["task_instances"]}

    def wait(self, run: Run, state: str = "success") -> dict[str, Any]:
        """Waits until the run has ended, which must be in `state`."""
        wait_until(lambda: self.details(run)["state"] in ("success", "failed"), f"{run.dag_id} {run.run_id} ends")
        details = self.details(run)
        assert details["state"] == state, "\n".join(self.report(run))
        return details

    def wait_until_quiet(self) -> None:
        """Waits until no run is under way, and no event is about to start one."""
        wait_until(AirflowApi(self.stack).is_quiet, "all is quiet")

    def report(self, run: Run) -> list[str]:
        """What there is to say on a run that did not end as it should."""
        lines = [f"{run.dag_id} {run.run_id}: {self.details(run)['state']}"]
        for (task_id, map_index), task in self.tasks(run).items():
            lines.append(f"  {task_id} {map_index}: {task['state']}")
            if task["state"] in ("failed", "up_for_retry"):
                lines += [f"    {line}" for line in self.log(run, task_id, map_index, task["try_number"])[-15:]]
        return lines

    def log(self, run: Run, task_id: str, map_index: int = -1, attempt: int = 1) -> list[str]:
        """What a task logged, errors included."""
        path = f"dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/{task_id}/logs/{attempt}"
        lines = []
        for entry in self.get(path, map_index=map_index, full_content=True)["content"]:
            lines.append(str(entry.get("event")))
            lines += [f"{error['exc_type']}: {error['exc_value']}" for error in entry.get("error_detail") or ()]
        return lines

    def events_of(self, run: Run) -> list[dict[str, Any]]:
        """The asset events that a run emitted, but for that of the ingest, which every preparation emits."""
        events = self.get("assets/events", source_dag_id=run.dag_id, source_run_id=run.run_id)["asset_events"]
        return [event for event in events if event["name"] != "raw_rows"]

    def runs_after(self, run: Run, *dag_ids: str) -> list[Run]:
        """The runs of these DAGs that a run's event starts, once they are there, by DAG."""

        def started() -> list[Run]:
            found = [entry for event in self.events_of(run) for entry in event["created_dagruns"]]
            return [Run(entry["dag_id"], entry["run_id"], entry["state"]) for entry in found]

        wait_until(lambda: {run.dag_id for run in started()} >= set(dag_ids), f"the event of {run.run_id} is taken up")
        return sorted((run for run in started() if run.dag_id in dag_ids), key=lambda run: run.dag_id)

    @contextmanager
    def paused(self, *dag_ids: str) -> Iterator[None]:
        """These DAGs start no run; an event that reaches them meanwhile is lost."""
        self.pause(dag_ids, is_paused=True)
        try:
            yield
        finally:
            self.pause(dag_ids, is_paused=False)

    def pause(self, dag_ids: Sequence[str], *, is_paused: bool) -> None:
        """Pauses DAGs, or lets them go on."""
        for dag_id in dag_ids:
            self.api.patch(f"/api/v2/dags/{dag_id}", json={"is_paused": is_paused}).raise_for_status()

    def prepare(self, **conf: Any) -> tuple[Run, list[Run]]:
        """Runs data_preparation to its end, and names the training runs that its event started."""
        run = self.trigger("data_preparation", **conf)
        self.wait(run)
        return run, self.runs_after(run, *TRAININGS)

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the warehouse."""
        with psycopg.connect(self.stack.warehouse_url) as connection:
            return connection.execute(sql, values).fetchall()


@contextmanager
def open_api(stack: Stack) -> Iterator[httpx.Client]:
    """Airflow's API, logged in as its administrator."""
    login = {"username": stack.settings.admin_user, "password": stack.credentials.admin_password}
    with httpx.Client(base_url=stack.airflow_address, timeout=60, trust_env=False) as api:
        api.headers["Authorization"] = f"Bearer {api.post('/auth/token', json=login).json()['access_token']}"
        yield api


@pytest.fixture(scope="package")
def shared_bench(command: Callable[[str], subprocess.CompletedProcess[str]], home: Path) -> Iterator[Bench]:
    """The stack, up and with every DAG ready to run."""
    started = command("up")
    stack = find_running(home)
    assert stack and started.returncode == 0, (
        f"{started.stdout}\n{started.stderr}\n{tail(log_path(home, 'supervisord'))}"
    )
    with open_api(stack) as api:
        bench = Bench(stack, api)
        wait_until(lambda: bench.get("dags")["total_entries"] == len(DAG_FILES), "all DAG files are read")
        api.patch("/api/v2/dags", params={"dag_id_pattern": "%"}, json={"is_paused": False}).raise_for_status()
        yield bench


@pytest.fixture
def bench(shared_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """The stack at rest, with a sample that no run has seen; runs that a test left are waited for."""
    for key, value in tracking_environment(shared_bench.stack, WRITER).items():
        monkeypatch.setenv(key, value)
    shared_bench.use_new_data()
    yield shared_bench
    shared_bench.wait_until_quiet()


@dataclass(frozen=True)
class Trained:
    """A preparation and the trainings that its event started, ended well, and the settings that they ran with."""

    preparation: Run
    trainings: tuple[Run, ...]
    settings: Mapping[str, Any]


def train_on_new_data(bench: Bench, **settings: Any) -> Trained:
    """Prepares a set that no run has seen, and trains on it."""
    chosen = {"sample_seed": next(SEEDS), **settings}
    bench.configure(**chosen)
    preparation, trainings = bench.prepare()
    for run in trainings:
        bench.wait(run)
    return Trained(preparation, tuple(trainings), chosen)


@pytest.fixture(scope="module")
def followers_paused(shared_bench: Bench) -> Iterator[None]:
    """For modules that are about data and training: what follows them would take half of the time."""
    # A run of a paused DAG would not go on.
    shared_bench.wait_until_quiet()
    with shared_bench.paused(*FOLLOWERS):
        yield


@pytest.fixture
def trainings_paused(bench: Bench) -> Iterator[None]:
    """For tests that are about data alone."""
    with bench.paused(*TRAININGS):
        yield


def write_sample(directory: Path, month: str, *, factor: float = 1.0) -> None:
    """A month of the sample as a file, its distances multiplied."""
    with open_batches(read_settings(sample_rows=3000), month) as contents:
        batches = list(contents.read(list(contents.columns)))
    table = batches[0].schema.empty_table().from_batches(batches)
    column = table.schema.get_field_index("trip_distance")
    table = table.set_column(column, "trip_distance", pc.multiply(table["trip_distance"], factor))
    pq.write_table(table, directory / f"{month}.part")
    (directory / f"{month}.part").rename(directory / f"{month}.parquet")
