"""A long history for the dashboards to show: runs with their tasks, trials, a raw month and a training set."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from benchmarks.champion import Trained
from include.embedded.environment import airflow_environment
from include.embedded.stack import Stack
from include.warehouse import create_partition

RUNS, TRIALS, DAYS = 10_000, 100_000, 365
DAGS = ("data_preparation", "sklearn_training", "xgboost_training", "model_promotion", "model_monitoring")
TASKS = ("training_set", "load_models", "tune", "train", "register")
INPUTS = "pickup_at, pickup_zone, dropoff_zone, trip_distance"
TRIALS_A_MODEL = 10
MODELS = {
    "sklearn_training": ("linear_model.Lasso", "linear_model.LinearRegression"),
    "xgboost_training": ("gbtree.squarederror", "gbtree.gamma"),
}
# Run n of a DAG stands n / all of the way from a year ago until now; the error falls and wavers.
_TRIALS = """
    INSERT INTO training.trials (run_key, model, number, set_version, status, loss, parameters, metrics, started_at,
                                 finished_at)
    SELECT %(dag)s || '/run_' || run, %(model)s, number, 1, 'ok', 5 + random() + exp(-run / 500.0),
           jsonb_build_object('learning_rate', random(), 'max_depth', number), '{"rmse": 5, "mae": 4}',
           at, at + interval '1 second'
    FROM generate_series(0, %(runs)s - 1) run, generate_series(0, %(trials)s - 1) number,
         LATERAL (SELECT now() - make_interval(mins => (%(minutes)s * (1 - (run + 1.0) / %(runs)s))::int) AS at) moment
"""


def store_history(stack: Stack, trained: Trained) -> None:
    """Fills Airflow's database and the warehouse of an empty stack."""
    _store_runs(stack)
    with psycopg.connect(stack.warehouse_url) as connection:
        for dag, models in MODELS.items():
            for model in models:
                runs = TRIALS // TRIALS_A_MODEL // 4
                values = {"dag": dag, "model": model, "runs": runs, "trials": TRIALS_A_MODEL, "minutes": DAYS * 1440}
                connection.execute(_TRIALS, values)
        _store_trips(connection, trained)
    with psycopg.connect(stack.warehouse_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    with psycopg.connect(stack.airflow_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE dag_run")
        connection.execute("VACUUM ANALYZE task_instance")


def _store_trips(connection: psycopg.Connection, trained: Trained) -> None:
    """The validation split as a raw month and as a published training set."""
    trips, target = trained.validation.rows, trained.validation.target
    columns = [trips[name].tolist() for name in ("pickup_at", "pickup_zone", "dropoff_zone", "trip_distance")]
    rows = list(zip(*columns, target.tolist(), strict=True))
    create_partition(connection, "raw", "rows", "2024_02", "month", "2024-02")
    connection.execute(
        "CREATE TABLE training.examples_1 AS SELECT month, row_number, ''::text AS split, pickup_at, pickup_zone,"
        " dropoff_zone, trip_distance, target FROM raw.rows"
    )
    connection.execute(
        "INSERT INTO raw.sources (month, location, sha256, columns, reading, rows)"
        " VALUES ('2024-02', '', '0', '{}', '', %s)",
        [len(rows)],
    )
    connection.execute(
        "INSERT INTO training.sets (state, months, validation_from, declaration, settings, sources, counts,"
        " published_at) VALUES ('published', '{2024-02}', '2024-02-01', %s, '{}', '{}',"
        " jsonb_build_object('validation', %s::int), now())",
        [Jsonb(trained.model.problem.to_dict()), len(rows)],
    )
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY raw.rows (month, row_number, dropoff_at, {INPUTS}, target) FROM STDIN") as copy:
            for number, (at, pickup, dropoff, distance, minutes) in enumerate(rows):
                end = at + timedelta(minutes=minutes)
                copy.write_row(("2024-02", number, end, at, pickup, dropoff, distance, minutes))
        with cursor.copy(f"COPY training.examples_1 (month, row_number, split, {INPUTS}, target) FROM STDIN") as copy:
            for number, row in enumerate(rows):
                copy.write_row(("2024-02", number, "validation", *row))


def _store_runs(stack: Stack) -> None:
    """Runs of each DAG over a year, by Airflow's own tables."""
    os.environ.update(airflow_environment(stack))
    from airflow.models import DagRun, TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import insert

    now = datetime.now(UTC)
    runs: list[dict[str, Any]] = []
    tasks: list[dict[str, Any]] = []
    for number in range(RUNS):
        dag, run = DAGS[number % len(DAGS)], f"run_{number // len(DAGS)}"
        at = now - timedelta(days=DAYS) * (1 - (number + 1) / RUNS)
        runs.append(
            {"dag_id": dag, "run_id": run, "run_after": at, "start_date": at, "end_date": at + timedelta(minutes=2),
             "state": "failed" if number % 50 == 0 else "success", "clear_number": 0, "span_status": "not_started",
             "run_type": ("manual", "scheduled", "asset_triggered")[number % 3], "log_template_id": None}
        )  # fmt: skip
        for at_task, task in enumerate(TASKS):
            begun = at + timedelta(seconds=at_task)
            tasks.append(
                {"dag_id": dag, "run_id": run, "task_id": task, "map_index": -1, "state": "success",
                 "pool": "default_pool", "start_date": begun, "end_date": begun, "duration": 1.0 + number % 7,
                 "pool_slots": 1, "try_number": 1, "max_tries": 0, "span_status": "not_started"}
            )  # fmt: skip
    with create_session() as session:
        for table, rows in ((DagRun.__table__, runs), (TaskInstance.__table__, tasks)):
            session.execute(insert(table), rows)
