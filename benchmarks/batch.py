"""Scoring a month: from `raw.rows` to `prediction.batch`, and how much of it is the model's own time."""

from collections import deque
from dataclasses import replace
from datetime import UTC, datetime
from statistics import median
from typing import Any

from psycopg import sql

from benchmarks.champion import MONTHS, Trained, train
from benchmarks.report import Report
from benchmarks.running import running_stack, settings_of
from benchmarks.trip_data import find_trips
from include.models.estimator_files import dump_estimator, parse_estimator
from include.prediction.located import open_location
from include.prediction.scoring import Scoring, score_month
from include.raw import ingest_month
from include.settings import Settings
from include.sources.limits import allow_all
from include.tracking.registry import RegisteredVersion
from include.tracking.store import LoadedModel
from include.warehouse import connect

ROUNDS = 5
# Of a month of 54,000 rows.
COPIES = 20
GOAL_ROWS, GOAL_END_TO_END = 400_000, 250_000
# The model as it is tuned first, and others: a booster's time is that of its trees.
XGBOOST = "gbtree.squarederror"
CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {"model": XGBOOST},
    {"model": XGBOOST, "learning_rate": 0.2},
    {"model": XGBOOST, "learning_rate": 0.4, "max_depth": 7},
)


def run() -> Report:
    """Scores a month with boosters of different size, and a million rows with the first, on one thread."""
    settings = settings_of(find_trips().settings, months=MONTHS)
    with running_stack(("postgres",)) as stack:
        ingest_month(stack.warehouse_url, settings, MONTHS[1])
        models = [train(**changes) for changes in CHANGES]
        rows = [_measure(stack.warehouse_url, settings, trained) for trained in models]
        _copy_month(stack.warehouse_url)
        rows.append(_measure(stack.warehouse_url, settings, models[0], COPIES))
    return Report(
        "Scoring a month",
        f"at least {GOAL_ROWS:,} rows a second of model time on one core, and {GOAL_END_TO_END:,} end to end",
        ["model", "validation RMSE", "rows", "rows a second, model alone", "rows a second, end to end"],
        rows,
        [
            f"{models[0].label} of {MONTHS[1]}, and {COPIES} copies of them one after another",
            f"medians of {ROUNDS}, one thread",
            "each time with a model that was loaded anew, as the task of a month does; to load it is not counted",
            "model alone: features and trees, and for LightGBM the masks of its leaves, with nothing beside them",
            "end to end: read from Postgres, scored, replaced and committed, of which some is done at the same time",
        ],
    )


def _measure(url: str, settings: Settings, trained: Trained, copies: int = 1) -> list[str]:
    """A line of the table."""
    alone = [_score_alone(settings, _load(trained), copies) for _ in range(ROUNDS)]
    runs = [score_month(url, settings, _load(trained), MONTHS[1]) for _ in range(ROUNDS)]
    end_to_end = median(run["rows"] / run["seconds"] for run in runs)
    count = f"{runs[0]['rows']:,}"
    return [trained.size, f"{_measure_error(trained):.2f} min", count, f"{median(alone):,.0f}", f"{end_to_end:,.0f}"]


def _copy_month(url: str) -> None:
    """Makes the loaded month as many copies of itself, each behind the one before."""
    with connect(url) as connection:
        loaded = connection.execute("SELECT * FROM raw.rows LIMIT 0").description or ()
        names = [column.name for column in loaded if column.name != "row_number"]
        statement = sql.SQL(
            "INSERT INTO raw.rows (row_number, {names})"
            " SELECT row_number + copy * count(*) OVER (PARTITION BY copy), {names} FROM raw.rows,"
            " generate_series(1, {last}) AS copy ORDER BY copy, row_number"
        )
        columns = sql.SQL(", ").join(map(sql.Identifier, names))
        connection.execute(statement.format(names=columns, last=sql.Literal(COPIES - 1)))


def _load(trained: Trained) -> LoadedModel:
    """The model as the task of a month has it: it has predicted nothing, so that no masks of its leaves are made."""
    estimator = parse_estimator(*dump_estimator(trained.model.estimator), threads=1)
    version = RegisteredVersion("trip-duration", 1, {}, datetime.now(UTC))
    return LoadedModel(version, {}, replace(trained.model, estimator=estimator))


def _score_alone(settings: Settings, loaded: LoadedModel, copies: int) -> float:
    """Rows a second in features and model, while nothing else is done."""
    scoring = Scoring(MONTHS[1], loaded, settings.problem)
    with open_location(settings, MONTHS[1], str(settings.problem.source), allow_all) as batches:
        read = list(batches)
    deque(scoring.score(iter(read * copies)), maxlen=0)
    return scoring.rows / scoring.model_seconds


def _measure_error(trained: Trained) -> float:
    from include.problem.objectives.regression import measure

    return measure(trained.validation.target, trained.model.predict(trained.validation.rows))["rmse"]
