"""Why a run cannot be started with what was given, in a sentence: the row or the place in it, and what is wrong."""

import json
import logging
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from include.configuration.values import ALL, PART_PATTERN
from include.errors import MltrainError, WarehouseUnavailable
from include.prediction.accepted import find_accepted_now
from include.prediction.form_fields import collect_inputs
from include.prediction.inputs import MOST_ROWS, InputFormat, parse_rows
from include.problem.declaration import Problem
from include.settings import Settings

log = logging.getLogger(__name__)
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
    """
    conf = read_parameters(body)
    if conf is None:
        return None
    refusal = _find_odd({name: value for name, value in conf.items() if name != "inputs"})
    if refusal is None and dag_id == "prediction":
        settings = read()
        refusal = _check_inputs(conf, settings.problem, lambda: _find_accepted(settings, find_warehouse))
    return refusal or _find_odd(conf)


def read_parameters(body: bytes) -> Mapping[str, Any] | None:
    """The parameters in the request that starts a run; None: it is none, or of another form than Airflow's."""
    try:
        conf = json.loads(body).get("conf") or {}
    except (ValueError, AttributeError, RecursionError):
        return None
    return conf if isinstance(conf, Mapping) else None


def _check_inputs(conf: Mapping[str, Any], problem: Problem, find: Callable[[], Problem | None]) -> str | None:
    inputs, several = conf.get("inputs"), problem.row[1]
    if inputs and not isinstance(inputs, list):
        return f"inputs must be a list of {several}, not {type(inputs).__name__}"
    if inputs and len(inputs) > MOST_ROWS:
        return f"inputs must contain 1 to {MOST_ROWS} {several}, not {len(inputs)}"
    try:
        rows = collect_inputs({"inputs": None, **conf}, problem)
    except MltrainError as error:
        return str(error)
    accepted = find()
    # A row in fields of its own has no place in a list.
    return _check_rows(rows, accepted, None if inputs else "") if accepted else None


def _find_accepted(settings: Settings, find_warehouse: Callable[[], str] | None) -> Problem | None:
    """None while the warehouse is away: the task looks at the rows as well."""
    if find_warehouse is None:
        return settings.problem
    try:
        return find_accepted_now(find_warehouse(), settings)
    except WarehouseUnavailable as error:
        log.warning("Rows to predict are not checked before the run starts: %s", error)
        return None


def _check_rows(inputs: list[Any], accepted: Problem, place: str | None) -> str | None:
    try:
        parse_rows(inputs, InputFormat.of(accepted))
    except MltrainError as error:
        return str(error) if place is None else str(error).replace("inputs[0].", place)
    return None


def _find_odd(conf: Mapping[str, Any]) -> str | None:
    odd = (f"{place} must be a valid JSON number, not {value}" for place, value in _list_numbers(conf))
    return next(odd, None)


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
    first = first.replace(f"does not match {PART_PATTERN!r}", f"is not a month as YYYY-MM, nor {ALL}")
    place = re.search(r"^On instance((?:\[[^\]]*\])+):", rest, re.MULTILINE)
    sentence = first if len(first) <= LONGEST else f"{first[: LONGEST // 2]} ... {first[-LONGEST // 2 :]}"
    return f"{sentence} (at {place[1][:LONGEST]})" if place else sentence
