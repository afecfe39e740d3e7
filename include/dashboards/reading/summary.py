"""The few facts of the card on Airflow's home page."""

from include.dashboards.context import Context
from include.dashboards.drawing.charts import read_rows
from include.dashboards.drawing.tables import Fact, Facts, show_age
from include.dashboards.reading.registered import CHAMPION, list_registered
from include.errors import MltrainError, TrackingUnavailable, WarehouseUnavailable
from include.tracking.registry import START_TRAINING

# The newest retraining; before the first one, the newest training.
_LAST = """
    (SELECT 'Last retraining' AS label, state AS detail, coalesce(finished_at, started_at) AS at
     FROM training.retrainings WHERE split_part(run_key, '/', 1) = ANY(%(readable)s) ORDER BY started_at DESC LIMIT 1)
    UNION ALL
    (SELECT 'Last training', split_part(run_key, '/', 1), finished_at
     FROM training.trials WHERE split_part(run_key, '/', 1) = ANY(%(readable)s) ORDER BY finished_at DESC LIMIT 1)
    LIMIT 1
"""


def summarize(context: Context) -> Facts:
    """The champion with its error, and when models were last trained; what is unavailable says so."""
    return Facts([_champion(context), _last_training(context)])


def _champion(context: Context) -> Fact:
    try:
        champion = next((each for each in list_registered(context) if CHAMPION in each.aliases), None)
    except TrackingUnavailable:
        return Fact("Champion", "unknown", "MLflow is unavailable")
    except MltrainError as error:
        return Fact("Champion", "unknown", str(error))
    if champion is None:
        return Fact("Champion", "none yet", f"{START_TRAINING}")
    objective = context.settings.problem.objective
    reached = objective.show(champion.metrics.get(f"validation_{objective.key}"))
    detail = f"validation {objective.name} {reached}, {show_age(champion.created_at)}"
    return Fact("Champion", champion.label, detail)


def _last_training(context: Context) -> Fact:
    try:
        rows = read_rows(_LAST, context)
    except WarehouseUnavailable:
        return Fact("Last training", "unknown", "the warehouse is unavailable")
    except MltrainError as error:
        return Fact("Last training", "unknown", str(error))
    if not rows:
        return Fact("Last training", "none yet", "start data_preparation")
    return Fact(rows[0]["label"], show_age(rows[0]["at"]), rows[0]["detail"])
