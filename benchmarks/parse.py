"""How long reading a DAG file takes beyond Airflow's own import."""

import os
import subprocess
import sys
from statistics import median

from benchmarks.report import Report
from include.settings import ROOT

REPEATS = 5
GOAL_SECONDS = 0.4
PROGRAM = """
import runpy, sys, time
begun = time.perf_counter()
import airflow.sdk
ready, ready_cpu = time.perf_counter(), time.process_time()
runpy.run_path(sys.argv[1])
print(ready - begun, time.perf_counter() - ready, time.process_time() - ready_cpu)
"""


def run() -> Report:
    """Reads each file in fresh interpreters; the figures of a row are medians of the same runs."""
    rows = []
    for path in sorted((ROOT / "dags").glob("*.py")):
        runs = [_read(str(path)) for _ in range(REPEATS)]
        airflow, own, own_cpu = (median(values) for values in zip(*runs, strict=True))
        rows.append([path.name, f"{own:.2f} s", f"{own_cpu:.2f} s", f"{airflow:.2f} s"])
    return Report(
        "Parsing a DAG file",
        f"at most {GOAL_SECONDS} s beyond `import airflow.sdk`",
        ["file", "beyond `import airflow.sdk`", "of it CPU", "`import airflow.sdk` alone"],
        rows,
        [f"median of {REPEATS} fresh interpreters each"],
    )


def _read(path: str) -> list[float]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, path], env=environment, capture_output=True, text=True, check=True
    )
    return [float(value) for value in done.stdout.split()[-3:]]
