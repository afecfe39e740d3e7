"""Monitors the champion: drift of new rows and requests from its training data, and how large its errors are.

**Starts** daily (`MONITORING_SCHEDULE`), after each ingest, or by hand.

**Produces** three measures of drift per week and column in `monitoring.drift`, of the newest rows and of what was
requested in the last days; the champion's error on all rows of each week in `monitoring.errors`; and in
`monitoring.live_errors` the errors of logged predictions whose rows have arrived since. If columns have drifted, or the
error was too high (`ERROR_RATIO`), in `DRIFT_WINDOWS_NEEDED` of the last `DRIFT_WINDOWS` weeks, including the newest,
or if predictions have moved against the actual values (`BIAS_SPREADS`), a row is added to `monitoring.alarms` and the
asset `drift` changes, once per champion and newest week. A champion that cannot be used is reported by an alert, once.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import AssetOrTimeSchedule, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from include.monitoring.results import AlarmValues, DriftValues
from include.orchestration.alerts import DEFAULT_ARGS, RUN_FAILED, AlertNotifier
from include.orchestration.assets import DRIFT, RAW_ROWS
from include.orchestration.connections import get_warehouse_url
from include.orchestration.presentation import MODELS, first_sentence
from include.orchestration.runs import name_run, note_run
from include.orchestration.schedules import cron
from include.settings import read_settings, read_usable_settings


@task(max_active_tis_per_dag=1)
def measure_live_errors() -> int:
    """Compares logged predictions with the rows that have arrived since."""
    from include.monitoring import live_errors

    return live_errors.measure_live_errors(get_warehouse_url(), read_settings())


@task(max_active_tis_per_dag=1, on_success_callback=AlertNotifier("unusable"))
def measure_drift(**context: Any) -> DriftValues | None:
    """Finds the columns that drift and errors that have changed; checks that the champion can be used at all."""
    from include.monitoring import watch
    from include.promotion import usability

    url, settings = get_warehouse_url(), read_settings()
    broken = usability.check_champion(url, settings)
    report = watch.measure_drift(url, settings)
    found = report.describe() if report else watch.NOTHING_TO_COMPARE
    note_run(context, "\n".join(filter(None, (broken, found))))
    return report.to_dict() if report else None


@task(outlets=[DRIFT], on_success_callback=AlertNotifier("drift"))
def raise_alarm(report: DriftValues | None, *, outlet_events: Any = None, **context: Any) -> AlarmValues:
    """Raises the alarm, unless it was raised before."""
    from include.monitoring import report as reports
    from include.monitoring import watch

    found = reports.DriftReport.from_dict(report) if report else None
    alarm = watch.raise_alarm(get_warehouse_url(), found, name_run(context)) if found else None
    if alarm is None:
        raise AirflowSkipException("There is no new alarm.")
    outlet_events[DRIFT].extra = alarm.to_dict()
    return alarm.to_dict()


@dag(
    schedule=AssetOrTimeSchedule(timetable=cron(read_usable_settings().monitoring_schedule), assets=[RAW_ROWS]),
    catchup=False,
    dagrun_timeout=timedelta(hours=2),
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS,
    on_failure_callback=RUN_FAILED,
    description=first_sentence(__doc__),
    doc_md=__doc__,
    tags=[MODELS],
)
def model_monitoring() -> None:
    """Spells the graph."""
    measure_live_errors()
    raise_alarm(measure_drift())


model_monitoring()
