"""A mail server that wants TLS and a login, and what alerts leave by."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.alerting.alert import Alert
from include.alerting.channels import MailServer as Server
from include.settings import Settings
from tests.conftest import find_free_port
from tests.mail_server import MailServer, run_mail_server

# Airflow writes its configuration where this says, as soon as it is imported.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="taxi-airflow-"))


@pytest.fixture
def mail_server(tmp_path: Path) -> Iterator[MailServer]:
    """A mail server of the test's own."""
    with run_mail_server(tmp_path, find_free_port()) as server:
        yield server


@pytest.fixture
def server(mail_server: MailServer, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The mail server as Airflow's connection describes it; its certificate is trusted."""
    from include.orchestration.alerts import find_mail_server

    monkeypatch.setenv("SSL_CERT_FILE", str(mail_server.certificate))
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(mail_server.connection()))
    return find_mail_server()


def configure(**others: Any) -> Settings:
    """Settings of the tests' own."""
    return Settings(**{"alert_to_error": "team@example.org", **others})


def make_alert(number: int = 1, **others: Any) -> Alert:
    """A failure that is told of by itself."""
    values: dict[str, Any] = {
        "kind": "task failed",
        "severity": "error",
        "dag_id": "training",
        "run_id": f"run-{number}",
        "task_id": "tune",
        "state": "failed",
        "event_key": f"event-{number}",
        "headline": "ValueError: it broke",
        "links": {"Log": f"http://airflow/log/{number}", "Run": f"http://airflow/run/{number}"},
    }
    return Alert(**{**values, **others})
