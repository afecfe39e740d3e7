"""Channels other than mail, by apprise, to a real web server."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from include.alerting.alert import Chart
from include.alerting.channels import MailServer as Server
from include.alerting.channels import choose_channels
from include.alerting.delivery import deliver, tell
from include.alerting.outbox import list_due
from tests.alerting.conftest import configure, make_alert
from tests.alerting.test_delivery import NOW, alerts_in
from tests.mail_server import MailServer


class Webhook:
    """Takes what a service would be sent.

    Attributes:
        status: Its answer.
    """

    def __init__(self) -> None:
        self.status = 200
        self.bodies: list[dict[str, Any]] = []
        self.url = ""


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A service that takes JSON."""
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if hook.status == 200:
                hook.bodies.append(body)
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    hook.url = f"json://user:hunter22@127.0.0.1:{server.server_port}/hook"
    yield hook
    server.shutdown()
    server.server_close()


def test_service_gets_the_same_content_as_mail_with_pictures(
    warehouse_url: str, server: Server, mail_server: MailServer, webhook: Webhook
) -> None:
    chart = Chart("Error", "min", bars={"Lasso": 8.9})
    tell(warehouse_url, configure(alert_urls=webhook.url), server, [make_alert(charts=(chart,))])
    [body], [mail] = webhook.bodies, mail_server.messages
    assert body["title"] == mail["Subject"]
    assert body["message"].split() == mail.get_body(("plain",)).get_content().split()
    assert body["type"] == "failure"
    assert [picture["filename"] for picture in body["attachments"]] == ["chart-1.png"]


def test_service_hears_from_its_severity_on() -> None:
    settings = configure(alert_urls="json://example.org json://example.com", alert_urls_from="warning")
    assert [len(choose_channels(settings, level)) for level in ("info", "warning", "error")] == [1, 3, 3]


def test_address_with_its_token_is_neither_in_the_database_nor_in_the_settings_text(
    warehouse_url: str, server: Server, webhook: Webhook
) -> None:
    settings = configure(alert_urls=webhook.url)
    webhook.status = 503
    lines = tell(warehouse_url, settings, server, [make_alert()])
    assert "hunter22" not in f"{alerts_in(warehouse_url)}{lines}{settings!r}"


def test_service_that_was_away_gets_the_alert_later_and_mail_no_second_one(
    warehouse_url: str, server: Server, mail_server: MailServer, webhook: Webhook
) -> None:
    settings = configure(alert_urls=webhook.url)
    webhook.status = 503
    tell(warehouse_url, settings, server, [make_alert()])
    assert alerts_in(warehouse_url)[0][0] == "unsent"
    webhook.status = 200
    deliver(warehouse_url, settings, server, list_due(warehouse_url, NOW))
    assert alerts_in(warehouse_url) == [("sent", None)]
    assert (len(webhook.bodies), len(mail_server.messages)) == (1, 1)


def test_alert_that_mail_refuses_for_good_still_leaves_by_the_service(
    warehouse_url: str, server: Server, mail_server: MailServer, webhook: Webhook
) -> None:
    settings = configure(alert_urls=webhook.url)
    mail_server.answer, webhook.status = "554 never", 503
    tell(warehouse_url, settings, server, [make_alert()])
    assert alerts_in(warehouse_url)[0][0] == "unsent"
    webhook.status = 200
    deliver(warehouse_url, settings, server, list_due(warehouse_url, NOW))
    [(state, problem)] = alerts_in(warehouse_url)
    assert (state, len(webhook.bodies), mail_server.messages) == ("sent", 1, [])
    assert "mail refused it permanently" in str(problem)


def test_address_that_is_no_address_does_not_keep_mail_back(
    warehouse_url: str, server: Server, mail_server: MailServer
) -> None:
    tell(warehouse_url, configure(alert_urls="nonsense://x"), server, [make_alert()])
    assert len(mail_server.messages) == 1
    assert "apprise does not understand" in str(alerts_in(warehouse_url)[0][1])


def test_address_taken_out_of_the_settings_is_no_longer_waited_for(
    warehouse_url: str, server: Server, webhook: Webhook
) -> None:
    webhook.status = 503
    tell(warehouse_url, configure(alert_urls=webhook.url), server, [make_alert()])
    deliver(warehouse_url, configure(), server, list_due(warehouse_url, NOW))
    assert alerts_in(warehouse_url) == [("sent", None)]
