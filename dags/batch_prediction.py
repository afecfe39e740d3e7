"""Scores whole months with the champion.

**Starts** when the champion changes, by hand or through the REST API.

**Produces** a row per prediction in `prediction.batch`; earlier predictions of the same model version for a month are
replaced in one transaction. The run's note says how many rows were scored, of which months.

**Parameters**: `months` (`all` for a source that is not divided into months; empty: the loaded ones of the settings'
months), `location` of the rows, written like SOURCE (empty: the months in `raw.rows`; allowed are SOURCE and the
locations in BATCH_LOCATIONS), `connection_id` for a location that requires a login.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, get_current_context, task

from include.configuration.values import END, PART_PATTERN, SECRET_WORDS
from include.orchestration.alerts import DEFAULT_ARGS, RUN_FAILED, tell_when_late
from include.orchestration.assets import CHAMPION_MODEL
from include.orchestration.connections import get_warehouse_url, log_in
from include.orchestration.presentation import PREDICTIONS, first_sentence, in_force
from include.orchestration.runs import note_run
from include.settings import read_settings

# A run keeps its parameters: one with a password, or with a parameter that is one, is refused before it is kept.
WORDS = "|".join("".join(f"[{letter}{letter.upper()}]" for letter in word) for word in SECRET_WORDS)
WITHOUT_LOGIN = rf"^(?![^/]*//[^@]*:[^@]*@)(?!.*[?&][^=&]*(?:{WORDS})[^=&]*=)"
PARAMS = {
    "months": Param(
        None,
        type=["array", "null"],
        items={"type": "string", "pattern": PART_PATTERN},
        title="Months",
        description="As YYYY-MM, one per line; all for a source that is not divided into months. Empty: the loaded ones"
        f" of {in_force('MONTHS')}.",
    ),
    "location": Param(
        None,
        type=["string", "null"],
        pattern=WITHOUT_LOGIN,
        title="Location",
        description="Address of the rows, with `{month}` in it: SOURCE, or one that BATCH_LOCATIONS allows. "
        "Put no password here; name a connection below. Empty: the months in `raw.rows`.",
    ),
    "connection_id": Param(
        None,
        type=["string", "null"],
        pattern=rf"^[A-Za-z0-9_.-]+{END}",
        title="Connection",
        description="Airflow connection with the login for the location's server (HTTP or Postgres). Empty: none.",
    ),
}
SCORED = "{{ task.op_kwargs['job']['month'] }}{{ scored | default('') }}"


@task
def plan(**context: Any) -> list[dict[str, Any]]:
    """Plans one job per month, all with the current champion."""
    from include.prediction import batch

    return batch.plan(get_warehouse_url(), read_settings(), **context["params"])


@task(map_index_template=SCORED)
def score(job: dict[str, Any]) -> dict[str, Any]:
    """Scores one month into `prediction.batch`."""
    from include.prediction import batch
    from include.problem.words import count_rows_in_words

    settings = read_settings()
    scored = batch.score(get_warehouse_url(), settings, job, log_in=log_in)
    counted = count_rows_in_words(settings.problem, scored["rows"])
    get_current_context()["scored"] = f": {counted}"  # type: ignore[typeddict-unknown-key]
    return scored


@task
def report(scored: Any, **context: Any) -> None:
    """Writes into the run's note what was scored."""
    from include.prediction import batch

    note_run(context, batch.describe(read_settings(), list(scored)))


@dag(
    schedule=[CHAMPION_MODEL],
    catchup=False,
    dagrun_timeout=timedelta(hours=6),
    # An event that reaches a paused DAG is lost.
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS,
    on_failure_callback=RUN_FAILED,
    deadline=tell_when_late(timedelta(minutes=30)),
    params=PARAMS,
    description=first_sentence(__doc__),
    doc_md=__doc__,
    tags=[PREDICTIONS],
)
def batch_prediction() -> None:
    """Spells the graph."""
    report(score.expand(job=plan()))


batch_prediction()
