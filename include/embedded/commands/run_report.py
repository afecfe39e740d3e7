"""What the main job shows at its end, as JSON for programs: `run.json` in the stack's directory."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from include.embedded.commands.results import TrainedModel, find_champion
from include.embedded.credentials import write_private
from include.embedded.stack import Stack
from include.problem.objectives.objective import Objective
from include.promotion.decisions import describe_unbeaten, find_judgement
from include.sets.baselines import HELD_OUT, list_baselines
from include.sets.examples import get_training_set
from include.settings import Settings

FILE = "run.json"


def write_report(stack: Stack, settings: Settings, models: Sequence[TrainedModel], set_version: int) -> Path:
    """Writes the models of a training set, their errors and the champion; replaces what an earlier run wrote.

    Errors are in the unit of the problem's objective, on the validation split and, where the set has one, on the test
    split. Baselines have that of the split that the models are judged on.

    Raises:
        StackError: MLflow does not answer or refuses.
    """
    path = stack.home / FILE
    report = _gather(stack, settings, models, set_version)
    write_private(path, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    return path


def _gather(stack: Stack, settings: Settings, models: Sequence[TrainedModel], set_version: int) -> dict[str, Any]:
    url, name, objective = stack.warehouse_url, settings.registered_model, settings.problem.objective
    found = get_training_set(url, set_version)
    judged = "test" if found.has_test_split else "validation"
    version = find_champion(stack, settings)
    champion = next((model for model in models if model.version == str(version)), None)
    judgement = find_judgement(url, name, version) if version else None
    reason = judgement.reason if judgement else describe_unbeaten(url, settings.problem, name)
    return {
        "problem": settings.problem.name,
        "unit": settings.problem.unit,
        "metric": objective.name,
        "rows": {split: found.counts[split] for split in ("train", "validation", "test")},
        "baselines": {
            baseline.name: baseline.errors[judged][objective.key]
            for baseline in list_baselines(url, set_version)
            if judged in baseline.errors
        },
        "models": [_describe(objective, model) for model in models],
        # A champion of an earlier training set has no errors on this one.
        "champion": {
            "name": champion.model if champion else judgement and judgement.model,
            "version": version,
            "errors": _errors(objective, champion) if champion else None,
        }
        if version
        else None,
        "reason": reason,
        "addresses": {
            "airflow": stack.airflow_address,
            "mlflow": stack.mlflow_address,
            "predictions": stack.serving_address,
        },
    }


def _describe(objective: Objective, model: TrainedModel) -> dict[str, Any]:
    return {
        "name": model.model,
        "family": model.family,
        "errors": _errors(objective, model),
        "version": int(model.version) if model.version else None,
        "alias": model.aliases[0] if model.aliases else None,
    }


def _errors(objective: Objective, model: TrainedModel) -> dict[str, float | None]:
    return {split: model.metrics.get(f"{split}_{objective.key}") for split in HELD_OUT}
