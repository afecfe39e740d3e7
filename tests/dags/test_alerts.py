"""How Airflow's callbacks become mail: with real servers, and contexts as Airflow hands them over."""

import importlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from include.embedded.options import AIRFLOW_OPTIONS
from tests.conftest import find_free_port
from tests.dags.conftest import DAG_IDS
from tests.mail_server import MailServer, run_mail_server

EVERY_DAG = pytest.mark.parametrize("dag_id", DAG_IDS)
# It would tell of alerts that cannot leave by an alert.
SILENT = {"alert_maintenance"}
LATE = {
    "alert_drill",
    "automatic_retraining",
    "batch_prediction",
    "data_preparation",
    "sklearn_training",
    "xgboost_training",
    "lightgbm_training",
}
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def load(dag_id: str) -> Any:
    """The DAG as its file makes it."""
    from airflow.sdk import DAG

    [dag] = [value for value in vars(importlib.import_module(f"dags.{dag_id}")).values() if isinstance(value, DAG)] or [
        getattr(importlib.import_module(f"dags.{dag_id}"), dag_id)()
    ]
    return dag


@EVERY_DAG
def test_failure_of_every_task_and_of_the_run_is_told(dag_id: str) -> None:
    from include.orchestration.alerts import RUN_FAILED, AlertNotifier, FailureNote

    dag = load(dag_id)
    for task in dag.tasks:
        arguments = task.partial_kwargs if task.is_mapped else vars(task)
        callbacks = arguments["on_failure_callback"]
        entries = callbacks if isinstance(callbacks, list) else [callbacks]
        told = [entry.event for entry in entries if isinstance(entry, AlertNotifier)]
        assert told == ([] if dag_id in SILENT else ["task_failed"]), task.task_id
        assert not arguments.get("on_retry_callback")
    if dag_id in SILENT:
        noted = [*(entry for task in dag.tasks for entry in task.on_failure_callback), dag.on_failure_callback]
        assert [type(entry) for entry in noted] == [FailureNote] * 2
        assert [entry.event for entry in noted] == ["task_failed", "run_failed"]
    else:
        assert dag.on_failure_callback is RUN_FAILED


@EVERY_DAG
def test_run_that_takes_too_long_is_told_where_people_wait_for_it(dag_id: str) -> None:
    from airflow.sdk.definitions.deadline import DeadlineReference

    deadline = load(dag_id).deadline or []
    assert [entry.reference for entry in deadline] == [DeadlineReference.DAGRUN_QUEUED_AT] * (dag_id in LATE)
    notifiers = ["include.orchestration.alerts.AlertNotifier"] * (dag_id in LATE)
    assert [entry.callback.path for entry in deadline] == notifiers


@EVERY_DAG
def test_run_has_an_end_that_comes_after_it_is_late_and_after_a_persons_time_to_decide(dag_id: str) -> None:
    from include.settings import read_settings

    dag = load(dag_id)
    assert dag.dagrun_timeout
    assert all(dag.dagrun_timeout > entry.interval for entry in dag.deadline or [])
    if dag_id in ("model_promotion", "automatic_retraining"):
        assert dag.dagrun_timeout > timedelta(hours=read_settings().approval_deadline)


def test_task_may_wait_for_a_slot_for_as_long_as_a_training_takes() -> None:
    waiting = timedelta(seconds=int(dict(AIRFLOW_OPTIONS["SCHEDULER"])["TASK_QUEUED_TIMEOUT"]))
    trainings = [load(dag_id).dagrun_timeout for dag_id in DAG_IDS if dag_id.endswith("_training")]
    assert len(trainings) == 3
    assert all(longest <= waiting for longest in trainings)


@pytest.fixture
def mail_server(tmp_path: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """A mail server and a warehouse that Airflow's connections lead to."""
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse_url.replace("postgresql://", "postgres://"))
    with run_mail_server(tmp_path, find_free_port()) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(server.connection()))
        yield server


class Instance(SimpleNamespace):
    """A task instance, as much of it as callbacks ask for."""

    def get_task_states(self, **_: Any) -> dict[str, dict[str, str]]:
        """The states of the run's instances of the task."""
        return {self.run_id: self.states}


def context(map_index: int = -1, label: str | None = None, **others: Any) -> dict[str, Any]:
    instance = Instance(
        dag_id="training",
        run_id="run",
        task_id="tune",
        map_index=map_index,
        try_number=4,
        rendered_map_index=label,
        log_url="http://airflow/dags/training/runs/run/tasks/tune?try_number=4",
        states={f"tune_{index}": "failed" for index in range(3)},
    )
    return {"ti": instance, "run_id": "run", "dag": SimpleNamespace(dag_id="training"), **others}


