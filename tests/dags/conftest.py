"""An Airflow of the tests' own, and the DAG files that there are."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# Airflow writes its configuration where this says, as soon as it is imported.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="taxi-airflow-")
atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)

ROOT = Path(__file__).resolve().parents[2]
DAG_FILES = sorted((ROOT / "dags").glob("*.py"))
DAG_IDS = [path.stem for path in DAG_FILES]
