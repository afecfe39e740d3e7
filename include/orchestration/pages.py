"""Addresses of Airflow's pages and of the dashboards, for the links of alerts."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from airflow.sdk.configuration import conf


def run_page(dag_id: str, run_id: str) -> str:
    """Address of a run's page in Airflow."""
    return f"{_base_url()}/dags/{dag_id}/runs/{quote(run_id)}"


def task_page(page: str, entry: Mapping[str, Any]) -> str:
    """Address of the log of one attempt of a task, below its run's page."""
    mapped = f"/mapped/{entry['map_index']}" if entry["map_index"] >= 0 else ""
    return f"{page}/tasks/{entry['task_id']}{mapped}?try_number={entry['try_number']}"


def link(ti: Any, page: str) -> dict[str, str]:
    """The links of an alert on a task: its run, its log and one of the dashboards."""
    return {
        "Run": run_page(ti.dag_id, ti.run_id),
        "Log": ti.log_url,
        "Dashboard": dashboard_page(page),
    }


def link_training(ti: Any) -> dict[str, str]:
    """As of any task, and the dashboard is the tab of this very run: the page of all runs begins with the newest."""
    page = run_page(ti.dag_id, ti.run_id)
    return link(ti, "training_run") | {"Dashboard": f"{page}/plugin/mltrain_training_run_dag_run"}


def dashboard_page(page: str = "pipeline") -> str:
    """Address of a dashboard."""
    return f"{_base_url()}/plugin/mltrain_{page}"


def _base_url() -> str:
    return str(conf.get("api", "base_url", fallback="http://localhost:8080")).rstrip("/")
