"""From an event to the mail server: exactly once, whatever the server does."""

import os
import smtplib
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from include.alerting.alert import Chart, Table
from include.alerting.channels import MailServer as Server
from include.alerting.delivery import deliver, tell
from include.alerting.detached import run_detached
from include.alerting.outbox import list_due
from include.settings import Settings
from tests.alerting.conftest import configure, make_alert
from tests.mail_server import HOST, USER, MailServer

SETTINGS = configure()
NOW = timedelta(0)


def alerts_in(url: str) -> list[tuple[str, str | None]]:
    """State and problem of each, oldest first."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT state, problem FROM alerts.sent ORDER BY id").fetchall()


def resend(url: str, server: Server, settings: Settings = SETTINGS) -> list[str]:
    return deliver(url, settings, server, list_due(url, NOW))


def test_mail_leaves_by_tls_and_with_a_login(warehouse_url: str, server: Server, mail_server: MailServer) -> None:
    [line] = tell(warehouse_url, SETTINGS, server, [make_alert()])
    assert line == "Alert 1 was sent by mail: training.tune failed"
    assert alerts_in(warehouse_url) == [("sent", None)]
    [session], [envelope], [message] = mail_server.sessions, mail_server.envelopes, mail_server.messages
    assert session.ssl is not None
    assert session.authenticated
    assert (envelope.mail_from, envelope.rcpt_tos) == ("airflow@example.org", ["team@example.org"])
    assert (message["From"], message["To"]) == ("airflow@example.org", "team@example.org")


def test_severity_decides_who_gets_the_mail(warehouse_url: str, server: Server, mail_server: MailServer) -> None:
    settings = configure(
        alert_to_error="a@example.org,b@example.org", alert_to_warning="c@example.org", alert_to_info=""
    )
    alerts = [make_alert(number, severity=level) for number, level in enumerate(("error", "warning", "info"))]
    tell(warehouse_url, settings, server, alerts)
    recipients = [envelope.rcpt_tos for envelope in mail_server.envelopes]
    assert recipients == [["a@example.org", "b@example.org"], ["c@example.org"]]
    assert [state for state, _ in alerts_in(warehouse_url)] == ["sent", "sent", "silent"]


def test_ten_mapped_failures_make_one_mail_that_names_all(
    warehouse_url: str, server: Server, mail_server: MailServer
) -> None:
    for index in range(10):
        alert = make_alert(index, run_id="run", map_index=index, label=f"model-{index}")
        tell(warehouse_url, SETTINGS, server, [alert], unfinished=range(10))
        assert len(mail_server.messages) == (index == 9)
    text = mail_server.messages[0].get_body(("plain",)).get_content()
    assert [index for index in range(10) if f"- model-{index}: " in text] == list(range(10))


def test_each_mapped_failure_shows_its_own_traceback_in_whatever_order_they_are_reported(
    warehouse_url: str, server: Server, mail_server: MailServer
) -> None:
    for index in (2, 0, 1):
        own = {"label": f"model-{index}", "details": f"Traceback\nValueError: broken by {index}"}
        alert = make_alert(index, run_id="run", map_index=index, **own)
        tell(warehouse_url, SETTINGS, server, [alert], unfinished=range(3))
    [mail] = mail_server.messages
    text, page = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    lines = text.splitlines()
    windows = [lines[start : start + 3] for start in range(len(lines))]
    for index in range(3):
        assert [f"model-{index}:", "Traceback", f"ValueError: broken by {index}"] in windows
        assert page.index(f"model-{index}:</p>") < page.index(f"broken by {index}")
    assert page.count("Traceback") == 3


def test_end_of_the_run_sends_what_waits_for_siblings(
    warehouse_url: str, server: Server, mail_server: MailServer
) -> None:
    alert = make_alert(map_index=0, label="model-0")
    tell(warehouse_url, SETTINGS, server, [alert], unfinished=[0, 1])
    assert mail_server.messages == []
    tell(warehouse_url, SETTINGS, server, [], ended_run=("training", "run-1"))
    tell(warehouse_url, SETTINGS, server, [], ended_run=("training", "run-1"))
    assert mail_server.subjects == ["training.tune failed: model-0"]


@pytest.fixture
def dead_port() -> Iterator[int]:
    """Nobody listens there."""
    with socket.socket() as holder:
        holder.bind((HOST, 0))
        yield holder.getsockname()[1]


def test_alert_waits_for_a_mail_server_that_is_down_and_leaves_once(
    warehouse_url: str, server: Server, mail_server: MailServer, dead_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.orchestration.alerts import find_mail_server

    with monkeypatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", f"smtp://{HOST}:{dead_port}?disable_ssl=true")
        lines = tell(warehouse_url, SETTINGS, find_mail_server(), [make_alert(number) for number in (1, 2, 3)])
    assert "Alert 1 stays unsent (mail: ConnectionRefusedError" in lines[0]
    assert [state for state, _ in alerts_in(warehouse_url)] == ["unsent"] * 3
    resend(warehouse_url, server)
    resend(warehouse_url, server)
    assert len(mail_server.messages) == 3
    assert alerts_in(warehouse_url) == [("sent", None)] * 3


def test_slow_mail_server_is_left_to_think_and_gets_the_mail_once(
    warehouse_url: str, server: Server, mail_server: MailServer
) -> None:
    mail_server.release.clear()
    answer = run_detached(lambda: tell(warehouse_url, SETTINGS, server, [make_alert()]), 1.0)
    assert answer is None, "the caller has gone on"
    mail_server.arrived.wait()
    assert alerts_in(warehouse_url) == [("unsent", None)]
    assert resend(warehouse_url, server) == [], "somebody is at it"
    mail_server.release.set()
    while alerts_in(warehouse_url) != [("sent", None)]:
        pass
    resend(warehouse_url, server)
    assert len(mail_server.messages) == 1


def test_server_that_accepts_a_connection_and_says_nothing_keeps_no_one_waiting(
    warehouse_url: str, server: Server, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.orchestration.alerts import find_mail_server

    with socket.create_server((HOST, 0)) as silent, monkeypatch.context() as patch:
        address = f"smtp://{HOST}:{silent.getsockname()[1]}?disable_ssl=true&timeout=1&retry_limit=0"
        patch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", address)
        assert run_detached(lambda: tell(warehouse_url, SETTINGS, find_mail_server(), [make_alert()]), 0.2) is None
        while not alerts_in(warehouse_url) or alerts_in(warehouse_url)[0][1] is None:
            pass
    assert "unsent" in alerts_in(warehouse_url)[0]
    resend(warehouse_url, server)
    assert len(mail_server.messages) == 1


def test_refused_message_does_not_keep_others_back(warehouse_url: str, server: Server, mail_server: MailServer) -> None:
    mail_server.answer = "451 not this one now"
    tell(warehouse_url, SETTINGS, server, [make_alert(1)])
    mail_server.answer = "250 OK"
    tell(warehouse_url, SETTINGS, server, [make_alert(2)])
    [refused, sent] = alerts_in(warehouse_url)
    assert sent == ("sent", None)
    assert refused[0] == "unsent" and "451" in str(refused[1])


@pytest.mark.parametrize("where", ["recipient", "message"])
def test_message_that_is_refused_for_good_is_given_up_and_shown(
    warehouse_url: str, server: Server, mail_server: MailServer, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    setattr(mail_server, "answer" if where == "message" else "recipient_answer", "554 never this one")
    [line] = tell(warehouse_url, SETTINGS, server, [make_alert(1)])
    assert "was given up" in line
    assert resend(warehouse_url, server) == []
    [(state, problem)] = alerts_in(warehouse_url)
    assert state == "refused"
    assert "mail refused it permanently and is not tried again" in str(problem)
    assert "554" in str(problem)
    assert [record.levelname for record in caplog.records if "554" in record.getMessage()] == ["ERROR"]


def test_recipient_that_is_refused_for_now_is_tried_again(
    warehouse_url: str, server: Server, mail_server: MailServer
) -> None:
    mail_server.recipient_answer = "450 mailbox busy"
    tell(warehouse_url, SETTINGS, server, [make_alert(1)])
    assert alerts_in(warehouse_url)[0][0] == "unsent"


def test_one_recipient_that_is_refused_for_good_keeps_the_others_from_nothing(
    warehouse_url: str, server: Server, mail_server: MailServer
) -> None:
    mail_server.refused_recipients = {"gone@example.org"}
    mail_server.recipient_answer = "550 no such user"
    settings = configure(alert_to_error="gone@example.org,team@example.org")
    tell(warehouse_url, settings, server, [make_alert(1)])
    assert alerts_in(warehouse_url) == [("sent", None)]
    assert [envelope.rcpt_tos for envelope in mail_server.envelopes] == [["team@example.org"]]


@pytest.mark.parametrize("step", ["greeting", "answer"])
def test_server_that_goes_on_for_ever_byte_by_byte_is_left(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    from include.alerting import channels

    monkeypatch.setattr(channels, "SECONDS_TO_CONNECT", 1.0 if step == "greeting" else 60.0)
    monkeypatch.setattr(channels, "SECONDS_TO_SEND", 1.0)
    monkeypatch.setattr(channels, "SECONDS_TO_LEAVE", 1.0)
    over = threading.Event()

    def chatter(listener: socket.socket) -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            if step == "answer":
                connection.sendall(b"220 here\r\n")
                connection.recv(1000)
                connection.sendall(b"250 hello\r\n")
                connection.recv(1000)
            while not over.wait(0.05):
                connection.sendall(b"2")

    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=chatter, args=[listener])
        thread.start()
        port = listener.getsockname()[1]
        plain = Server(lambda: smtplib.SMTP(HOST, port, timeout=30), "airflow@example.org")
        [line] = tell(warehouse_url, SETTINGS, plain, [make_alert()])
        over.set()
        thread.join()
    words = {"greeting": "did not accept the login within 1 s", "answer": "did not accept the mail within 1 s"}
    assert words[step] in line
    assert alerts_in(warehouse_url)[0][0] == "unsent"


def test_wrong_password_keeps_the_alert(
    warehouse_url: str, server: Server, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.orchestration.alerts import find_mail_server

    with monkeypatch.context() as patch:
        address = f"smtp://{USER}:wrong@{HOST}:{mail_server.port}?disable_ssl=true"
        patch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", address)
        tell(warehouse_url, SETTINGS, find_mail_server(), [make_alert()])
    assert "SMTPAuthenticationError" in str(alerts_in(warehouse_url)[0][1])
    resend(warehouse_url, server)
    assert len(mail_server.messages) == 1


def test_certificate_that_nobody_trusts_gets_no_password(
    warehouse_url: str, server: Server, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    tell(warehouse_url, SETTINGS, server, [make_alert()])
    assert "SSLCertVerificationError" in str(alerts_in(warehouse_url)[0][1])
    assert mail_server.sessions == []


def test_alert_leaves_without_being_kept_when_the_warehouse_is_away(
    server: Server, mail_server: MailServer, dead_port: int
) -> None:
    url = f"postgresql://taxi@{HOST}:{dead_port}/warehouse"
    for number, ended in enumerate((None, ("training", "run"))):
        lines = tell(url, SETTINGS, server, [make_alert()], ended_run=ended)
        assert "An alert was sent by mail but not recorded: training.tune failed" in lines
        assert len(mail_server.messages) == number + 1


def test_name_with_a_line_end_reaches_nobody_else(warehouse_url: str, server: Server, mail_server: MailServer) -> None:
    alert = make_alert(dag_id="training\r\nBcc: thief@example.org", label="x\r\n.\r\nRCPT TO:<thief@example.org>")
    tell(warehouse_url, SETTINGS, server, [alert])
    [envelope] = mail_server.envelopes
    assert envelope.rcpt_tos == ["team@example.org"]
    assert mail_server.messages[0]["Bcc"] is None


# A file's name that is not UTF-8, as Python reads it, and a binary value in an error.
@pytest.mark.parametrize("odd", [os.fsdecode(b"M\xe4rz.csv"), "null\0byte"])
def test_text_that_no_table_takes_is_told_with_escapes(
    warehouse_url: str, server: Server, mail_server: MailServer, odd: str
) -> None:
    texts: dict[str, Any] = {name: f"{name} of {odd}" for name in ("run_id", "headline", "label", "details")}
    keys = {"event_key": odd, "repeat_key": odd, "links": {"Log": odd}, "facts": {odd: odd}}
    table = Table(odd, (odd,), ((odd,),))
    alert = make_alert(**texts, **keys, tables=(table,), charts=(Chart(odd, "", bars={odd: 1.0}),))
    lines = tell(warehouse_url, SETTINGS, server, [alert, make_alert(2)])
    assert ["was sent by mail" in line for line in lines] == [True, True]
    assert alerts_in(warehouse_url) == [("sent", None)] * 2
    text = mail_server.messages[0].get_body(("plain",)).get_content()
    assert f"headline of {odd.encode(errors='backslashreplace').decode()}".replace("\0", r"\0") in text


def test_alert_that_the_warehouse_does_not_take_is_sent_and_those_after_it_are_kept(
    warehouse_url: str, server: Server, mail_server: MailServer
) -> None:
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("ALTER TABLE alerts.sent ADD CHECK (task_id <> 'refused')")
    lines = tell(warehouse_url, SETTINGS, server, [make_alert(1, task_id="refused"), make_alert(2)])
    assert "An alert was sent by mail but not recorded: training.refused failed" in lines
    assert mail_server.subjects == ["training.refused failed", "training.tune failed"]
    assert alerts_in(warehouse_url) == [("sent", None)]


def test_alert_that_can_neither_be_kept_nor_rendered_keeps_no_other_back(
    server: Server, mail_server: MailServer, dead_port: int
) -> None:
    url = f"postgresql://taxi@{HOST}:{dead_port}/warehouse"
    broken = make_alert(1, charts=(Chart("c", "", bars={"a": "no number"}),))  # type: ignore[dict-item]
    lines = tell(url, SETTINGS, server, [broken, make_alert(2)])
    assert any("neither recorded nor rendered" in line for line in lines)
    assert mail_server.subjects == ["training.tune failed"]