def notify(event: str, context: dict[str, Any]) -> None:
    from include.orchestration.alerts import AlertNotifier

    AlertNotifier(event).notify(context)


def text_of(server: MailServer) -> str:
    [message] = server.messages
    return message.get_body(("plain",)).get_content()


def test_failed_task_makes_one_mail_however_often_it_is_reported(mail_server: MailServer) -> None:
    for _ in range(3):
        notify("task_failed", context(exception=ValueError("it broke")))
    assert mail_server.subjects == ["training.tune failed"]
    assert "ValueError: it broke" in text_of(mail_server)


def test_killed_task_makes_one_mail_without_an_exception(mail_server: MailServer) -> None:
    # The DAG processor calls back for a lost worker, and more than once.
    for _ in range(2):
        notify("task_failed", context())
    assert "out of memory" in text_of(mail_server)


def test_mapped_failures_make_one_mail_that_says_each_model(mail_server: MailServer) -> None:
    for index, model in enumerate(("Lasso", "LinearRegression", "LinearSVR")):
        notify("task_failed", context(index, model, exception=ValueError(f"{model} broke")))
    assert mail_server.subjects == ["training.tune failed: Lasso, LinearRegression, LinearSVR"]


def test_secrets_in_an_error_are_masked(mail_server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "correct-horse-battery")
    error = ValueError("cannot log in to postgresql://taxi:hunter22@db/x with correct-horse-battery")
    notify("task_failed", context(exception=error))
    mail = mail_server.messages[0].as_string()
    assert "hunter22" not in mail and "correct-horse-battery" not in mail
    assert "postgresql://taxi:***@db/x with ***" in text_of(mail_server)


