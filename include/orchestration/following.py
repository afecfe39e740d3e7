"""Follows runs, and those that their asset events start, to the end, without holding a worker slot meanwhile."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator, DagRunState

from include.models.table import TRAINING_DAGS
from include.orchestration.assets import FAMILY_MODELS, TRAINING_SET
from include.orchestration.connections import list_active_runs, list_events, list_paused, list_queued_events

# The trigger annotates another class of the same name than tasks may use; it takes texts as well.
FINISHED: list[Any] = ["success", "failed"]
SECONDS_BETWEEN_LOOKS = 3.0
# An event starts runs within seconds; a DAG that is paused never takes it up.
TIME_TO_START = timedelta(minutes=2)
# DAG -> the asset whose event goes on from it, and the DAGs that this starts.
NEXT = {
    "data_preparation": (TRAINING_SET, TRAINING_DAGS),
    **{
        dag_id: (model, ("model_promotion",))
        for dag_id, model in zip(TRAINING_DAGS, FAMILY_MODELS.values(), strict=True)
    },
}
Run = Mapping[str, str]


class FollowRuns(BaseOperator):
    """Waits, deferred, for runs and all that follow from them by asset events.

    Args:
        runs: `dag_id` and `run_id` of each run to begin with.

    Returns:
        Those and the ones that followed, each with its `state`, success or failed.
    """

    template_fields = ("runs",)

    def __init__(self, *, runs: Sequence[Run], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.runs = runs

    def execute(self, context: Any) -> list[dict[str, str]]:
        """Goes through the runs from the beginning, each time that it wakes up."""
        return self.resume(context)

    def resume(self, context: Any, event: Any = None) -> list[dict[str, str]]:
        """What `execute` does, called again when what it waited for has happened."""
        # A task's process has the time for these, one that reads a DAG file has not.
        from airflow.providers.standard.triggers.external_task import DagStateTrigger
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        waiting, seen = [(run["dag_id"], run["run_id"]) for run in self.runs], []
        while waiting:
            dag_id, run_id = waiting.pop(0)
            state = RuntimeTaskInstance.get_dagrun_state(dag_id, run_id)
            if state not in FINISHED:
                self.defer(trigger=DagStateTrigger(dag_id, FINISHED, [run_id], poll_interval=2), method_name="resume")
            seen.append({"dag_id": dag_id, "run_id": run_id, "state": DagRunState(state).value})
            known = {(run["dag_id"], run["run_id"]) for run in seen} | set(waiting)
            waiting += [run for run in self._list_followers(dag_id, run_id) if run not in known]
        return seen

    def _list_followers(self, dag_id: str, run_id: str) -> list[tuple[str, str]]:
        """The runs that the run's event has started, once all of them are there."""
        asset, followers = NEXT.get(dag_id, (None, ()))
        events = [event for event in list_events(dag_id, run_id) if asset and event["name"] == asset.name]
        started = [(run["dag_id"], run["run_id"]) for event in events for run in event["created_dagruns"]]
        missing = set(followers) - {dag for dag, _ in started}
        if events and missing:
            age = datetime.now(UTC) - datetime.fromisoformat(events[-1]["timestamp"])
            if age < TIME_TO_START:
                self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=SECONDS_BETWEEN_LOOKS)), method_name="resume")
            self.log.warning("The event of %s started no run of %s; is it paused?", run_id, ", ".join(sorted(missing)))
        return [(dag, run) for dag, run in started if dag in followers]


def find_rival(dag_id: str, run_id: str) -> str | None:
    """What is under way, if there is something, because of which a run of the master has nothing to do.

    That is any run that prepares or trains, or a run of the same DAG that was queued before: `DAG id/run id`. Or an
    event that is about to start a training: `an event for DAG id`.
    """
    # A preparation may end before its event is taken up; training that begins between the first two looks is seen by
    # the third.
    return _find_active_rival(dag_id, run_id) or _find_event() or _find_active_rival(dag_id, run_id)


def _find_active_rival(dag_id: str, run_id: str) -> str | None:
    # Asked for by name: a hundred predictions that wait would hide them.
    runs = list_active_runs([dag_id, *NEXT])
    queued = {run["dag_run_id"]: run["queued_at"] for run in runs if run["dag_id"] == dag_id}
    # A run that is not among the oldest is younger than they are.
    own = queued.get(run_id, "~"), run_id
    for run in runs:
        is_older = run["dag_id"] == dag_id and (run["queued_at"], run["dag_run_id"]) < own
        if run["dag_id"] in NEXT or is_older:
            return f"{run['dag_id']}/{run['dag_run_id']}"
    return None


def _find_event() -> str | None:
    _, trainings = NEXT["data_preparation"]
    waiting = [dag_id for dag_id in trainings if list_queued_events(dag_id)]
    # A paused DAG takes up none.
    paused = list_paused(waiting)
    return next((f"an event for {dag_id}" for dag_id in waiting if dag_id not in paused), None)
