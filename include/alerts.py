"""What every task does about errors: which are worth another try, and which are not."""

from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule
from airflow.sdk.exceptions import AirflowRuntimeError

from include.taxi.errors import SourceUnavailable, StaleInput, TrackingUnavailable, WarehouseUnavailable

RETRY_DELAY = timedelta(seconds=20)

# Waiting helps where a server is away; it never repairs data, a setting or code.
RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            [
                SourceUnavailable,
                WarehouseUnavailable,
                TrackingUnavailable,
                # Airflow's own operators on the warehouse, and its API server.
                "psycopg.OperationalError",
                AirflowRuntimeError,
            ],
            retry_delay=RETRY_DELAY,
            reason="a server was away",
        ),
        RetryRule(StaleInput, retry_delay=timedelta(seconds=5), reason="the input was replaced meanwhile"),
        RetryRule("builtins.Exception", action=RetryAction.FAIL, reason="waiting would not help"),
    ]
)

# A worker that is killed raises nothing: `retries` alone decides then, and the task goes on where it was.
DEFAULT_ARGS: dict[str, Any] = {"retries": 3, "retry_delay": RETRY_DELAY, "retry_policy": RETRY_POLICY}
