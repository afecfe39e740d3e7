"""Fails on purpose, so that people see the alert, and know that it would reach them.

**Starts** by hand, by `make fail` or through the REST API.

**Produces** one mail (and one message on every other channel): of a task that fails, of mapped tasks that fail
together, of a task whose process is killed, or of a run that is late.

**Parameters**: `how` it fails; `word`, which makes the error a new one: without it, an error that was told within
`ALERT_REPEAT_AFTER` is counted and not sent again.
"""

import os
import signal
import time
from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task

from include.alerts import DEFAULT_ARGS, RUN_FAILED, tell_when_late
from include.presentation import MAINTENANCE, first_sentence

LATE_AFTER = timedelta(seconds=30)
MODELS = [f"model-{number}" for number in range(10)]
PARAMS = {
    "how": Param(
        "error",
        enum=["error", "mapped", "killed", "late"],
        title="How it fails",
        description="One of the ways in which things go wrong.",
    ),
    "word": Param(
        "drill",
        type="string",
        maxLength=100,
        title="Word",
        description="Becomes part of the error; another word makes another error.",
    ),
}


class Drill(Exception):
    """Nothing is broken: this was asked for."""


@task
def start(**context: Any) -> list[str]:
    """The mapped tasks to fail; or what else goes wrong."""
    how, word = context["params"]["how"], context["params"]["word"]
    if how == "error":
        raise Drill(f"This task fails on purpose ({word}). Nothing is to be done.")
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "late":
        time.sleep(LATE_AFTER.total_seconds() + 10)
    return MODELS if how == "mapped" else []


@task(map_index_template="{{ task.op_kwargs['model'] }}")
def train(model: str, **context: Any) -> None:
    """Fails, as each of its siblings does."""
    raise Drill(f"{model} fails on purpose ({context['params']['word']}). Nothing is to be done.")


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
