"""Checks on stored tables, as plain SQL conditions that a database check can run on its own.

Each condition is one expression over the rows of one or more months (raw trips) or of one version (examples).
"""

from typing import Any

RAW_TABLE_CHECKS: dict[str, dict[str, Any]] = {
    "has_rows": {"check_statement": "COUNT(*) > 0"},
    "is_complete": {
        "check_statement": "COUNT(*) = (SELECT sum(rows) FROM raw.sources s"
        " WHERE s.month = ANY(array_agg(DISTINCT trips.month)))"
    },
    "has_distinct_rows": {"check_statement": "COUNT(*) = COUNT(DISTINCT (month, row_number))"},
}
_PRESENT = {"null_check": {"equal_to": 0}}
EXAMPLE_COLUMN_CHECKS: dict[str, dict[str, Any]] = {
    "pickup_at": _PRESENT,
    "pickup_zone": {**_PRESENT, "min": {"geq_to": 1}},
    "dropoff_zone": {**_PRESENT, "min": {"geq_to": 1}},
    "trip_distance": {**_PRESENT, "min": {"geq_to": 0}},
    "target": {**_PRESENT, "min": {"greater_than": 0}},
}
EXAMPLE_TABLE_CHECKS: dict[str, dict[str, Any]] = {
    "has_distinct_rows": {"check_statement": "COUNT(*) = COUNT(DISTINCT (month, row_number))"},
    "knows_its_splits": {"check_statement": "COUNT(*) FILTER (WHERE split NOT IN ('train','validation','test')) = 0"},
    "validates_after_training": {
        "check_statement": "MAX(pickup_at) FILTER (WHERE split = 'train')"
        " < MIN(pickup_at) FILTER (WHERE split = 'validation')"
    },
}
