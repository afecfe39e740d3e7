"""What a search proposes: points that it is given first, then those of hyperopt's TPE, in hyperopt's terms."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from include.models.table import ModelType

Parameters = Mapping[str, Any]


def make_space(model: ModelType) -> dict[str, Any]:
    """The model type's search space as hyperopt's."""
    from hyperopt import hp

    builders: dict[str, Callable[..., Any]] = {
        "int": hp.uniformint,
        "uniform": hp.uniform,
        "loguniform": lambda label, low, high: hp.loguniform(label, math.log(low), math.log(high)),
        "choice": lambda label, *options: hp.choice(label, options),
    }
    return {name: builders[kind](name, *arguments) for name, (kind, *arguments) in model.space.items()}


def choose_first(model: ModelType, known: Sequence[Parameters]) -> list[Parameters]:
    """The points that a search begins with: those known to be good, each once, then the table's own.

    A point that the model type's space does not hold, as after it was changed, is left out.
    """
    first: list[Parameters] = []
    for point in (*known, model.start):
        if point not in first and _is_inside(model, point):
            first.append(dict(point))
    return first


def _is_inside(model: ModelType, point: Parameters) -> bool:
    if point.keys() != model.space.keys():
        return False
    return all(
        point[name] in arguments if kind == "choice" else arguments[0] <= point[name] <= arguments[1]
        for name, (kind, *arguments) in model.space.items()
    )


def start_trials(model: ModelType, first: Sequence[Parameters]) -> Any:
    """Hyperopt's trials of a search that begins: the first point waits to be evaluated."""
    from hyperopt.fmin import generate_trials_to_calculate

    return generate_trials_to_calculate([_as_point(model, first[0])])


def make_suggest(model: ModelType, first: Sequence[Parameters]) -> Callable[..., Any]:
    """Hyperopt's `algo`: TPE, after the points that a search begins with."""
    from hyperopt import tpe

    def suggest(new_ids: Sequence[int], domain: Any, trials: Any, seed: int) -> Any:
        number = len(trials.trials)
        if number >= len(first):
            return tpe.suggest(new_ids, domain, trials, seed)
        [new_id], point = new_ids, _as_point(model, first[number])
        misc = {
            "tid": new_id,
            "cmd": domain.cmd,
            "workdir": domain.workdir,
            "idxs": {name: [new_id] for name in point},
            "vals": {name: [value] for name, value in point.items()},
        }
        return trials.new_trial_docs([new_id], [None], [domain.new_result()], [misc])

    return suggest


def _as_point(model: ModelType, parameters: Parameters) -> dict[str, Any]:
    """Parameters as hyperopt writes them down: a choice by its index."""
    return {
        name: model.space[name][1:].index(value) if model.space[name][0] == "choice" else value
        for name, value in parameters.items()
    }


def to_plain(document: Any) -> Any:
    """A trial document with JSON values only: NumPy numbers unwrapped, times as text."""
    if isinstance(document, Mapping):
        return {key: to_plain(value) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [to_plain(value) for value in document]
    if isinstance(document, datetime):
        return document.isoformat()
    return document.item() if hasattr(document, "item") else document