def test_secrets_in_an_error_are_neither_in_the_note_nor_in_the_warehouse(
    mail_server: MailServer, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[Any] = []

    def call(method: str, path: str, body: Any = None, **_: Any) -> dict[str, str]:
        if method == "PATCH":
            notes.append(body["note"])
        return {"note": "as before"}

    monkeypatch.setattr("include.orchestration.connections._call_airflow", call)
    notify("task_failed", context(exception=ValueError("cannot log in to postgresql://taxi:hunter22@db/x")))
    assert notes == ["tune failed: ValueError: cannot log in to postgresql://taxi:***@db/x\nas before"]
    with psycopg.connect(warehouse_url) as connection:
        for table in ("sent", "occurrences"):
            [(rows,)] = connection.execute(f"SELECT jsonb_agg(to_jsonb(t))::text FROM alerts.{table} t").fetchall()
            assert "postgresql://taxi:***@db/x" in rows
            assert "hunter" not in rows


def test_template_in_an_error_is_text(mail_server: MailServer) -> None:
    notify("task_failed", context(exception=ValueError("{{ 7 * 7 }} {% raw %}")))
    assert "ValueError: {{ 7 * 7 }} {% raw %}" in text_of(mail_server)


def test_notifier_raises_nothing_when_there_is_no_server_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", f"postgres://taxi@127.0.0.1:{find_free_port()}/x")
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", f"smtp://127.0.0.1:{find_free_port()}?disable_ssl=true")
    notify("task_failed", context(exception=ValueError("it broke")))
    notify("task_failed", {})


def test_alert_is_kept_when_no_mail_server_is_named(
    mail_server: MailServer, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_SMTP_DEFAULT")
    notify("task_failed", context(exception=ValueError("it broke")))
    with psycopg.connect(warehouse_url) as connection:
        [(state, problem)] = connection.execute("SELECT state, problem FROM alerts.sent").fetchall()
    assert state == "unsent" and "set AIRFLOW_CONN_SMTP_DEFAULT" in problem


def test_slow_mail_server_does_not_hold_the_task(mail_server: MailServer, warehouse_url: str) -> None:
    mail_server.release.clear()
    notify("task_failed", context(exception=ValueError("it broke")))
    assert mail_server.messages == [], "the task has gone on before the server has answered"
    mail_server.release.set()
    while not sent(warehouse_url):
        pass
    assert len(mail_server.messages) == 1


def sent(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT id FROM alerts.sent WHERE state = 'sent'").fetchall()


# The run's note


class Airflow:
    """Airflow's API, as much of it as notes need: one run, and its failed tasks."""

    def __init__(self) -> None:
        self.note: str = ""
        self.failed: tuple[dict[str, Any], ...] = ()
        self.queued_at = "2026-11-20T12:00:00Z"
        self.active: list[dict[str, Any]] = []

    def __call__(self, method: str, path: str, body: dict[str, Any] | None = None, **_: Any) -> Any:
        if path.endswith("/taskInstances"):
            return {"task_instances": self.failed}
        if path.endswith("/dagRuns/list") and body:
            return {"dag_runs": [run for run in self.active if run["dag_id"] in body["dag_ids"]][:100]}
        if method == "PATCH" and body:
            self.note = body["note"]
        return {"note": self.note or None, "queued_at": self.queued_at}


@pytest.fixture
def airflow(mail_server: MailServer, monkeypatch: pytest.MonkeyPatch) -> Airflow:
    """Takes the place of an API server, which there is none of here."""
    from include.orchestration import connections

    made = Airflow()
    monkeypatch.setattr(connections, "_call_airflow", made)
    return made


def failed_entry(map_index: int, label: str) -> dict[str, Any]:
    return {"task_id": "tune", "map_index": map_index, "rendered_map_index": label, "try_number": 4}


def test_failed_task_puts_its_reason_before_what_the_note_says(airflow: Airflow) -> None:
    airflow.note = "Retraining: drift."
    for _ in range(2):
        notify("task_failed", context(exception=ValueError("it broke")))
    assert airflow.note == "tune failed: ValueError: it broke\nRetraining: drift."


def test_run_that_failed_notes_killed_tasks_and_those_whose_line_was_overwritten(airflow: Airflow) -> None:
    for index, model in enumerate(("Lasso", "LinearSVR")):
        notify("task_failed", context(index, model, exception=ValueError(f"{model} broke")))
    airflow.note = "tune LinearSVR failed: ValueError: LinearSVR broke"
    airflow.failed = (failed_entry(0, "Lasso"), failed_entry(1, "LinearSVR"), failed_entry(2, "LinearRegression"))
    notify("run_failed", context(reason="task_failure"))
    lasso, killed, other = airflow.note.splitlines()
    assert lasso == "tune Lasso failed: ValueError: Lasso broke"
    assert killed.startswith("tune LinearRegression failed: The task's process or its worker ended without an error")
    assert other == "tune LinearSVR failed: ValueError: LinearSVR broke"


def test_run_without_a_failed_task_notes_and_tells_that_one_could_not_begin(
    airflow: Airflow, mail_server: MailServer
) -> None:
    notify("run_failed", context(reason="task_failure"))
    assert "a task before it passed on no result" in airflow.note
    assert "clear it, so that it runs" in " ".join(text_of(mail_server).split())


def test_run_that_fails_again_after_it_was_cleared_is_told_again(airflow: Airflow, mail_server: MailServer) -> None:
    for queued_at in ("2026-11-20T12:00:00Z", "2026-11-20T12:00:00Z", "2026-11-20T13:00:00Z"):
        airflow.queued_at = queued_at
        notify("run_failed", context(reason="task_failure"))
    assert mail_server.subjects == ["training failed"] * 2


def test_run_that_fails_as_a_whole_after_a_task_that_had_failed_was_cleared_is_told(
    airflow: Airflow, mail_server: MailServer
) -> None:
    notify("task_failed", context(exception=ValueError("it broke")))
    airflow.queued_at = "2000-01-01T00:00:00Z"
    notify("run_failed", context(reason="task_failure"))
    assert mail_server.subjects == ["training.tune failed"]
    airflow.queued_at = "2100-01-01T00:00:00Z"
    notify("run_failed", context(reason="task_failure"))
    assert mail_server.subjects == ["training.tune failed", "training failed"]


def test_run_that_fails_while_the_warehouse_is_away_is_noted_and_told(
    airflow: Airflow, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", f"postgres://taxi@127.0.0.1:{find_free_port()}/x")
    airflow.failed = (failed_entry(-1, ""),)
    notify("run_failed", context(reason="task_failure"))
    assert mail_server.subjects == ["training failed"]
    assert airflow.note.startswith("tune failed: Its error could not be looked up, because the warehouse was unavail")
    text = " ".join(text_of(mail_server).split())
    assert "Their errors could not be looked up, because the warehouse was unavailable" in text
    assert "killed" not in airflow.note + text


@pytest.mark.parametrize(
    ("reason", "words"),
    [("task_failure", "These tasks failed."), ("timed_out", "It was stopped because it did not finish")],
)
def test_run_with_many_failed_tasks_is_one_mail_that_names_them_while_the_warehouse_is_away(
    airflow: Airflow, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch, reason: str, words: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", f"postgres://taxi@127.0.0.1:{find_free_port()}/x")
    airflow.failed = (*(failed_entry(number, "") for number in range(99)), failed_entry(99, "Lasso"))
    notify("run_failed", context(reason=reason))
    assert mail_server.subjects == ["training failed"]
    text = text_of(mail_server)
    assert words in " ".join(text.split())
    assert [line.strip() for line in text.splitlines() if line.strip().startswith("tune ")] == [
        *(f"tune #{number}" for number in range(99)),
        "tune Lasso",
    ]


def test_run_without_a_failed_task_is_told_while_the_warehouse_is_away(
    airflow: Airflow, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", f"postgres://taxi@127.0.0.1:{find_free_port()}/x")
    notify("run_failed", context(reason="task_failure"))
    assert mail_server.subjects == ["training failed"]
    assert "a task before it passed on no result" in airflow.note


@pytest.mark.parametrize(
    ("logical_date", "words"),
    [
        (None, "It was stopped because it did not finish within 10 min"),
        (datetime(2041, 1, 1, tzinfo=UTC), "its logical date, 2041-01-01 00:00 UTC, is in the future"),
    ],
)
def test_run_that_was_ended_notes_and_tells_why(
    airflow: Airflow, mail_server: MailServer, logical_date: datetime | None, words: str
) -> None:
    dag = SimpleNamespace(dag_id="training", dagrun_timeout=timedelta(minutes=10))
    run = SimpleNamespace(logical_date=logical_date)
    notify("run_failed", context(reason="timed_out") | {"dag": dag, "dag_run": run})
    assert words in airflow.note
    assert words in " ".join(text_of(mail_server).split())


def test_note_that_is_too_long_for_airflow_is_cut(airflow: Airflow) -> None:
    airflow.note = "before"
    notify("task_failed", context(exception=ValueError("broken " * 500)))
    assert len(airflow.note) <= 1000
    assert airflow.note.startswith("tune failed: ValueError: broken broken")


def deadline_context(ended: datetime | None) -> dict[str, Any]:
    run = {
        "dag_id": "training",
        "dag_run_id": "run",
        "queued_at": NOW.isoformat(),
        "end_date": ended.isoformat() if ended else None,
    }
    return {"dag_run": run, "deadline": {"id": "deadline-1", "deadline_time": NOW + timedelta(minutes=30)}}


async def call_back(context: dict[str, Any], event: str = "late") -> None:
    from include.orchestration.alerts import AlertNotifier

    await AlertNotifier(event=event, context=context)


def test_late_run_makes_one_mail(mail_server: MailServer) -> None:
    import asyncio

    for _ in range(2):
        asyncio.run(call_back(deadline_context(None)))
    assert mail_server.subjects == ["training is late"]
    assert "http" in text_of(mail_server)


def test_run_that_had_ended_before_its_deadline_is_not_late(mail_server: MailServer) -> None:
    import asyncio

    asyncio.run(call_back(deadline_context(NOW + timedelta(minutes=29))))
    assert mail_server.messages == []


@pytest.mark.parametrize("how", ["error", "mapped", "killed", "late"])
def test_drill_is_late_only_where_it_was_asked_to_be(mail_server: MailServer, how: str) -> None:
    import asyncio

    given = deadline_context(None)
    given["dag_run"]["conf"] = {"how": how}
    asyncio.run(call_back(given, "drill_late"))
    assert mail_server.subjects == (["training is late"] if how == "late" else [])


def test_summary_of_a_training_leads_to_the_page_of_this_very_run() -> None:
    from include.orchestration.pages import link_training

    links = link_training(context()["ti"])
    assert links["Dashboard"] == f"{links['Run']}/plugin/mltrain_training_run_dag_run"
    assert links["Run"].endswith("/dags/training/runs/run")


def test_training_under_way_is_seen_behind_a_hundred_other_runs(
    airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.alerting import model_reports
    from include.orchestration.events import EVENTS

    seen: list[str] = []
    monkeypatch.setattr(model_reports, "report_unbeaten", lambda *_, trainings: seen.extend(trainings) or [])
    predictions = [{"dag_id": "prediction", "dag_run_id": f"{number}"} for number in range(100)]
    airflow.active = [*predictions, {"dag_id": "sklearn_training", "dag_run_id": "run", "state": "running"}]
    EVENTS["judged"](context())()
    assert seen == ["sklearn_training/run"]


def test_decision_that_waits_is_told_with_where_to_decide(mail_server: MailServer) -> None:
    task = SimpleNamespace(subject="Should the winner become champion?", body="RMSE 5.0 against 6.0")
    notify("waiting", context(task=task))
    assert mail_server.subjects == ["training.tune is waiting for approval"]
    assert "/dags/training/runs/run/tasks/tune/required_actions" in text_of(mail_server)
    assert "RMSE 5.0 against 6.0" in text_of(mail_server)


def test_decision_that_waits_again_after_its_run_was_cleared_is_told_again(mail_server: MailServer) -> None:
    task = SimpleNamespace(subject="Should the winner become champion?", body="")
    for attempt in (1, 1, 2):
        waiting = context(task=task)
        waiting["ti"].try_number = attempt
        notify("waiting", waiting)
    assert mail_server.subjects == ["training.tune is waiting for approval"] * 2
