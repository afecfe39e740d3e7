"""`python -m include.embedded.programs.airflow <command> ...`: Airflow, its children's libraries in memory already.

LocalExecutor forks its workers from the scheduler, and each worker forks its tasks; the DAG processor forks a process
for each look at a file. What the parent has imported is there in every child at no cost, in pages that all of them
share. Without it, each task would spend seconds of CPU on imports before its first line. The project's own modules are
among them as long as no file of theirs changes: a task, and a look at a file, sees the code as it is.
"""

import gc
import importlib
import sys
from contextlib import suppress

from include.collector import collect_seldom
from include.configuration.layers import ROOT
from include.embedded.programs.own_modules import find_imports, share_modules

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


def run_airflow(parent: str, *arguments: str) -> None:
    """Runs a command of Airflow in this process, which first imports what its children would import.

    Args:
        parent: The command that has tasks for children.
        arguments: The command, and what it is given.
    """
    libraries = {parent: PRELOADED, "dag-processor": IMPORTED_BY_DAG_FILES}.get(arguments[0], ())
    # Tasks want the memory of their matrices back soon.
    if arguments[0] != parent:
        collect_seldom()
    gc.disable()
    for name in libraries:
        # LightGBM without the machine's OpenMP library; its own training says so.
        with suppress(OSError):
            importlib.import_module(name)
    if libraries:
        files = (ROOT / "dags").glob("*.py")
        share_modules(ROOT / "include", find_imports(files, "include", by_functions=arguments[0] == parent))

    from airflow.__main__ import main as airflow

    if arguments[0] == parent:
        from mlflow.tracking._model_registry.utils import _get_store_registry
        from mlflow.tracking.request_header.registry import resolve_request_headers

        # The first request of a process reads what every package has for MLflow, and where there is one, loads IPython.
        _get_store_registry()
        resolve_request_headers()
    if libraries:
        from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

        # The first asset that a process makes loads what every provider has for addresses of its own kind.
        _ = ProvidersManagerTaskRuntime().asset_uri_handlers

    # What has been imported stays: the collector need not look at it again and again.
    gc.freeze()
    gc.enable()
    sys.argv = ["airflow", *arguments]
    airflow()


if __name__ == "__main__":
    run_airflow("scheduler", *sys.argv[1:])
