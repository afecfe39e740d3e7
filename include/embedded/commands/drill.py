"""Makes something fail on purpose and shows the mail that results."""

import email
import secrets
import time
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console

from include.embedded.commands.airflow_api import AirflowApi, Run
from include.embedded.errors import StackError
from include.embedded.stack import Stack
from include.embedded.usage import name_command

DRILL = "alert_drill"
WAYS = ("error", "mapped", "killed", "late")
SECONDS_TO_PARSE, SECONDS_TO_SEND = 120.0, 180.0


def fail(stack: Stack, how: str, console: Console) -> bool:
    """Makes a task fail and prints the mail that arrives.

    Args:
        how: One of `WAYS`, see `dags/alert_drill.py`.

    Returns:
        Whether the alert was sent.

    Raises:
        StackError: Airflow does not know the DAG, or no alert was created.
    """
    api = AirflowApi(stack)
    log = name_command("logs PROGRAM=dag-processor", stack.home)
    _wait(lambda: DRILL in api.dags(), f"Airflow has no DAG {DRILL}: see `{log}`")
    api.unpause(DRILL)
    # A word that no drill has had: the same error again would be counted and not sent.
    run = api.trigger(DRILL, how=how, word=secrets.token_hex(3).translate(str.maketrans("0123456789", "ghijklmnop")))
    console.print(
        f"Started {DRILL} ({how}): {stack.airflow_address}/dags/{run.dag_id}/runs/{run.run_id}", soft_wrap=True
    )
    number, state, subject, problem, first_run = _wait(
        lambda: _find_alert(stack, run), "No alert was created: see the log of the run's task", SECONDS_TO_SEND
    )
    if first_run != run.run_id:
        console.print(
            "The same error was reported before, within ALERT_REPEAT_AFTER hours: it is counted, not sent again."
        )
        return True
    if state != "sent":
        console.print(f"The alert is {state} ({subject}): {problem}", markup=False)
        return False
    mail = _find_mail(stack.mail_directory, number)
    if mail is None:
        console.print(f"The alert was sent, but not to {stack.mail_directory}: {subject}", markup=False)
        return True
    path, message = mail
    console.rule("The mail that arrived")
    for name in ("From", "To", "Date", "Subject"):
        console.print(f"{name}: {message[name]}", markup=False, soft_wrap=True)
    text = message.get_body(("plain",))
    console.print("\n" + (text.get_content() if text else ""), markup=False, soft_wrap=True)
    console.rule(str(path))
    return True


def _find_alert(stack: Stack, run: Run) -> tuple[Any, ...] | None:
    """Number, state, subject and problem of the alert about the run, once it was sent or could not be."""
    query = (
        "SELECT s.id, s.state, s.subject, s.problem, s.run_id FROM alerts.occurrences o JOIN alerts.sent s"
        " ON s.id = o.alert_id WHERE s.dag_id = %s AND o.run_id = %s"
        " AND (s.state IN ('sent', 'silent') OR s.problem IS NOT NULL)"
    )
    with psycopg.connect(stack.warehouse_url, connect_timeout=10) as connection:
        return connection.execute(query, [run.dag_id, run.run_id]).fetchone()


def _find_mail(directory: Path, number: int) -> tuple[Path, EmailMessage] | None:
    for path in sorted(directory.glob("*.eml"), reverse=True):
        message = email.message_from_bytes(path.read_bytes(), policy=policy.default)
        if message["Message-ID"] == f"<alert-{number}@mltrain>":
            return path, message
    return None


def _wait(condition: Any, problem: str, seconds: float = SECONDS_TO_PARSE) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise StackError(problem)
        time.sleep(0.5)
    return found
