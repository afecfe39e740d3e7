"""The application as Airflow hosts it: Airflow's logins, connections and models."""

from functools import lru_cache

from airflow.utils.session import create_session
from fastapi import FastAPI

from include.dashboards.airflow_access import find_viewer
from include.dashboards.app import create_app
from include.dashboards.context import Sources
from include.dashboards.reading.registered import warm_up
from include.orchestration.connections import get_warehouse_url
from include.settings import read_settings


@lru_cache(maxsize=1)
def open_app() -> FastAPI:
    """The one application of this process."""
    warm_up()
    return create_app(find_viewer, Sources(get_warehouse_url, read_settings, create_session))
