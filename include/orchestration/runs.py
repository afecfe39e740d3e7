"""What tasks say of the run that they belong to."""

import logging
from collections.abc import Mapping
from typing import Any, NoReturn

from airflow.sdk.exceptions import AirflowSkipException

from include.orchestration.connections import write_note
from include.training.results import TYPE_NOTES

log = logging.getLogger(__name__)


def name_run(context: Mapping[str, Any]) -> str:
    """The run's name wherever the domain keeps one: DAG id and run id."""
    run = context["dag_run"]
    return f"{run.dag_id}/{run.run_id}"


def note_run(context: Mapping[str, Any], text: str) -> None:
    """Writes the run's note; a note that cannot be written is a warning in the log."""
    write_note(context["dag_run"].dag_id, context["dag_run"].run_id, text)


def list_type_notes(ti: Any) -> list[str]:
    """The sentences that the tasks before a training's last one have handed on about its model types."""
    handed_on = ti.xcom_pull(task_ids=["load_models", "blend"], key=TYPE_NOTES) or []
    return [note for notes in handed_on for note in notes or ()]


def skip_run(context: Mapping[str, Any], reason: str) -> NoReturn:
    """Ends the task as skipped, with the reason in its log and in the run's note.

    Raises:
        AirflowSkipException: Always.
    """
    log.info(reason)
    note_run(context, reason)
    raise AirflowSkipException(reason)
