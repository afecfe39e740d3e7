"""Registers the dashboards with Airflow's web UI: pages, tabs and the card on the home page."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

from include.embedded.programs.bell import BELL, Ringing
from include.orchestration.start_requests import StartRequests

PREFIX = "/mltrain"
# A path in front of Airflow, as behind a proxy, stands in front of our pages too.
BASE = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/") + PREFIX


async def dashboards(scope: Any, receive: Any, send: Any) -> None:
    """The pages' application, made at the first request: most processes that load plugins never serve one."""
    from include.dashboards.hosting import open_app

    await open_app()(scope, receive, send)


def _view(name: str, page: str, **place: Any) -> dict[str, Any]:
    query = place.pop("query", "")
    return {
        "name": name,
        "href": f"{BASE}/{page}{query}",
        "url_route": "_".join(["mltrain", page, *filter(None, [place.get("destination")])]),
        "icon": f"{BASE}/static/icons/{page}.svg",
        "icon_dark_mode": f"{BASE}/static/icons/{page}.dark.svg",
        **place,
    }


FASTAPI_APPS = [{"app": dashboards, "url_prefix": PREFIX, "name": "mltrain dashboards"}]
EXTERNAL_VIEWS = [
    _view("Models", "overview", nav_top_level=True),
    _view("Playground", "playground", nav_top_level=True),
    _view("Pipelines", "pipeline", category="Models"),
    _view("Training runs", "training_run", category="Models"),
    _view("Explainability", "explainability", category="Models"),
    _view("Data", "data", category="Models"),
    _view("Pipeline", "pipeline", destination="dag", query="?dag_id={DAG_ID}"),
    _view("Training", "training_run", destination="dag_run", query="?dag_id={DAG_ID}&run_id={RUN_ID}"),
]
REACT_APPS = [
    {
        "name": "Champion",
        "bundle_url": f"{BASE}/static/home_card.js",
        "url_route": "mltrain_champion",
        "destination": "dashboard",
    }
]
MIDDLEWARES = [{"middleware": StartRequests, "args": [], "kwargs": {}, "name": "short refusals"}]
if bell := os.environ.get(BELL):
    MIDDLEWARES.append({"middleware": Ringing, "args": [Path(bell)], "kwargs": {}, "name": "scheduler's bell"})


class MltrainPlugin(AirflowPlugin):
    """What Airflow's plugin manager finds in this file."""

    name = "mltrain"
    fastapi_apps = FASTAPI_APPS
    fastapi_root_middlewares = MIDDLEWARES
    external_views = EXTERNAL_VIEWS
    react_apps = REACT_APPS
