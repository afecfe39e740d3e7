"""Sends alerts that could not be sent earlier, because the mail server or another channel was unavailable.

**Starts** every five minutes (`ALERT_SCHEDULE`), or by hand.

**Produces** mail, and messages on the other channels; `alerts.sent` records what was sent and when. Alerts about mapped
tasks that wait for the rest of their run are sent too, once they have waited for five minutes.
"""

from datetime import timedelta

from airflow.sdk import dag, task

from include.orchestration.alerts import DEFAULT_ARGS, FailureNote, find_mail_server
from include.orchestration.connections import get_warehouse_url
from include.orchestration.presentation import MAINTENANCE, first_sentence
from include.orchestration.schedules import cron
from include.settings import read_usable_settings

COLLECT_FOR = timedelta(minutes=5)


@task
def send_unsent() -> list[str]:
    """One line per alert that was due; a server that is still unavailable is not a failure."""
    from include.alerting.delivery import deliver
    from include.alerting.outbox import list_due

    url = get_warehouse_url()
    return deliver(url, read_usable_settings(), find_mail_server(), list_due(url, COLLECT_FOR))


@dag(
    schedule=cron(read_usable_settings().alert_schedule),
    catchup=False,
    dagrun_timeout=timedelta(hours=1),
    max_active_runs=1,
    is_paused_upon_creation=False,
    # Its failures are noted, but nobody is told: they would be more alerts that cannot be sent.
    default_args={**DEFAULT_ARGS, "on_failure_callback": FailureNote("task_failed")},
    on_failure_callback=FailureNote("run_failed"),
    description=first_sentence(__doc__),
    doc_md=__doc__,
    tags=[MAINTENANCE],
)
def alert_maintenance() -> None:
    """Spells the graph."""
    send_unsent()


alert_maintenance()
