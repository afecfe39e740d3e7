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


def list_column_checks(problem: Problem) -> Checks:
    """What each column of the examples must be."""
    checks = {column.name: _check_column(column) for column in problem.inputs}
    checks["target"] = {"null_check": {"equal_to": 0}, **_check_bounds(problem.target_min, problem.target_max)}
    return {name: check for name, check in checks.items() if check}


def _check_column(column: Column) -> dict[str, Any]:
    present = {"null_check": {"equal_to": 0}} if column.required else {}
    return {**present, **_check_bounds(column.minimum, column.maximum)}


def _check_bounds(low: float | None, high: float | None) -> dict[str, Any]:
    least = {} if low is None else {"min": {"geq_to": low}}
    return least if high is None else {**least, "max": {"leq_to": high}}


def list_table_checks(problem: Problem) -> Checks:
    """What the examples of a version must be together."""
    return {
        "has_distinct_rows": {"check_statement": "COUNT(*) = COUNT(DISTINCT (month, row_number))"},
        "knows_its_splits": {
            "check_statement": "COUNT(*) FILTER (WHERE split NOT IN ('train','validation','test')) = 0"
        },
        **_check_order(problem),
    }


def _check_order(problem: Problem) -> Checks:
    if problem.split_by == "time":
        # The name is checked where it is declared: small letters, digits and _.
        return {"validates_after_training": _check_parts(str(problem.time))}
    return {"validates_behind_training": _check_parts(PLACE)}


def _check_parts(column: str) -> dict[str, str]:
    return {
        "check_statement": f"MAX({column}) FILTER (WHERE split = 'train')"
        f" < MIN({column}) FILTER (WHERE split = 'validation')"
    }
