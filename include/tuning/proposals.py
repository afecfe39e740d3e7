"""What a search proposes: points that it is given first, then those of hyperopt's TPE, in hyperopt's terms."""

import math
from collections.abc import Callable, Mapping, Sequence
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


def propose(
    model: ModelType,
    first: Sequence[Parameters],
    number: int,
    earlier: Sequence[tuple[Parameters, float | None]],
    random_state: int,
) -> dict[str, Any]:
    """The parameters of a search's trial of that number, from 0: the first points, then what TPE makes of the others.

    Args:
        earlier: Parameters and loss of the trials that it learns from, in order from trial 0; None for a failed one.
    """
    if number < len(first):
        return dict(first[number])
    import numpy as np
    from hyperopt import space_eval, tpe, trials_from_docs
    from hyperopt.base import Domain

    space = make_space(model)
    trials = trials_from_docs(
        [_make_document(model, tid, parameters, loss) for tid, (parameters, loss) in enumerate(earlier)]
    )
    seed = int(np.random.default_rng(random_state).integers(2**31 - 1, size=number)[-1])
    [proposed] = tpe.suggest([number], Domain(None, space), trials, seed, verbose=False)
    chosen = {name: values[0] for name, values in proposed["misc"]["vals"].items()}
    return {name: _to_plain(value) for name, value in space_eval(space, chosen).items()}


def _make_document(model: ModelType, tid: int, parameters: Parameters, loss: float | None) -> dict[str, Any]:
    """A finished trial in hyperopt's terms."""
    from hyperopt import JOB_STATE_DONE, STATUS_FAIL, STATUS_OK

    point = _as_point(model, parameters)
    return {
        "tid": tid,
        "state": JOB_STATE_DONE,
        "result": {"status": STATUS_FAIL if loss is None else STATUS_OK, "loss": loss},
        "misc": {
            "tid": tid,
            "cmd": None,
            "idxs": {name: [tid] for name in point},
            "vals": {name: [value] for name, value in point.items()},
        },
        **dict.fromkeys(("spec", "exp_key", "owner", "version", "book_time", "refresh_time")),
    }


def _as_point(model: ModelType, parameters: Parameters) -> dict[str, Any]:
    """Parameters as hyperopt writes them down: a choice by its index."""
    return {
        name: model.space[name][1:].index(value) if model.space[name][0] == "choice" else value
        for name, value in parameters.items()
    }


def _to_plain(value: Any) -> Any:
    """A JSON value: NumPy's numbers unwrapped."""
    return value.item() if hasattr(value, "item") else value
