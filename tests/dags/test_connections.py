import logging

import pytest

from include.errors import SettingsError
from include.orchestration.connections import get_warehouse_url, log_in, write_note


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
