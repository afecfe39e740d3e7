"""What one task hands another one, or whoever starts it a run: missing or odd values are said, never worked with."""

import inspect
import logging
from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any, get_args, get_type_hints

from airflow.sdk import XComArg

from include.errors import NothingHandedOver
from include.orchestration.parameters import check_parameters

log = logging.getLogger(__name__)
LARGEST_VERSION = 2**63 - 1


def check_handed_over(context: Mapping[str, Any]) -> None:
    """Before a task begins: whether what it takes from other tasks is there. For `pre_execute` of every task.

    A task that was marked as success by hand leaves nothing. A parameter that may be None says so by its type. What the
    run was given by whoever started it must be there to take, too.

    Raises:
        NothingHandedOver: Something is missing; names the task that should have left it, and what to do.
        SettingsError: The run was given a parameter that its DAG does not declare.
    """
    task = context["task"]
    check_parameters(task.dag, context["dag_run"].conf or {})
    sources = dict(_list_sources(task))
    for name, value in _list_missing(task):
        raise explain_missing(task.task_id, sources.get(name) or " or ".join(sorted(task.upstream_task_ids)), value)


def explain_missing(task_id: str, source: str, what: str) -> NothingHandedOver:
    """The error of a task that finds nothing from another one."""
    return NothingHandedOver(
        f"{task_id} cannot start: {source or 'a task before it'} has passed on no `{what}`. If it was marked as success"
        " by hand, clear it, so that it runs and passes on its result; or start a new run."
    )


def _list_missing(task: Any) -> Iterator[tuple[str, str]]:
    """Names of what is missing: parameters of a function, else fields of an operator that another task fills."""
    function = getattr(task, "python_callable", None)
    if function is None:
        original = _find_original(task)
        for field in task.template_fields:
            if isinstance(getattr(original, field, None), XComArg) and getattr(task, field) is None:
                yield field, field
        return
    hints = get_type_hints(function)
    given = inspect.signature(function).bind_partial(*task.op_args, **task.op_kwargs).arguments
    for name, value in given.items():
        # Of a mapped task that left nothing, Airflow gives a sequence without elements.
        is_empty = value is None or (type(value).__name__ == "LazyXComSequence" and not len(value))
        if is_empty and NoneType not in get_args(hints.get(name)):
            yield name, name


def _list_sources(task: Any) -> Iterator[tuple[str, str]]:
    """Parameter or field -> the task that fills it."""
    original = _find_original(task)
    partial = getattr(original, "partial_kwargs", {})
    arguments = {**partial.get("op_kwargs", {}), **(getattr(original, "op_kwargs", None) or {})}
    expanded = getattr(getattr(original, "op_kwargs_expand_input", None), "value", None)
    arguments |= expanded if isinstance(expanded, Mapping) else {}
    positional = partial.get("op_args") or getattr(original, "op_args", None) or ()
    if function := getattr(task, "python_callable", None):
        arguments |= inspect.signature(function).bind_partial(*positional).arguments
    arguments |= {field: getattr(original, field, None) for field in task.template_fields}
    for name, value in arguments.items():
        for operator, _ in XComArg.iter_xcom_references(value) if isinstance(value, XComArg) else ():
            yield name, operator.task_id


def _find_original(task: Any) -> Any:
    """The task as its DAG file made it: a task that is about to begin has values in place of references."""
    return task.dag.task_dict[task.task_id]


def list_versions(context: Mapping[str, Any], name: str | None = None) -> set[int]:
    """The versions that the asset events name which started the run.

    Anyone can send an event by hand, with anything in it: one without a version that can be one names none.

    Args:
        name: Leaves out events that are on something of another name.
    """
    versions = set()
    for asset, events in (context.get("triggering_asset_events") or {}).items():
        for event in events:
            extra = event.extra if isinstance(event.extra, Mapping) else {}
            version = extra.get("version")
            if name is not None and extra.get("name") != name:
                continue
            if type(version) is int and 0 < version <= LARGEST_VERSION:
                versions.add(version)
            else:
                log.warning("An event of %s names no version, but %.100r: it counts as sent by hand.", asset, version)
    return versions
