"""Why a run cannot be started with what was given, in a sentence: the row or the place in it, and what is wrong."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from include.errors import MltrainError
from include.prediction.accepted import find_accepted_now
from include.prediction.inputs import MOST_ROWS, InputFormat, parse_rows
from include.problem.declaration import Problem
from include.settings import Settings

LONGEST = 300


def find_refusal(
    dag_id: str, body: bytes, read: Callable[[], Settings], find_warehouse: Callable[[], str] | None = None
) -> str | None:
    """What is wrong with the request that starts a run, as far as that can be told before Airflow looks at it.

    Args:
        body: As it was sent; what is no JSON, or of another form than Airflow's, is left to Airflow.
        read: Reads the settings.
        find_warehouse: Gives the address of the warehouse, which knows what the champion accepts; None: rows are those
            that the settings declare.

    Raises:
        WarehouseUnavailable: The warehouse cannot be reached.
    """
    try:
        conf = json.loads(body)["conf"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(conf, Mapping):
        return None
    if dag_id == "prediction" and conf.get("inputs"):
        settings = read()
        refusal = _check_form(conf["inputs"], settings.problem.row[1])
        if refusal is None:
            accepted = find_accepted_now(find_warehouse(), settings) if find_warehouse else settings.problem
            refusal = _check_rows(conf["inputs"], accepted)
        if refusal:
            return refusal
    odd = (f"{place} must be a valid JSON number, not {value}" for place, value in _list_numbers(conf))
    return next(odd, None)


def _check_form(inputs: Any, rows: str) -> str | None:
    if not isinstance(inputs, list):
        return f"inputs must be a list of {rows}, not {type(inputs).__name__}"
    if len(inputs) > MOST_ROWS:
        return f"inputs must contain 1 to {MOST_ROWS} {rows}, not {len(inputs)}"
    return None


def _check_rows(inputs: list[Any], accepted: Problem) -> str | None:
    try:
        parse_rows(inputs, InputFormat.of(accepted))
    except MltrainError as error:
        return str(error)
    return None


def _list_numbers(conf: Any) -> Iterator[tuple[str, float]]:
    """Every number that JSON does not have, NaN and infinity, with its place: `inputs[0].temperature`."""
    waiting = [(str(name), value) for name, value in conf.items()]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, float) and not math.isfinite(value):
            yield place, value
        elif isinstance(value, Mapping):
            waiting += [(f"{place}.{name}", inner) for name, inner in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{place}[{number}]", inner) for number, inner in enumerate(value)]


def shorten(detail: str) -> str:
    """Airflow's text on a parameter that its JSON Schema refuses, without the schema and the whole value."""
    first, _, rest = detail.partition("\n")
    place = re.search(r"^On instance((?:\[[^\]]*\])+):", rest, re.MULTILINE)
    sentence = first if len(first) <= LONGEST else f"{first[: LONGEST // 2]} ... {first[-LONGEST // 2 :]}"
    return f"{sentence} (at {place[1][:LONGEST]})" if place else sentence
