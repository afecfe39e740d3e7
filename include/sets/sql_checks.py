"""Checks on stored tables, as plain SQL conditions that a database check can run on its own.

Each condition is one expression over the rows of one or more months (raw rows) or of one version (examples).
"""

from typing import Any

from include.problem.checks import PLACE
from include.problem.declaration import Problem
from include.problem.parts import Column

Checks = dict[str, dict[str, Any]]
RAW_TABLE_CHECKS: Checks = {
    "has_rows": {"check_statement": "COUNT(*) > 0"},
    "is_complete": {
        "check_statement": "COUNT(*) = (SELECT sum(rows) FROM raw.sources s"
        " WHERE s.month = ANY(array_agg(DISTINCT rows.month)))"
    },
    "has_distinct_rows": {"check_statement": "COUNT(*) = COUNT(DISTINCT (month, row_number))"},
}


def list_example_checks(problem: Problem) -> Checks:
    """What the examples of a version must be, each and together."""
    wrong = {column.name: _list_wrong(column) for column in problem.inputs}
    wrong["target"] = ['"target" IS NULL', *_list_beyond("target", problem.target_min, problem.target_max)]
    return {
        "has_distinct_rows": {"check_statement": "COUNT(*) = COUNT(DISTINCT (month, row_number))"},
        "knows_its_splits": {
            "check_statement": "COUNT(*) FILTER (WHERE split NOT IN ('train','validation','test')) = 0"
        },
        **_check_order(problem),
        **{
            f"{name}_is_as_declared": {"check_statement": f"COUNT(*) FILTER (WHERE {' OR '.join(conditions)}) = 0"}
            for name, conditions in wrong.items()
            if conditions
        },
    }


def _list_wrong(column: Column) -> list[str]:
    missing = [f"{_quote(column.name)} IS NULL"] if column.required else []
    return [*missing, *_list_beyond(column.name, column.minimum, column.maximum)]


def _list_beyond(name: str, low: float | None, high: float | None) -> list[str]:
    column = _quote(name)
    return [f"{column} {sign} {bound}" for sign, bound in (("<", low), (">", high)) if bound is not None]


def _check_order(problem: Problem) -> Checks:
    if problem.split_by == "time":
        return {"validates_after_training": _check_parts(str(problem.time))}
    return {"validates_behind_training": _check_parts(PLACE)}


def _check_parts(name: str) -> dict[str, str]:
    column = _quote(name)
    return {
        "check_statement": f"MAX({column}) FILTER (WHERE split = 'train')"
        f" < MIN({column}) FILTER (WHERE split = 'validation')"
    }


def _quote(name: str) -> str:
    """A column's name, which may be a word of SQL; where it is declared, it is made of small letters, digits and _."""
    return f'"{name}"'
