"""`python -m include.tracking_server`: the MLflow server of a stack, one process, closed to whoever has no login.

Reads the environment variables of `mlflow server`: MLFLOW_BACKEND_STORE_URI, MLFLOW_ARTIFACTS_DESTINATION, MLFLOW_HOST,
MLFLOW_PORT and MLFLOW_SERVER_ALLOWED_HOSTS; and the passwords of its two logins: MLFLOW_READER_PASSWORD and
MLFLOW_WRITER_PASSWORD.
"""

import os
import sys

import uvicorn
from starlette.types import ASGIApp

from include.collector import collect_seldom
from include.keep_alive import KEEP_ALIVE_SECONDS
from include.tracking_server.access import Guard, PasswordsMissing
from include.tracking_server.database import DatabaseTooNew, migrate

NEEDED = ("MLFLOW_BACKEND_STORE_URI", "MLFLOW_ARTIFACTS_DESTINATION")
SECONDS_TO_END = 5
ARTIFACT_ROOT = "mlflow-artifacts:/"


def make_app() -> ASGIApp:
    """MLflow's application behind the guard, its artifacts confined to their root and its database up to date.

    Raises:
        PasswordsMissing: The passwords of the logins cannot be used.
        DatabaseTooNew: The database is of a later MLflow.
    """
    database, destination = (os.environ[name] for name in NEEDED)
    # What `mlflow server` hands to the process that it starts.
    os.environ |= {
        "_MLFLOW_SERVER_FILE_STORE": database,
        "_MLFLOW_SERVER_REGISTRY_STORE": database,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": ARTIFACT_ROOT,
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": destination,
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SGI_NAME": "uvicorn",
    }
    from mlflow.server.fastapi_app import app
    from mlflow.server.handlers import initialize_backend_stores

    from include.tracking_server.locations import confine

    guard = Guard(app, os.environ)
    confine(destination)
    migrate(database)
    initialize_backend_stores(database, database, ARTIFACT_ROOT)
    return guard


def main() -> None:
    """Serves until it is asked to end."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        sys.exit(f"The environment does not have {', '.join(missing)}.")
    collect_seldom()
    try:
        app = make_app()
    except (PasswordsMissing, DatabaseTooNew) as error:
        sys.exit(str(error))
    uvicorn.run(
        app,
        host=os.environ.get("MLFLOW_HOST", "127.0.0.1"),
        port=int(os.environ.get("MLFLOW_PORT", "5000")),
        lifespan="off",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SECONDS_TO_END,
    )


if __name__ == "__main__":
    main()
