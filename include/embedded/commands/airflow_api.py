"""Airflow's public REST API, as much of it as the main job is followed by."""

import time
from dataclasses import dataclass
from typing import Any

import httpx

from include.embedded.errors import StackError
from include.embedded.stack import Stack
from include.embedded.usage import name_command
from include.sets.results import FRESH_VERSION

SECONDS_TO_ANSWER = 30.0
PAUSES = (0.5, 1.0, 2.0)
FINISHED = ("success", "failed")
ASKING = "awaiting_input"
ACTIVE_TASKS = ("queued", "running", "deferred", "up_for_retry", "up_for_reschedule", "restarting", ASKING)


@dataclass(frozen=True)
class Run:
    """One DAG run: which, and how far it is."""

    dag_id: str
    run_id: str
    state: str

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen in it."""
        return self.state in FINISHED


@dataclass(frozen=True)
class Task:
    """One task instance of a run; `label` is what its mapped index is shown as, -1 the index of an unmapped one."""

    run: Run
    task_id: str
    map_index: int
    label: str
    state: str
    attempt: int

    @property
    def title(self) -> str:
        """Task, and the label of a mapped one."""
        return f"{self.task_id} {self.label}".strip()


class AirflowApi:
    """A client that is logged in as the stack's admin; the server's answers become runs and tasks."""

    def __init__(self, stack: Stack) -> None:
        # The stack's own server is not behind the proxy that leads to the world.
        self._client = httpx.Client(base_url=stack.airflow_address, timeout=SECONDS_TO_ANSWER, trust_env=False)
        login = {"username": stack.settings.admin_user, "password": stack.credentials.admin_password}
        token = self._call("POST", "/auth/token", json=login)["access_token"]
        self._client.headers["Authorization"] = f"Bearer {token}"

    def dags(self) -> dict[str, bool]:
        """DAG id -> whether it is paused, of every DAG that has been parsed."""
        return {dag["dag_id"]: dag["is_paused"] for dag in self._get("dags", limit=100)["dags"]}

    def import_errors(self) -> dict[str, str]:
        """DAG file -> the traceback that its import ended with."""
        errors = self._get("importErrors", limit=100)["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in errors}

    def unpause(self, dag_id: str) -> None:
        """Lets a DAG run."""
        self._call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, **parameters: Any) -> Run:
        """Starts a run; parameters that are not given have their defaults."""
        body: dict[str, Any] = {"logical_date": None, "conf": parameters}
        return _run(self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body))

    def refresh(self, run: Run) -> Run:
        """The same run as it is now."""
        return _run(self._get(f"dags/{run.dag_id}/dagRuns/{run.run_id}"))

    def active_runs(self, dag_ids: tuple[str, ...]) -> list[Run]:
        """The runs of some DAGs that have not ended."""
        found = [self._get(f"dags/{dag_id}/dagRuns", state=["running", "queued"], limit=100) for dag_id in dag_ids]
        return [_run(entry) for answer in found for entry in answer["dag_runs"]]

    def note(self, run: Run) -> str:
        """The note on a run, which is empty where there is none."""
        return self._get(f"dags/{run.dag_id}/dagRuns/{run.run_id}")["note"] or ""

    def fresh_version(self, run: Run) -> int | None:
        """The version of the fresh training set because of which a preparation made none."""
        path = f"dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances"
        # Which task found it depends on the source; the list has no values.
        for entry in self._get(f"{path}/~/xcomEntries", xcom_key=FRESH_VERSION)["xcom_entries"]:
            return int(self._get(f"{path}/{entry['task_id']}/xcomEntries/{FRESH_VERSION}")["value"])
        return None

    def tasks(self, run: Run, states: tuple[str, ...] = ACTIVE_TASKS) -> list[Task]:
        """The run's task instances in one of `states`, a hundred at most."""
        path = f"dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances"
        entries = self._get(path, limit=100, state=list(states))["task_instances"]
        return [
            Task(
                run,
                entry["task_id"],
                entry["map_index"],
                entry["rendered_map_index"] or (str(entry["map_index"]) if entry["map_index"] >= 0 else ""),
                entry["state"] or "none",
                entry["try_number"],
            )
            for entry in entries
        ]

    def runs_started_by(self, run: Run, dag_ids: tuple[str, ...]) -> tuple[set[str], list[Run]] | None:
        """What the asset events of a run start of some DAGs.

        Returns:
            Those of the DAGs that wait for the assets and are not paused, and their runs as far as there are any; none
            if the run left no event that one of them waits for.
        """
        paused = self.dags()
        waiting: set[str] = set()
        started: dict[tuple[str, str], Run] = {}
        events = self._get("assets/events", source_dag_id=run.dag_id, source_run_id=run.run_id, limit=100)
        for event in events["asset_events"]:
            asset = self._get(f"assets/{event['asset_id']}")
            waiting |= {dag["dag_id"] for dag in asset["scheduled_dags"] if dag["dag_id"] in dag_ids}
            for entry in event["created_dagruns"]:
                if entry["dag_id"] in dag_ids:
                    started[entry["dag_id"], entry["run_id"]] = Run(entry["dag_id"], entry["run_id"], entry["state"])
        if not waiting:
            return None
        return {dag_id for dag_id in waiting if not paused.get(dag_id, True)}, list(started.values())

    def is_quiet(self) -> bool:
        """Whether no run is under way, and no event is about to start one."""

        def is_under_way() -> bool:
            return bool(self._get("dags/~/dagRuns", state=["running", "queued"], limit=1)["dag_runs"])

        def is_event_waiting() -> bool:
            queues = (self._get(f"dags/{dag_id}/assets/queuedEvents") for dag_id in self.dags())
            return any(queue["queued_events"] for queue in queues)

        # A run may end before the scheduler takes up its event; one that begins between the first two looks is seen
        # by the third.
        return not (is_under_way() or is_event_waiting() or is_under_way())

    def log_lines(self, task: Task) -> list[str]:
        """What the last attempt of a task logged, an error's type and message included."""
        path = f"dags/{task.run.dag_id}/dagRuns/{task.run.run_id}/taskInstances/{task.task_id}/logs/{task.attempt}"
        lines: list[str] = []
        for entry in self._get(path, map_index=task.map_index, full_content=True)["content"]:
            if isinstance(entry, str):
                lines += entry.splitlines()
                continue
            lines += str(entry.get("event", "")).splitlines()
            lines += [f"{error['exc_type']}: {error['exc_value']}" for error in entry.get("error_detail") or ()]
        return lines

    def _get(self, path: str, **parameters: Any) -> Any:
        # What only reads can be asked again: a server that restarts is an error for a moment.
        for pause in PAUSES:
            try:
                return self._call("GET", f"/api/v2/{path}", params=parameters)
            except StackError:
                time.sleep(pause)
        return self._call("GET", f"/api/v2/{path}", params=parameters)

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            response = self._client.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise StackError(
                f"Airflow does not answer ({method} {path}): {error}; see `{name_command('status')}`"
            ) from error
        if response.is_error:
            raise StackError(f"Airflow refused {method} {path}: {response.status_code} {response.text[:1000]}")
        return response.json()


def _run(entry: dict[str, Any]) -> Run:
    return Run(entry["dag_id"], entry["dag_run_id"], entry["state"])
