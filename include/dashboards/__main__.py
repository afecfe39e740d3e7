"""`python -m include.dashboards`: the pages alone, for development, on the running stack's data.

Changed templates, scripts and styles show after a reload; changed Python needs a restart.
"""

import os
import secrets

import uvicorn

from include.dashboards.access import remember_key, viewer_by_key
from include.dashboards.app import create_app
from include.dashboards.context import Sources
from include.embedded.environment import airflow_environment
from include.embedded.lifecycle import find_running
from include.settings import HOME, read_settings
from include.tracking_server.routes import READER

HOST, PORT = "127.0.0.1", 8090


def main() -> None:
    """Serves until interrupted."""
    stack = find_running(HOME)
    if stack is None:
        raise SystemExit("No stack is running: start one with `make up`.")
    # Before Airflow is loaded, which reads its configuration then.
    os.environ.update(airflow_environment(stack, READER))
    from airflow.models import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    def list_dags() -> frozenset[str]:
        with create_session() as session:
            return frozenset(session.scalars(select(DagModel.dag_id)))

    key = os.environ.get("DASHBOARDS_KEY") or secrets.token_urlsafe(16)
    sources = Sources(lambda: stack.warehouse_url, read_settings, create_session)
    app = create_app(viewer_by_key(key, list_dags), sources)
    remember_key(app)
    print(f"http://{HOST}:{PORT}/overview?key={key}", flush=True)
    uvicorn.run(app, host=HOST, port=PORT, log_level="warning")


if __name__ == "__main__":
    main()
