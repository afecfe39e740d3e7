"""What a preparation hands on that makes no set."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from include.sets.results import FRESH_VERSION
from include.settings import Settings
from tests.published_sets import publish_set

JANUARY = {"months": ["2024-01"]}


@pytest.mark.parametrize("task", ["plan", "transform"])
def test_preparation_hands_on_which_set_it_found_fresh(
    task: str, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dags.data_preparation as preparation
    from include.sets.preparation import plan

    settings = Settings(source="sample", sample_rows=1_500, minimum_rows=100)
    first = publish_set(warehouse_url, settings, **JANUARY)
    newest = publish_set(warehouse_url, settings, "another run", months=["2024-02"])
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse_url)
    monkeypatch.setattr(preparation, "read_settings", lambda: settings)
    pushed: dict[str, Any] = {}
    context = {
        "dag_run": SimpleNamespace(dag_id="data_preparation", run_id="manual__1"),
        "ti": SimpleNamespace(xcom_push=pushed.__setitem__),
        "params": JANUARY,
    }
    given = [plan(warehouse_url, settings, JANUARY).plan.to_dict()] if task == "transform" else []
    with pytest.raises(AirflowSkipException, match=f"version {first.version} "):
        getattr(preparation, task).function(*given, **context)
    assert pushed == {FRESH_VERSION: first.version}
    assert first.version != newest.version
