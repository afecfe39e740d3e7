"""What every DAG does about errors: which are worth another try, who is told of the others, and what counts as late.

A DAG takes `DEFAULT_ARGS` for its tasks and `on_failure_callback=RUN_FAILED`; a task with something to tell when it
succeeds has an `AlertNotifier` as `on_success_callback`.
"""

import asyncio
import logging
import smtplib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from airflow.providers.smtp.hooks.smtp import SmtpHook
from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.sdk import BaseHook, BaseNotifier, Connection, ExceptionRetryPolicy, RetryAction, RetryRule
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
from airflow.sdk.exceptions import AirflowRuntimeError

from include.alerting.alert import Alert
from include.alerting.channels import MailServer
from include.alerting.detached import run_detached
from include.errors import (
    AirflowUnavailable,
    EngineUnavailable,
    SourceUnavailable,
    StaleInput,
    TrackingUnavailable,
    WarehouseUnavailable,
)
from include.orchestration.connections import get_warehouse_url
from include.orchestration.handover import check_handed_over
from include.orchestration.secrecy import hide_secrets
from include.settings import read_usable_settings

log = logging.getLogger(__name__)
RETRY_DELAY = timedelta(seconds=20)
# What a task may wait for its alert to leave. It leaves later otherwise.
SECONDS_TO_WAIT = 4.0
DEFAULT_SENDER = "airflow@localhost"


def _note_failure(event: str, context: Mapping[str, Any]) -> None:
    from include.orchestration.events import note_failure

    try:
        note_failure(event, context)
    except Exception as error:  # the warehouse or Airflow's API is away
        log.warning("The run's note does not say why it failed: %s", error)


class FailureNote(BaseNotifier):
    """Says in a run's note why it failed, and tells nobody.

    Args:
        event: `task_failed` or `run_failed`.
    """

    template_fields = ()

    def __init__(self, event: str) -> None:
        super().__init__()
        self.event = event

    def notify(self, context: Mapping[str, Any]) -> None:
        """For callbacks of tasks and DAGs."""
        _note_failure(self.event, context)


class AlertNotifier(SmtpNotifier):
    """Tells people of an event by mail and by the other channels that the settings name.

    What is told, to whom and whether it is new is decided by `include.alerting`; mail leaves through the connection
    `smtp_default`. It never raises, and never takes longer than a few seconds.

    Args:
        event: A key of `include.orchestration.events.EVENTS`.
    """

    # Nothing is rendered: an exception's text may hold what looks like a template.
    template_fields = ()  # type: ignore[assignment]

    def __init__(self, event: str, **kwargs: Any) -> None:
        super().__init__(to=(), **kwargs)
        self.event = event

    def notify(self, context: Mapping[str, Any]) -> None:
        """For callbacks of tasks and DAGs."""
        _note_failure(self.event, context)
        try:
            lines = run_detached(self._prepare(context), SECONDS_TO_WAIT)
        except Exception:
            # An alert that fails must not fail a task.
            self.log.exception("An event (%s) could not be turned into an alert", self.event)
            return
        for line in ["The alert is on its way."] if lines is None else lines:
            self.log.info(line)

    async def async_notify(self, context: Mapping[str, Any]) -> None:
        """For deadlines, which the triggerer calls back for: in a thread, as other triggers share the loop."""
        for line in await asyncio.to_thread(lambda: self._prepare(context)()):
            self.log.info(line)

    def _prepare(self, context: Mapping[str, Any]) -> partial[list[str]]:
        """The work of telling, with all that needs Airflow done."""
        # Reading a DAG file must stay quick.
        from include.orchestration.events import EVENTS, list_outstanding

        ended = (context["dag"].dag_id, context["run_id"]) if self.event == "run_failed" else None
        return partial(
            _tell,
            get_warehouse_url(),
            find_mail_server(self.smtp_conn_id),
            EVENTS[self.event](context),
            list_outstanding(context) if self.event == "task_failed" else set(),
            ended,
        )


def _tell(
    url: str,
    server: MailServer,
    make_alerts: Callable[[], Sequence[Alert]],
    unfinished: set[int],
    ended_run: tuple[str, str] | None,
) -> list[str]:
    from include.alerting.delivery import tell

    alerts = [alert.change_texts(hide_secrets) for alert in make_alerts()]
    return tell(url, read_usable_settings(), server, alerts, unfinished=unfinished, ended_run=ended_run)


class _ReadySmtpHook(SmtpHook):
    """Airflow's own client, with a connection that was looked up before: only a task's own process can ask for one."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(smtp_conn_id=connection.conn_id)
        self._ready = connection

    def get_connection(self, conn_id: str) -> Connection:  # type: ignore[override]
        return self._ready


def find_mail_server(conn_id: str = SmtpHook.default_conn_name) -> MailServer:
    """The mail server that an Airflow connection describes; without one, mail waits until there is."""
    try:
        connection = BaseHook.get_connection(conn_id)
    except Exception as error:  # a task, the DAG processor and the triggerer say in different ways that there is none
        log.warning("No mail can be sent: %s", error)
        connection = None

    @contextmanager
    def connect() -> Iterator[smtplib.SMTP]:
        if connection is None:
            raise ConnectionError(f"There is no Airflow connection {conn_id}: set AIRFLOW_CONN_{conn_id.upper()}.")
        with _ReadySmtpHook(connection) as hook:
            # The hook's own way of sending knows neither a text part nor inline pictures.
            yield hook._smtp_client  # type: ignore[misc]  # noqa: SLF001

    extra = connection.extra_dejson if connection else {}
    return MailServer(connect, extra.get("from_email") or DEFAULT_SENDER)


# Waiting helps where a server is away; it never repairs data, a setting or code.
RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            [
                SourceUnavailable,
                WarehouseUnavailable,
                TrackingUnavailable,
                EngineUnavailable,
                # Airflow's own operators on the warehouse, and its API server.
                "psycopg.OperationalError",
                "httpx.TransportError",
                AirflowUnavailable,
                AirflowRuntimeError,
            ],
            retry_delay=RETRY_DELAY,
            reason="a server was unavailable",
        ),
        RetryRule(StaleInput, retry_delay=timedelta(seconds=5), reason="the input was replaced in the meantime"),
        RetryRule("builtins.Exception", action=RetryAction.FAIL, reason="waiting would not help"),
    ]
)

# A worker that is killed raises nothing: `retries` alone decides then, and the task goes on where it was.
DEFAULT_ARGS: dict[str, Any] = {
    "retries": 3,
    "retry_delay": RETRY_DELAY,
    "retry_policy": RETRY_POLICY,
    "on_failure_callback": AlertNotifier("task_failed"),
    "pre_execute": check_handed_over,
}
# For the DAG itself: a process that is killed cannot tell, and Airflow calls back for its run alone.
RUN_FAILED = AlertNotifier("run_failed")


def tell_when_late(after: timedelta, event: str = "late") -> DeadlineAlert:
    """For a DAG's `deadline`: tells of runs that have not ended so long after they were queued.

    Args:
        after: The time that a run may take.
        event: What is told then, a key of `include.orchestration.events.EVENTS`.
    """
    return DeadlineAlert(
        # The logical date would do for scheduled runs only.
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=after,
        callback=AsyncCallback(AlertNotifier, kwargs={"event": event}),
    )
