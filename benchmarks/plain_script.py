"""The main job's work as one script: no orchestrator, no server, no database; what `job` measures against.

`python -m benchmarks.plain_script` reads the same settings, keeps the same rows, encodes the same features, runs the
same trials from the same seeds, and measures and explains the same best models, one after the other on all cores.
As with `REFIT=false`, a model is the best trial's. It prints each model's error, and stores nothing.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from include.models import explanation
from include.models.artifact import Model
from include.models.fitting import encode, fit, fit_estimator
from include.models.table import FAMILIES, ModelType, get_model
from include.problem.data import Split, columns_of_frame
from include.problems.taxi.features import Positions
from include.problems.taxi.zones import read_zones
from include.raw.load import Load
from include.raw.rules import find_broken, make_schema
from include.sets.examples import target_bounds
from include.sets.plan import Plan, make_plan
from include.settings import Settings, read_settings
from include.sources import open_batches
from include.tuning.proposals import Parameters
from include.tuning.search import Limits, Trial, tune


@dataclass
class KeptTrials:
    """The trials of a search that a single worker does, kept in memory."""

    trials: list[Trial] = field(default_factory=list)

    def begin(self, first: Sequence[Parameters]) -> list[Parameters]:
        """Those given."""
        return list(first)

    def load(self, start: int = 0) -> list[Trial]:
        """The trials so far."""
        return self.trials[start:]

    def claim(self, number: int) -> bool:
        """There is nobody else."""
        return True

    def release(self, number: int) -> None:
        """There is nobody else."""

    def append(self, trial: Trial) -> None:
        """Keeps one more."""
        self.trials.append(trial)


def load_month(settings: Settings, month: str) -> pd.DataFrame:
    """The trips of a month that keep every rule, in neutral columns and the source's order."""
    with open_batches(settings, month) as contents:
        load = Load(settings, month, contents)
        frame = pa.Table.from_batches(list(load.read_batches())).to_pandas().set_index("row_number")
    refused = [batch["row_number"].to_numpy() for batch in load.rejected]
    refused.append(find_broken(frame, settings.problem, make_schema(settings, month))["row_number"].to_numpy())
    return frame.drop(index=np.unique(np.concatenate(refused)))


def split_trips(settings: Settings, plan: Plan) -> tuple[Split, Split]:
    """Training and validation split of the plan's months."""
    trips = pd.concat([load_month(settings, month) for month in plan.months], ignore_index=True)
    minutes = (trips["dropoff_at"] - trips["pickup_at"]).dt.total_seconds() / 60
    target = (trips["target"].fillna(minutes) if "target" in trips else minutes).astype(np.float64)
    kept = target.between(*target_bounds(settings.problem))
    validates = trips["pickup_at"] >= plan.validation_from
    train, validation = (
        Split(columns_of_frame(settings.problem, trips[kept & chosen]), np.asarray(target[kept & chosen]))
        for chosen in (~validates, validates)
    )
    return train, validation


def find_references(settings: Settings) -> dict[str, Any]:
    """Zone positions, where the settings name zones."""
    zones = read_zones(settings)
    return {} if zones is None else {"zones": Positions.from_zones(zones.zone_id, zones.longitude, zones.latitude)}


def train_model(
    settings: Settings, model: ModelType, references: Mapping[str, Any], splits: tuple[Split, Split]
) -> float:
    """Tunes one model type, explains the best trial's model and returns its validation RMSE in minutes."""
    data = encode(model, settings.problem, settings.feature_set, references, *splits)
    fixed: dict[str, Any] = {"random_state": settings.random_state, "threads": os.cpu_count() or 1}

    def evaluate(parameters: Mapping[str, Any], watch: Any) -> Any:
        return fit(model, parameters, data, watch=watch, **fixed)

    limits = Limits(settings.max_evaluations, settings.tuning_time_budget, settings.tuning_patience)
    trials = KeptTrials()
    best = tune(model, evaluate, trials, limits, random_state=settings.random_state)
    kept = [
        each.estimator for each in trials.load() if each.parameters == best.parameters and each.estimator is not None
    ]
    # Of a trial that was ended early, the search keeps none.
    estimator = kept[0] if kept else fit_estimator(model, best.parameters, data, **fixed)
    metadata = {"family": model.family, "model": model.name, "parameters": best.parameters, "lineage": {}}
    made, validation = Model.of(data, estimator, metadata), splits[1]
    if explanation.can_explain(made):
        sample = explanation.sample(validation, explanation.SAMPLE_ROWS, settings.random_state)
        explanation.draw_summary(explanation.explain(made, sample), model.name)
    return settings.problem.objective.measure_error(validation.target, made.predict(validation.rows))


def main() -> None:
    """Trains every model type that the settings name."""
    settings = read_settings()
    plan = make_plan(settings)
    splits, references = split_trips(settings, plan), find_references(settings)
    for family in FAMILIES:
        for name in settings.list_model_types(family):
            print(name, train_model(settings, get_model(name), references, splits), flush=True)


if __name__ == "__main__":
    main()
