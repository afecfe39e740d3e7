"""Fails on purpose, so that people see an alert and know that alerts reach them.

**Starts** by hand, with `make fail` or through the REST API.

**Produces** one mail (and one message on every other channel) about a task that fails, mapped tasks that fail together,
a task whose process is killed, or a run that is late.

**Parameters**: `how` it fails; `word`, which makes it a new error: an error that was already reported within
`ALERT_REPEAT_AFTER` hours is counted and not sent again.
"""

import os
import signal
import time
from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task

from include.orchestration.alerts import DEFAULT_ARGS, RUN_FAILED, tell_when_late
from include.orchestration.presentation import MAINTENANCE, first_sentence

LATE_AFTER = timedelta(seconds=30)
MODELS = [f"model-{number}" for number in range(10)]
PARAMS = {
    "how": Param(
        "error",
        enum=["error", "mapped", "killed", "late"],
        title="How it fails",
        description="What should go wrong.",
    ),
    "word": Param(
        "drill",
        type="string",
        maxLength=100,
        title="Word",
        description="Part of the error message; a different word makes a different error.",
    ),
}


class Drill(Exception):
    """Nothing is broken: this failure was requested."""


@task
def start(**context: Any) -> list[str]:
    """Lists the mapped tasks that will fail, or fails in one of the other ways."""
    how, word = context["params"]["how"], context["params"]["word"]
    if how == "error":
        raise Drill(f"This task fails on purpose ({word}). No action is needed.")
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "late":
        time.sleep(LATE_AFTER.total_seconds() + 10)
    return MODELS if how == "mapped" else []


@task(map_index_template="{{ task.op_kwargs['model'] }}")
def train(model: str, **context: Any) -> None:
    """Fails, as all of its siblings do."""
    raise Drill(f"{model} fails on purpose ({context['params']['word']}). No action is needed.")


@dag(
    schedule=None,
    catchup=False,
    dagrun_timeout=timedelta(minutes=15),
    default_args={**DEFAULT_ARGS, "retries": 0},
    on_failure_callback=RUN_FAILED,
    deadline=tell_when_late(LATE_AFTER, "drill_late"),
    params=PARAMS,
    description=first_sentence(__doc__),
    doc_md=__doc__,
    tags=[MAINTENANCE],
)
def alert_drill() -> None:
    """Spells the graph."""
    train.expand(model=start())


alert_drill()
