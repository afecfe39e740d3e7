"""Scoring a month: from `raw.rows` to `prediction.batch`, and how much of it is the model's own time."""

from datetime import UTC, datetime
from statistics import median
from typing import Any

from benchmarks.champion import MONTHS, Trained, train
from benchmarks.report import Report
from benchmarks.running import running_stack, settings_of
from benchmarks.trip_data import find_trips
from include.prediction.scoring import score_month
from include.raw import ingest_month
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
            version = RegisteredVersion("trip-duration", 1, {}, datetime.now(UTC))
            loaded = LoadedModel(version, {}, trained.model)
            runs = [score_month(stack.warehouse_url, settings, loaded, MONTHS[1]) for _ in range(ROUNDS)]
            rows.append([trained.size, f"{_measure(trained):.2f} min", *_speeds(runs)])
    return Report(
        "Scoring a month",
        f"at least {GOAL_ROWS:,} rows a second of model time on one core, and {GOAL_END_TO_END:,} end to end",
        ["model", "validation RMSE", "rows a second, model alone", "rows a second, end to end"],
        rows,
        [
            f"{trained.label}: {runs[0]['rows']:,} rows of {MONTHS[1]}; medians of {ROUNDS}, one thread",
            "model alone: features and trees; end to end: read from Postgres, scored, replaced and committed",
        ],
    )


def _speeds(runs: list[dict[str, Any]]) -> list[str]:
    return [f"{median(run['rows'] / run[key] for run in runs):,.0f}" for key in ("model_seconds", "seconds")]


def _measure(trained: Trained) -> float:
    from include.problem.objectives.regression import measure

    return measure(trained.validation.target, trained.model.predict(trained.validation.rows))["rmse"]
