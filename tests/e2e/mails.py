"""What people were told by mail, as the mail server of the tests took it."""

from email.message import EmailMessage
from urllib.parse import quote

from include.embedded.commands.airflow_api import Run
from tests.e2e.conftest import Bench
from tests.mail_server import MailServer
from tests.waiting import wait_until

MAINTENANCE = "alert_maintenance"


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body
    return body.get_content().replace("\r\n", "\n")


def mails_on(server: MailServer, run: Run) -> list[EmailMessage]:
    """The mails that link to the run."""
    return [mail for mail in server.messages if f"/runs/{quote(run.run_id)}" in text_of(mail)]


def wait_for_mails(bench: Bench, server: MailServer, run: Run, subjects: list[str]) -> list[EmailMessage]:
    """The mails on a run, which must be those, also after everything that was left to send has left."""
    wait_until(lambda: len(mails_on(server, run)) >= len(subjects), f"mail on {run.run_id} arrives")
    bench.wait(bench.trigger(MAINTENANCE))
    found = mails_on(server, run)
    assert sorted(str(mail["Subject"]) for mail in found) == sorted(subjects)
    return found
