"""The options of Airflow, MLflow and Python that every stack has, embedded or in containers.

Only what does not depend on the stack; where it listens and what it connects to is each stack's own. Containers have a
few more, because a queue hands tasks to their workers.
"""

from collections.abc import Iterable, Mapping

# For each program.
SHARED_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    "TZ": "UTC",
    # Idle OpenMP threads of one task would otherwise spin on the cores that another needs.
    "OMP_WAIT_POLICY": "PASSIVE",
    # OpenBLAS's threads spin whatever that says; the matrices here are too sparse or too small for them to help.
    "OPENBLAS_NUM_THREADS": "1",
    # Three more attempts with a growing pause; after that the task itself is retried later.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Images have no `git`, of which each training would else complain in twenty lines; `GIT_COMMIT` names the commit.
    "GIT_PYTHON_REFRESH": "quiet",
}

MLFLOW_SERVER_ENVIRONMENT = {
    # Its job runner is a dozen processes more, for features that are not used here.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}

SERVING_ENVIRONMENT = {
    # All of its memory in large pages, as far as Linux has them to give: a single prediction waits more for addresses
    # to be looked up than it computes. With them it takes two thirds of the time, for 10 MB more. Python's own
    # allocator would ask for small ones.
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "PYTHONMALLOC": "malloc",
}

Options = Mapping[str, Iterable[tuple[str, str]]]

# Section -> key and value, as in airflow.cfg.
AIRFLOW_OPTIONS: Options = {
    "CORE": [
        ("LOAD_EXAMPLES", "False"),
        # The full name is a DNS question, which takes seconds on a machine without network.
        ("HOSTNAME_CALLABLE", "socket.gethostname"),
        # A changed DAG counts as soon as it has been parsed.
        ("MIN_SERIALIZED_DAG_UPDATE_INTERVAL", "0"),
    ],
    "SCHEDULER": [
        ("SCHEDULER_IDLE_SLEEP_TIME", "0.2"),
        # Tasks of a killed worker are noticed within a minute rather than five.
        ("TASK_INSTANCE_HEARTBEAT_TIMEOUT", "60"),
        ("ORPHANED_TASKS_CHECK_INTERVAL", "60"),
        # A task waits for a slot for as long as the trainings before it take, at most all that a run of one is given.
        # The token that it starts with is valid for this time, by default 600 s: later, it fails as soon as it starts.
        # LocalExecutor, which cannot take a task back, uses it for nothing else.
        ("TASK_QUEUED_TIMEOUT", "86400"),
    ],
    "WORKERS": [
        # On a busy machine the server may need longer than the 5 s after which a task is given up.
        ("EXECUTION_API_TIMEOUT", "30"),
        # A restarted server is back within half a minute; by default a task may give it up after a few seconds.
        ("EXECUTION_API_RETRIES", "12"),
        ("EXECUTION_API_RETRY_WAIT_MAX", "8"),
        # Between two heartbeats a supervisor may miss that its task's process has ended: for so many seconds the slot
        # is not free, and a task that failed or was skipped has no state yet. By default 5, seen with one task in four.
        ("MIN_HEARTBEAT_INTERVAL", "1"),
    ],
    "DAG_PROCESSOR": [
        # New files are found within seconds; changed ones are parsed at once, the others, for what their settings say
        # now, seldom: to parse them all each minute would be a third of what an idle stack costs.
        ("REFRESH_INTERVAL", "5"),
        ("BUNDLE_REFRESH_CHECK_INTERVAL", "2"),
        ("MIN_FILE_PROCESS_INTERVAL", "180"),
    ],
    "LOGGING": [("COLORED_CONSOLE_LOG", "False")],
    "USAGE_DATA_COLLECTION": [("ENABLED", "False")],
}

# In containers, these too, before the ones above. Celery's executor, like Kubernetes', can take a task back: one that
# has waited for the timeout is queued again, with a new token, so that a lost message costs an hour. After so many
# times and one hour more it is failed.
CONTAINER_OPTIONS: Options = {
    "SCHEDULER": [
        ("TASK_QUEUED_TIMEOUT", "3600"),
        ("NUM_STUCK_IN_QUEUED_RETRIES", "24"),
        # By default every 120 s: a task that gets a slot in between would fail, as its token is accepted for 10 s more.
        ("TASK_QUEUED_TIMEOUT_CHECK_INTERVAL", "5"),
    ],
}


def name_variables(options: Options) -> dict[str, str]:
    """The options as environment variables: `AIRFLOW__SECTION__KEY` -> value."""
    return {f"AIRFLOW__{section}__{key}": value for section, keys in options.items() for key, value in keys}
