"""Scoring a month: from `raw.rows` to `prediction.batch`, and how much of it is the model's own time."""

from collections import deque
from dataclasses import replace
from datetime import UTC, datetime
from statistics import median
from typing import Any

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

ROUNDS = 5
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
    """Scores a month with boosters of different size, on one thread."""
    settings = settings_of(find_trips().settings, months=MONTHS)
    with running_stack(("postgres",)) as stack:
        ingest_month(stack.warehouse_url, settings, MONTHS[1])
        rows = []
        for changes in CHANGES:
            trained = train(**changes)
            alone = [_score_alone(settings, _load(trained)) for _ in range(ROUNDS)]
            runs = [score_month(stack.warehouse_url, settings, _load(trained), MONTHS[1]) for _ in range(ROUNDS)]
            end_to_end = median(run["rows"] / run["seconds"] for run in runs)
            rows.append([trained.size, f"{_measure(trained):.2f} min", f"{median(alone):,.0f}", f"{end_to_end:,.0f}"])
    return Report(
        "Scoring a month",
        f"at least {GOAL_ROWS:,} rows a second of model time on one core, and {GOAL_END_TO_END:,} end to end",
        ["model", "validation RMSE", "rows a second, model alone", "rows a second, end to end"],
        rows,
        [
            f"{trained.label}: {runs[0]['rows']:,} rows of {MONTHS[1]}; medians of {ROUNDS}, one thread",
            "each time with a model that was loaded anew, as the task of a month does; to load it is not counted",
            "model alone: features and trees, and for LightGBM the masks of its leaves, with nothing beside them",
            "end to end: read from Postgres, scored, replaced and committed, of which some is done at the same time",
        ],
    )


def _load(trained: Trained) -> LoadedModel:
    """The model as the task of a month has it: it has predicted nothing, so that no masks of its leaves are made."""
    estimator = parse_estimator(*dump_estimator(trained.model.estimator), threads=1)
    version = RegisteredVersion("trip-duration", 1, {}, datetime.now(UTC))
    return LoadedModel(version, {}, replace(trained.model, estimator=estimator))


def _score_alone(settings: Settings, loaded: LoadedModel) -> float:
    """Rows a second in features and model, while nothing else is done."""
    scoring = Scoring(MONTHS[1], loaded, settings.problem)
    with open_location(settings, MONTHS[1], str(settings.problem.source), allow_all) as batches:
        read = list(batches)
    deque(scoring.score(iter(read)), maxlen=0)
    return scoring.rows / scoring.model_seconds


def _measure(trained: Trained) -> float:
    from include.problem.objectives.regression import measure

    return measure(trained.validation.target, trained.model.predict(trained.validation.rows))["rmse"]
