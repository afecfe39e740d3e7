import logging

import pytest

from include.connections import get_warehouse_url, write_note


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
