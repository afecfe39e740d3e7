"""`python -m include.team.worker ...`: `airflow celery worker`, with the libraries of the tasks already in memory.

Celery forks its processes from the worker, and each of these forks its tasks, as LocalExecutor does from the scheduler.
"""

import sys

from include.embedded.programs.airflow import PRELOADED, run_airflow

if __name__ == "__main__":
    # Logs are read from the shared volume; the server for them would be one more process.
    run_airflow(PRELOADED, "celery", "worker", "--skip-serve-logs", *sys.argv[1:])
