"""Alerts through the real scheduler, to a mail server that wants TLS and a login: the right mail, exactly once."""

import os
import secrets
import signal
import subprocess
import sys
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from include.embedded.commands.airflow_api import Run
from tests.e2e.conftest import ROOT, Bench
from tests.e2e.mails import MAINTENANCE, text_of, wait_for_mails
from tests.mail_server import MailServer
from tests.waiting import MOST_SECONDS, wait_until

DRILL = "alert_drill"
pytestmark = pytest.mark.usefixtures("followers_paused")


def drill(bench: Bench, how: str, word: str = "") -> Run:
    """A run in which something goes wrong, after its end."""
    # Numbers in errors are taken for what differs from one time to the next; letters make it another error.
    letters = secrets.token_hex(8).translate(str.maketrans("0123456789", "ghijklmnop"))
    run = bench.trigger(DRILL, how=how, word=word or letters)
    bench.wait(run, "failed")
    return run


def alerts_on(bench: Bench, run: Run) -> list[tuple[Any, ...]]:
    return bench.query("SELECT state, problem FROM alerts.sent WHERE run_id = %s ORDER BY id", run.run_id)


def test_failed_task_makes_one_mail_with_error_and_links(bench: Bench, mail_server: MailServer) -> None:
    run = drill(bench, "error", "once")
    [mail] = wait_for_mails(bench, mail_server, run, ["alert_drill.start failed"])
    text = text_of(mail)
    assert "Drill: This task fails on purpose (once). No action is needed." in text
    page = f"{bench.stack.airflow_address}/dags/{DRILL}/runs/{quote(run.run_id)}"
    assert f"Log: {page}/tasks/start?try_number=1" in text
    assert f"Run: {page}\n" in text
    assert mail_server.sessions[-1].ssl and mail_server.sessions[-1].authenticated
    again = drill(bench, "error", "once")
    wait_for_mails(bench, mail_server, again, [])
    [(count,)] = bench.query(
        "SELECT count(*) FROM alerts.occurrences JOIN alerts.sent s ON s.id = alert_id WHERE s.run_id = %s", run.run_id
    )
    assert count == 2, "the same error is counted, and not sent again"


def test_dead_mail_server_fails_no_more_and_loses_nothing(bench: Bench, mail_server: MailServer) -> None:
    mail_server.stop()
    try:
        run = drill(bench, "error")
        wait_until(lambda: [problem for _, problem in alerts_on(bench, run) if problem], "the alert is kept")
        [(state, problem)] = alerts_on(bench, run)
        assert state == "unsent" and "ConnectionRefusedError" in problem
        bench.wait(bench.trigger(MAINTENANCE))
    finally:
        mail_server.start()
    bench.wait(bench.trigger(MAINTENANCE))
    wait_for_mails(bench, mail_server, run, ["alert_drill.start failed"])
    assert alerts_on(bench, run) == [("sent", None)]


def test_slow_mail_server_holds_no_task_and_gets_one_mail(bench: Bench, mail_server: MailServer) -> None:
    mail_server.release.clear()
    try:
        run = drill(bench, "error")
        assert alerts_on(bench, run)[0][0] == "unsent", "the run has ended while the server still thinks"
        bench.wait(bench.trigger(MAINTENANCE))
    finally:
        mail_server.release.set()
    wait_for_mails(bench, mail_server, run, ["alert_drill.start failed"])


# While a run is late


@pytest.fixture(scope="module")
def late_run(shared_bench: Bench) -> Run:
    """A run whose worker is killed at its start, and that is late after a while.

    Nobody is left to report its end: once the heartbeat stays away, Airflow calls back in the DAG processor, twice. The
    other tests go on meanwhile, with settings that have every alert sent.
    """
    shared_bench.configure(alert_repeat_after=0)
    run = shared_bench.trigger(DRILL, how="late")
    wait_until(lambda: shared_bench.tasks(run)["start", -1]["pid"], "its task has begun")
    task = psutil.Process(shared_bench.tasks(run)["start", -1]["pid"])
    for process in (task.parent(), task):
        assert process
        os.kill(process.pid, signal.SIGKILL)
    return run


@pytest.fixture
def meanwhile(shared_bench: Bench, late_run: Run) -> Bench:
    """The stack while the late run is under way, which nothing waits for."""
    return shared_bench


def test_ten_mapped_failures_make_one_mail_that_names_every_model(meanwhile: Bench, mail_server: MailServer) -> None:
    run = drill(meanwhile, "mapped")
    subject = "alert_drill.train failed: 10 tasks: model-0, model-1, ..."
    [mail] = wait_for_mails(meanwhile, mail_server, run, [subject])
    assert [number for number in range(10) if f"- model-{number}: Drill" in text_of(mail)] == list(range(10))


def test_killed_process_of_a_task_makes_one_mail(meanwhile: Bench, mail_server: MailServer) -> None:
    # Airflow calls back for the run alone, in the DAG processor.
    run = drill(meanwhile, "killed")
    [mail] = wait_for_mails(meanwhile, mail_server, run, ["alert_drill.start failed"])
    assert "out of memory" in text_of(mail)


def test_command_makes_a_task_fail_and_prints_the_mail(meanwhile: Bench, mail_server: MailServer) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "include.embedded", "fail"],
        cwd=ROOT,
        env=os.environ | {"MLTRAIN_HOME": str(meanwhile.stack.home), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Subject: alert_drill.start failed" in done.stdout
    assert "Drill: This task fails on purpose" in done.stdout


def test_late_run_whose_worker_is_killed_makes_one_mail_of_each(
    meanwhile: Bench, late_run: Run, mail_server: MailServer
) -> None:
    meanwhile.wait(late_run, "failed")
    wait_for_mails(meanwhile, mail_server, late_run, ["alert_drill is late", "alert_drill.start failed"])
