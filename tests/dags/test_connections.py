import json
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest
from airflow.sdk.exceptions import AirflowFailException

from include.errors import AirflowUnavailable, SettingsError
from include.orchestration.connections import (
    check_unpaused,
    get_warehouse_url,
    list_active_runs,
    log_in,
    start_dag,
    write_note,
)

Answers = Callable[[int, object], list[httpx.Request]]


def test_warehouse_address_is_one_that_libpq_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", "postgres://user:p%40ss@host:5433/warehouse?sslmode=require")
    assert get_warehouse_url() == "postgresql://user:p%40ss@host:5433/warehouse?sslmode=require"


@pytest.mark.parametrize("connection", [None, "http://admin:secret@127.0.0.1:9/"])
def test_note_that_cannot_be_written_is_a_warning(
    connection: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if connection:
        monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", connection)
    with caplog.at_level(logging.WARNING):
        write_note("data_preparation", "manual__1", "fresh already")
    assert "The run's note could not be written" in caplog.text
    assert "fresh already" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("connection", "location", "filled_in"),
    [
        ("http://ann:p%40ss@host", "https://host/{month}.csv", "https://ann:p%40ss@host/{month}.csv"),
        ("http://ann:s3cret@host:81", "http://HOST:81/a.csv", "http://ann:s3cret@HOST:81/a.csv"),
        ("postgres://ann:s3cret@host/db", "postgresql://bob@host/db/a.b", "postgresql://ann:s3cret@host/db/a.b"),
    ],
)
def test_login_of_a_connection_is_put_into_an_address_of_its_server(
    connection: str, location: str, filled_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CITY", connection)
    assert log_in(location, "city") == filled_in


@pytest.mark.parametrize(
    ("connection", "location", "complaint"),
    [
        (None, "https://host/a.csv", "there is no Airflow connection 'city'"),
        ("http://ann:s3cret@other", "https://host/a.csv", "is not for the server of https://host/a.csv"),
        ("http://ann:s3cret@host:81", "https://host:82/a.csv", "is not for the server"),
        ("http://ann:s3cret@", "https://host/a.csv", "is not for the server"),
        ("aws://ann:s3cret@trips", "s3://trips/a.csv", "takes no login"),
    ],
)
def test_login_of_a_connection_is_sent_nowhere_else(
    connection: str | None, location: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection:
        monkeypatch.setenv("AIRFLOW_CONN_CITY", connection)
    with pytest.raises(SettingsError, match=f"connection_id.*{complaint}") as caught:
        log_in(location, "city")
    assert "s3cret" not in str(caught.value)


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Makes Airflow's API answer so, or as a function of the path says, to whoever is logged in; gives the requests."""

    def set_answer(status: int, body: object) -> list[httpx.Request]:
        asked = []

        def handle(request: httpx.Request) -> httpx.Response:
            if request.url.path == "/auth/token":
                return httpx.Response(201, json={"access_token": "x"})
            asked.append(request)
            said = body(request.url.path) if callable(body) else body
            return httpx.Response(status, **({"text": said} if isinstance(said, str) else {"json": said}))

        monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", "http://admin:s3cret@127.0.0.1:9/")
        monkeypatch.setattr(httpx, "Client", partial(httpx.Client, transport=httpx.MockTransport(handle)))
        return asked

    return set_answer


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_api_that_has_too_much_to_do_is_unavailable(answer: Answers, status: int) -> None:
    answer(status, "<html>a proxy's page</html>")
    with pytest.raises(AirflowUnavailable, match=f"answered {status} to POST /api/v2/dags/prediction/dagRuns"):
        start_dag("prediction", "note")


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (400, {"detail": "set_version must be 1 or more"}, "set_version must be 1 or more"),
        (422, {"detail": [{"loc": ["body"], "msg": "no run"}]}, "no run"),
        (404, "<html>a proxy's page</html>", "Not Found"),
        (403, ["odd"], "Forbidden"),
        (409, {"detail": "there is one"}, "there is one"),
    ],
)
def test_refusal_of_the_api_is_told_with_its_words(answer: Answers, status: int, body: object, says: str) -> None:
    answer(status, body)
    with pytest.raises(httpx.HTTPStatusError, match=f"answered {status} to POST .*{says}"):
        start_dag("prediction", "note")


def test_run_that_is_there_already_is_left_as_it_is(answer: Answers) -> None:
    answer(409, {"detail": "there is one"})
    assert start_dag("prediction", "note", run_id="retraining__1") == "retraining__1"


def test_active_runs_of_some_dags_are_asked_for_by_their_names(
    answer: Answers,
) -> None:
    asked = answer(200, {"dag_runs": [{"dag_id": "a", "state": "running"}]})
    assert list_active_runs(("a", "b")) == [{"dag_id": "a", "state": "running"}]
    assert json.loads(asked[0].content) == {"dag_ids": ["a", "b"], "states": ["queued", "running"]}


def test_run_that_is_queued_while_its_dag_is_paused_is_not_active(answer: Answers) -> None:
    runs = [{"dag_id": dag_id, "state": state} for dag_id in ("at_work", "paused") for state in ("queued", "running")]

    def describe(path: str) -> dict[str, Any]:
        return {"dag_runs": runs} if path.endswith("/list") else {"is_paused": path.endswith("/paused")}

    answer(200, describe)
    assert list_active_runs() == [run for run in runs if run != {"dag_id": "paused", "state": "queued"}]


def test_dag_whose_run_would_never_start_is_named_with_what_to_do(answer: Answers) -> None:
    answer(200, lambda path: {"is_paused": path != "/api/v2/dags/a"})
    check_unpaused(["a"])
    with pytest.raises(AirflowFailException, match=r"^b is paused, .*: unpause it in Airflow, then clear this task\.$"):
        check_unpaused(["a", "b"])
    with pytest.raises(AirflowFailException, match=r"^b, c are paused, .*: unpause them"):
        check_unpaused(["c", "b"])
