"""`airflow scheduler`, with the libraries that tasks import already in memory.

LocalExecutor forks its workers from the scheduler, and each worker forks its tasks: what this process has imported
is there in every task at no cost, in pages that all of them share. Without it, each task would spend seconds of CPU
on imports before its first line. The project's own modules are left out, so that a task always runs the code as it is
when the task starts.
"""

import importlib
import sys
from collections.abc import Iterable
from contextlib import suppress

IMPORTED_BY_TASKS = (
    "adbc_driver_postgresql.dbapi",
    "fsspec",
    "hyperopt",
    "lightgbm",
    "mlflow.pyfunc",
    "mlflow.sklearn",
    "mlflow.xgboost",
    "opentelemetry.sdk.metrics",
    "pandas",
    "pandera.pandas",
    "pyarrow.csv",
    "pyarrow.parquet",
    "scipy.sparse",
    "skops.io",
    "sklearn.ensemble",
    "sklearn.feature_extraction",
    "sklearn.linear_model",
    "sklearn.pipeline",
    "sklearn.svm",
    "xgboost",
)
# Each task reads its DAG file first.
IMPORTED_BY_DAG_FILES = (
    "airflow.providers.common.sql.operators.sql",
    "airflow.providers.smtp.notifications.smtp",
    "airflow.providers.standard.decorators.python",
    "airflow.providers.standard.operators.hitl",
    "airflow.providers.standard.triggers.temporal",
    "croniter",
    "numpy",
    "psycopg",
    "pydantic",
)
# In this order: skops looks at all modules that are there already, and Airflow has a warning for thousands of names.
PRELOADED = (*IMPORTED_BY_TASKS, *IMPORTED_BY_DAG_FILES)


def run_airflow(libraries: Iterable[str], *arguments: str) -> None:
    """Imports the libraries, then runs a command of Airflow in this process."""
    for name in libraries:
        # LightGBM without the machine's OpenMP library; its own training says so.
        with suppress(OSError):
            importlib.import_module(name)

    from airflow.__main__ import main as airflow
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    # The first asset that a process makes loads what every provider has for addresses of its own kind.
    _ = ProvidersManagerTaskRuntime().asset_uri_handlers

    sys.argv = ["airflow", *arguments]
    airflow()


if __name__ == "__main__":
    # Logs are read from the shared directory; the server for them would listen on every address.
    run_airflow(PRELOADED, "scheduler", "--skip-serve-logs")
