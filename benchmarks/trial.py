"""What keeping one tuning trial costs a search: its row in training.trials and its run in MLflow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import xgboost

from benchmarks.plain_script import KeptTrials
from benchmarks.report import Report
from benchmarks.running import running_stack, settings_of
from include.models.fitting import Fitted, fit
from include.models.libraries.protocol import EncodedData
from include.models.table import get_model
from include.problem.problem_file import read_problem
from include.settings import DEFAULT_PROBLEM
from include.tracking.runs import Tracker, log_trial, open_tracker
from include.tracking.trial_writer import write_trials
from include.tuning.search import Limits, Trial, TrialStore, tune
from include.tuning.trials import WarehouseTrials

TRIALS = 50
GOAL_MS = 60
MODEL = "gbtree.squarederror"
ROWS, COLUMNS, ROUNDS = 4_000, 12, 30


@dataclass
class Clocked:
    """A function, and how many milliseconds each call of it took."""

    call: Callable[..., Any]
    milliseconds: list[float] = field(default_factory=list)

    def __call__(self, *arguments: Any) -> Any:
        begun = perf_counter()
        try:
            return self.call(*arguments)
        finally:
            self.milliseconds.append(1000 * (perf_counter() - begun))


def run() -> Report:
    """Runs a search of small fits without keeping its trials, then the same one as training does."""
    fit_small = _make_fit()
    with running_stack(("postgres", "mlflow")) as stack:
        tracker = open_tracker(settings_of({}, mlflow_tracking_uri=stack.mlflow_address))
        kept = KeptTrials()
        alone = Clocked(fit_small)
        _search(alone, kept)
        tracked = _track(tracker, kept.trials)
        parent = tracker.client.create_run(tracker.experiment_id).info.run_id
        with WarehouseTrials(stack.warehouse_url, parent, MODEL, 1) as store:
            calls = [Clocked(getattr(store, name)) for name in ("load", "claim", "append", "release")]
            vars(store).update(zip(("load", "claim", "append", "release"), calls, strict=True))
            beside = Clocked(fit_small)
            with write_trials(tracker, parent, MODEL) as write:
                handed_over = Clocked(write)
                _search(beside, store, handed_over)
    load, claim, append, release = (call.milliseconds for call in calls)
    # A trial is looked for before and after it is claimed, and once more there is none.
    looks = [load[2 * number] + load[2 * number + 1] for number in range(TRIALS)]
    in_warehouse = [sum(each) for each in zip(looks, claim, append, release, strict=True)]
    waits = [sum(pair) for pair in zip(in_warehouse, handed_over.milliseconds, strict=True)]
    measured = {
        "the claim and the row in training.trials": in_warehouse,
        "the run in MLflow, with nothing beside it": tracked,
        "what the search waits for": waits,
    }
    rows = [[name, f"{median(values):.0f} ms", f"{max(values):.0f} ms"] for name, values in measured.items()]
    return Report(
        "Bookkeeping of one tuning trial",
        f"a search waits for at most {GOAL_MS} ms",
        ["what takes time", "median", "slowest"],
        rows,
        [
            f"a search of {TRIALS} trials of {MODEL}",
            f"one fit: {median(alone.milliseconds):.0f} ms; beside MLflow: {median(beside.milliseconds):.0f} ms",
            "warehouse and MLflow server of an embedded stack of its own",
        ],
    )


def _make_fit() -> Callable[[Mapping[str, Any], Any], Fitted]:
    """Fits a small booster to seeded numbers."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(ROWS, COLUMNS))
    target = values[:, 0] * values[:, 1] + values[:, 2] + generator.normal(size=ROWS)
    half = ROWS // 2
    train = xgboost.QuantileDMatrix(values[:half], target[:half])
    validation = xgboost.QuantileDMatrix(values[half:], target[half:], ref=train)
    # No trial encodes.
    encoder: Any = SimpleNamespace(problem=read_problem(DEFAULT_PROBLEM))
    data = EncodedData(encoder, train, target[:half], validation, target[half:])
    return lambda parameters, _: fit(
        get_model(MODEL), {**parameters, "n_estimators": ROUNDS}, data, random_state=0, threads=1
    )


def _search(fit_small: Clocked, store: TrialStore, on_trial: Callable[[Trial], None] = lambda trial: None) -> None:
    limits = Limits(TRIALS, 600, TRIALS)
    tune(get_model(MODEL), fit_small, store, limits, random_state=0, on_trial=on_trial)


def _track(tracker: Tracker, trials: list[Trial]) -> list[float]:
    """Milliseconds in MLflow, by trial; the first warms up the server."""
    parent = tracker.client.create_run(tracker.experiment_id).info.run_id
    log = Clocked(lambda trial: log_trial(tracker, parent, MODEL, trial))
    for trial in (trials[0], *trials):
        log(trial)
    return log.milliseconds[1:]
