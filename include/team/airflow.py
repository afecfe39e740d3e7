"""`python -m include.team.airflow <command> ...`: Airflow, its children's libraries in memory already.

Celery forks its processes from the worker, and each of these forks its tasks, as LocalExecutor does from the scheduler.
"""

import sys

from include.embedded.programs.airflow import run_airflow

if __name__ == "__main__":
    run_airflow("celery", *sys.argv[1:])
