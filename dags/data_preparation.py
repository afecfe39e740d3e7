"""Start here: loads rows and, unless a fresh training set exists, publishes a new one, which starts training.

**Starts** by hand, through the REST API, by `automatic_retraining`, or when a training DAG finds no fresh set.

**Produces** the months in `raw.rows`, rejected rows in `raw.rejected`, an immutable version in
`training.examples_<version>`, which is also kept as Parquet files if it is large (`PARQUET_LOCATION`), and a note that
accounts for each loaded row; then the asset `training_set` changes and starts the training DAGs. If the same set was
published within `outdated_after`, the later tasks are skipped and there is no event.

**Parameters**: `months`, `validation_from`, `test_from`, `outdated_after` (hours), `force`. Empty ones have the
settings' values.
"""

from datetime import timedelta
from typing import Any

from airflow.providers.common.sql.operators.sql import SQLTableCheckOperator
from airflow.sdk import Param, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from include.configuration.values import PART_PATTERN
from include.orchestration.alerts import DEFAULT_ARGS, RUN_FAILED, AlertNotifier, tell_when_late
from include.orchestration.assets import RAW_ROWS, TRAINING_SET
from include.orchestration.connections import get_warehouse_url
from include.orchestration.presentation import DATA, MAIN, first_sentence, flag, in_force
from include.orchestration.runs import name_run, note_run, skip_run
from include.sets.results import FRESH_VERSION, IngestValues, PlanValues, PublishedValues, ValidationValues
from include.sets.sql_checks import RAW_TABLE_CHECKS, list_example_checks
from include.settings import read_settings

# The other DAG files are read whatever a setting says. Here, one that cannot be used becomes the import error that
# people see; without its data, nothing would go on anyway.
PROBLEM = read_settings().problem
DAY: dict[str, Any] = {"type": ["string", "null"], "format": "date"}
VALIDATION = "that of the month before the newest; of two months, of the newest; of one, its 21st; or by shares"
TEST = (
    "that of the newest month; of two, of its second half; of one, its 26th; or by shares. With a day for validation,"
    " no test split"
)
PARAMS = {
    "months": Param(
        None,
        type=["array", "null"],
        items={"type": "string", "pattern": PART_PATTERN},
        title="Months",
        description="Months to use, as YYYY-MM, one per line; all for a source that is not divided into months. Empty: "
        f"{in_force('MONTHS')}.",
    ),
    "validation_from": Param(
        None,
        **DAY,
        title="Validation from",
        description=f"First day of the validation split. Empty: {in_force('VALIDATION_FROM', otherwise=VALIDATION)}.",
    ),
    "test_from": Param(
        None,
        **DAY,
        title="Test from",
        description=f"First day of a third split, for testing. Empty: {in_force('TEST_FROM', otherwise=TEST)}.",
    ),
    "outdated_after": Param(
        None,
        type=["number", "null"],
        exclusiveMinimum=0,
        title="Outdated after",
        description=f"Hours after which an unchanged set is built again. Empty: {in_force('OUTDATED_AFTER')}.",
    ),
    "force": flag("Build anyway", "Build the set even if it is fresh."),
}
MONTHS = "month = ANY('{{ '{' ~ ti.xcom_pull(task_ids='plan') | join(',') ~ '}' }}')"
EXAMPLES = "training.examples_{{ ti.xcom_pull(task_ids='transform') }}"


@task
def load_references() -> dict[str, Any]:
    """Loads the tables that the problem's features look up, if it has any."""
    from include.prediction.value_names import write_names
    from include.sets import preparation

    url, settings = get_warehouse_url(), read_settings()
    loaded = preparation.load_references(url, settings)
    write_names(url, settings.problem)
    return loaded


@task
def plan(**context: Any) -> list[str]:
    """Plans what to build and lists its months; skips the rest if that exists and is fresh."""
    from include.sets import preparation

    made = preparation.plan(get_warehouse_url(), read_settings(), context["params"])
    _skip_if_fresh(made.fresh_version, **context)
    # Tasks can be mapped over a return value only.
    context["ti"].xcom_push("plan", made.plan.to_dict())
    return list(made.plan.months)


@task(map_index_template="{{ task.op_kwargs['month'] }}")
def ingest(month: str) -> IngestValues:
    """Loads one month into `raw.rows`."""
    from include.sets import preparation

    return preparation.ingest(get_warehouse_url(), read_settings(), month)


@task(outlets=[RAW_ROWS])
def validate_raw(plan: PlanValues, *, outlet_events: Any = None) -> list[ValidationValues]:
    """Checks the months' rows against the rules."""
    from include.sets import preparation

    outlet_events[RAW_ROWS].extra = {"months": plan["months"]}
    return preparation.validate_raw(get_warehouse_url(), read_settings(), plan)


@task
def transform(plan: PlanValues, **context: Any) -> int:
    """Writes the examples of a new version; skips the rest if a fresh version already holds the same."""
    from include.sets import preparation

    url, settings = get_warehouse_url(), read_settings()
    _skip_if_fresh(preparation.find_fresh_version(url, settings, plan), **context)
    return preparation.transform(url, settings, plan, name_run(context))


@task
def build(version: int) -> dict[str, int]:
    """Computes the version's counts and statistics."""
    from include.sets import build

    return build.build(get_warehouse_url(), version)


@task
def validate_training_set(version: int) -> None:
    """Checks the version as a whole: enough rows, values in range, no leakage between splits."""
    from include.sets import build

    build.validate(get_warehouse_url(), read_settings(), version)


@task(outlets=[TRAINING_SET], on_success_callback=AlertNotifier("prepared"))
def publish(version: int, *, outlet_events: Any = None, **context: Any) -> PublishedValues:
    """Publishes the version for readers, sends the event, and accounts for each row in the run's note."""
    from include.sets import left_out, preparation

    url = get_warehouse_url()
    published = preparation.publish(url, read_settings(), version)
    if published is None:
        raise AirflowSkipException("Another run has published the same set in the meantime.")
    outlet_events[TRAINING_SET].extra = published.to_dict()
    note_run(context, left_out.describe(url, version))
    return published.to_dict()


def _skip_if_fresh(version: int | None, **context: Any) -> None:
    if version is not None:
        # For those who follow the run: the newest set may be another one.
        context["ti"].xcom_push(FRESH_VERSION, version)
        skip_run(context, f"Training set version {version} holds the same data and is fresh: nothing is recomputed.")


@dag(
    schedule=None,
    catchup=False,
    # Retrainings and trainings start it.
    is_paused_upon_creation=False,
    dagrun_timeout=timedelta(hours=6),
    default_args=DEFAULT_ARGS,
    on_failure_callback=RUN_FAILED,
    deadline=tell_when_late(timedelta(minutes=30)),
    params=PARAMS,
    description=first_sentence(__doc__),
    doc_md=__doc__,
    tags=[MAIN, DATA],
)
def data_preparation() -> None:
    """Spells the graph."""
    months = plan()
    planned = months["plan"]
    check_raw = SQLTableCheckOperator(
        task_id="check_raw",
        conn_id="warehouse",
        table="raw.rows",
        partition_clause=MONTHS,
        checks=RAW_TABLE_CHECKS,
    )
    version = transform(planned)
    checks = [
        SQLTableCheckOperator(
            task_id="check_examples",
            conn_id="warehouse",
            table=EXAMPLES,
            checks=list_example_checks(PROBLEM),
        ),
        validate_training_set(version),
    ]
    load_references() >> months
    ingest.expand(month=months) >> [validate_raw(planned), check_raw] >> version
    build(version) >> checks >> publish(version)


data_preparation()
