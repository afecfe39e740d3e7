"""`airflow dag-processor`, with the libraries that DAG files import already in memory.

It forks a process for each look at a file, every minute, and imports beforehand only those modules of Airflow that
the file itself names. The project's own modules are left out, so that a look sees the code as it is.
"""

from include.embedded.programs.scheduler import IMPORTED_BY_DAG_FILES, run_airflow

if __name__ == "__main__":
    run_airflow(IMPORTED_BY_DAG_FILES, "dag-processor")
