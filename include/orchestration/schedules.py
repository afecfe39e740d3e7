"""When DAGs start by the clock."""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable


def cron(expression: str) -> CronTriggerTimetable:
    """The timetable of a cron expression in UTC, from the next time on."""
    # Without this, a new stack would make up for the time before it, if that is not long ago.
    return CronTriggerTimetable(expression, timezone="UTC", run_immediately=timedelta(0))
