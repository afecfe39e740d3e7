"""What keeping one tuning trial costs: its row in training.trials and its run in MLflow."""

from statistics import median
from time import perf_counter

from benchmarks.plain_script import KeptTrials
from benchmarks.report import Report
from benchmarks.running import running_stack, settings_of
from include.embedded.stack import Stack
from include.models.fitting import Fitted
from include.models.table import get_model
from include.tracking.runs import log_trial, open_tracker
from include.tuning.search import Limits, Trial, tune
from include.tuning.trials import WarehouseTrials

TRIALS = 50
GOAL_MS = 60
MODEL = "gbtree.squarederror"
METRICS = ("rmse", "mae", "p50_error", "p90_error", "r2")


def run() -> Report:
    """Keeps real trials, of a search whose fits take no time, one by one."""
    trials = _make_trials()
    with running_stack(("postgres", "mlflow")) as stack:
        seconds = [_keep(stack, trials) for trials in (trials[:1], trials)][1]
    stored, tracked = ([1000 * row[at] for row in seconds] for at in (0, 1))
    both = [sum(pair) for pair in zip(stored, tracked, strict=True)]
    rows = [
        [name, f"{median(values):.0f} ms", f"{max(values):.0f} ms"]
        for name, values in {"training.trials": stored, "MLflow": tracked, "both": both}.items()
    ]
    return Report(
        "Bookkeeping of one tuning trial",
        f"both at most {GOAL_MS} ms",
        ["kept in", "median", "slowest"],
        rows,
        [f"{TRIALS} trials of {MODEL}", "warehouse and MLflow server of an embedded stack of its own"],
    )


def _make_trials() -> list[Trial]:
    def fit(parameters: dict[str, float]) -> Fitted:
        return Fitted(None, dict.fromkeys(METRICS, parameters["learning_rate"]))

    kept = KeptTrials()
    tune(get_model(MODEL), fit, kept, Limits(TRIALS, 600, TRIALS), random_state=0)
    return kept.trials


def _keep(stack: Stack, trials: list[Trial]) -> list[tuple[float, float]]:
    """Seconds in the warehouse and in MLflow, by trial."""
    tracker = open_tracker(settings_of({}, mlflow_tracking_uri=stack.mlflow_address))
    parent = tracker.client.create_run(tracker.experiment_id).info.run_id
    store = WarehouseTrials(stack.warehouse_url, parent, MODEL, 1)
    seconds = []
    for trial in trials:
        begun = perf_counter()
        store.append(trial)
        stored = perf_counter()
        log_trial(tracker, parent, MODEL, trial)
        seconds.append((stored - begun, perf_counter() - stored))
    return seconds
