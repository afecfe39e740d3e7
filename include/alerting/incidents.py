"""Alerts that need a person: a task that failed or was killed, a run that is late, a decision that is due."""

import os
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from include.alerting.alert import Alert, make_storable
from include.alerting.masking import mask

LINES_OF_TRACEBACK = 15
LONGEST_LINE = 400
# What secrets are looked for in: so much more than is shown that one which the end runs through is not shown in part.
MARGIN = 10
# What Airflow puts before the name of a DAG file's module.
DAG_MODULE_PREFIX = r"unusual_prefix_[0-9a-f]+_"
KILLED = (
    "The task's process or its worker ended without an error: killed from outside, out of memory, marked as failed by"
    " hand, or the machine went down. The end of the task's log may say more."
)
NOT_READ = "Its error could not be looked up, because the warehouse was unavailable; the task's log has it."


@dataclass(frozen=True)
class FailedTask:
    """A task after its last attempt.

    Attributes:
        label: What it was mapped over, if it was.
        log_url: Page with its log.
        error: What it raised, None if it did not live to raise anything.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    label: str
    log_url: str
    dashboard_url: str
    error: BaseException | str | None = None


def report_failure(task: FailedTask, hide: Callable[[str], str] = mask) -> Alert:
    """A task failed, after its last attempt.

    Args:
        hide: Takes the secrets out of a text, before it is cut: a secret of which a part is gone is not recognised.
    """
    headline = _first_line(task.error, hide) if task.error else KILLED
    return Alert(
        kind="task failed",
        severity="error",
        dag_id=task.dag_id,
        run_id=task.run_id,
        task_id=task.task_id,
        map_index=task.map_index,
        state="failed",
        label=task.label or (f"#{task.map_index}" if task.map_index >= 0 else ""),
        event_key=f"failed/{task.dag_id}/{task.run_id}/{task.task_id}/{task.map_index}/{task.try_number}",
        repeat_key=f"{task.dag_id}/{task.task_id}: {headline}",
        headline=headline,
        details=_last_lines(task.error, hide) if task.error else "",
        facts={"Run": task.run_id, "Attempts": str(task.try_number)},
        links={"Log": task.log_url, "Run": task.log_url.partition("/tasks/")[0], "Dashboard": task.dashboard_url},
    )


def describe_failure(task: FailedTask, hide: Callable[[str], str] = mask) -> str:
    """Which task failed and why, in a line; `hide` as in `report_failure`."""
    label = f" {task.label}" if task.label else f" #{task.map_index}" if task.map_index >= 0 else ""
    return make_storable(f"{task.task_id}{label} failed: {_first_line(task.error, hide) if task.error else KILLED}")


def report_lateness(
    dag_id: str, run_id: str, deadline_id: str, queued_at: datetime, deadline: datetime, page: str
) -> Alert:
    """A run has not ended by its deadline."""
    return Alert(
        kind="late",
        severity="error",
        dag_id=dag_id,
        run_id=run_id,
        state="is late",
        event_key=f"late/{dag_id}/{run_id}/{deadline_id}",
        headline=f"Still running after its deadline of {write_duration(deadline - queued_at)}.",
        facts={
            "Run": run_id,
            "Queued": f"{queued_at:%Y-%m-%d %H:%M:%S} UTC",
            "Due": f"{deadline:%Y-%m-%d %H:%M:%S} UTC",
        },
        links={"Run": page},
    )


def report_run_failure(dag_id: str, run_id: str, queued_at: str | None, reason: str, page: str) -> Alert:
    """A run failed, and none of its tasks reports why.

    Args:
        queued_at: When it was queued or cleared last, if that is known: a run that was cleared can fail again.
        reason: A sentence.
    """
    return Alert(
        kind="run failed",
        severity="error",
        dag_id=dag_id,
        run_id=run_id,
        state="failed",
        event_key=f"run failed/{dag_id}/{run_id}/{queued_at}",
        headline=reason,
        facts={"Run": run_id},
        links={"Run": page},
    )


def report_waiting(
    dag_id: str, run_id: str, task_id: str, try_number: int, subject: str, body: str, links: dict[str, str]
) -> Alert:
    """A decision waits for a person."""
    return Alert(
        kind="waiting",
        severity="warning",
        dag_id=dag_id,
        run_id=run_id,
        task_id=task_id,
        state="is waiting for approval",
        event_key=f"waiting/{dag_id}/{run_id}/{task_id}/{try_number}",
        headline=subject,
        details=body,
        links=links,
    )


def write_duration(duration: timedelta) -> str:
    """As people write it: `45 s`, `30 min`, `2 h 5 min`."""
    seconds = round(duration.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    hours, left = divmod(round(seconds / 60), 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{left} min" if left else "") if part)


def normalize(text: str) -> str:
    """The text without what differs from one time to the next: numbers, addresses in memory, identifiers."""
    text = re.sub(r"0x[0-9a-f]+|[0-9a-f]{8}-[0-9a-f-]{27}", "*", text, flags=re.IGNORECASE)
    return re.sub(r"\d+", "0", text)[:300]


def _first_line(error: BaseException | str, hide: Callable[[str], str]) -> str:
    text = error if isinstance(error, str) else "".join(traceback.format_exception_only(error))
    lines = hide(text.strip()[: MARGIN * LONGEST_LINE]).splitlines() or ["The task failed without a message."]
    # `include.errors.SourceInvalid: ...`: the class is enough.
    return re.sub(r"^(?:\w+\.)+(?=\w+(?::|$))", "", lines[0])[: 2 * LONGEST_LINE]


def _last_lines(error: BaseException | str, hide: Callable[[str], str]) -> str:
    if isinstance(error, str):
        text = error
    else:
        report = traceback.TracebackException.from_exception(error)
        # How Airflow came to call the task is the same every time.
        own = [frame for frame in report.stack if f"{os.sep}airflow{os.sep}" not in frame.filename]
        report.stack[:] = own or report.stack
        text = re.sub(DAG_MODULE_PREFIX, "", "".join(report.format()))
    lines = [line[: MARGIN * LONGEST_LINE] for line in text.strip().splitlines() if line.strip(" ^~")]
    hidden = hide("\n".join(lines[-MARGIN * LINES_OF_TRACEBACK :]))
    return "\n".join(line[:LONGEST_LINE] for line in hidden.splitlines()[-LINES_OF_TRACEBACK:])
