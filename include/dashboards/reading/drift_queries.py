"""Queries of drift and errors as measured: of the present champion, or of the one before until it is measured."""

from collections.abc import Mapping
from typing import Any

from include.problem import words

ASK_FIRST = (
    "No requests compared yet: model_monitoring needs a champion and at least DRIFT_MINIMUM_ROWS predictions in the"
    " last days."
)
MEASURE_FIRST = (
    "No drift measured yet: model_monitoring needs a champion and a whole week of loaded rows, at least"
    " DRIFT_MINIMUM_ROWS."
)
# What was promoted or rolled back to last.
_CHAMPION_NOW = """
    (SELECT version FROM training.promotions WHERE name = %(name)s AND state = 'promoted'
     ORDER BY moved_at DESC NULLS LAST, id DESC LIMIT 1)
"""
_COLUMNS = f"""column_name, window_start, psi, ks, js, drifted, missing, missing_learnt, unseen, champion_version,
    {_CHAMPION_NOW} AS champion_now"""
_NEWEST_FIRST = f"""
    ORDER BY (champion_version = {_CHAMPION_NOW}) IS TRUE DESC, measured_at DESC, window_start DESC LIMIT 1
"""
_OF_ROWS = "name = %(name)s AND source = 'rows'"
_OF_REQUESTS = "name = %(name)s AND source = 'requests'"
NEWEST_WEEK = f"""
    SELECT {_COLUMNS} FROM monitoring.drift
    WHERE {_OF_ROWS} AND (champion_version, window_start) = (
        SELECT champion_version, window_start FROM monitoring.drift WHERE {_OF_ROWS} {_NEWEST_FIRST})
    ORDER BY psi DESC
"""
_ALL = f"""
    SELECT {_COLUMNS} FROM monitoring.drift
    WHERE {{of}} AND champion_version = (SELECT champion_version FROM monitoring.drift WHERE {{of}} {_NEWEST_FIRST})
    ORDER BY window_start, column_name
"""
ALL_WEEKS = _ALL.format(of=_OF_ROWS)
ALL_REQUESTS = _ALL.format(of=_OF_REQUESTS)
ALL_ERRORS = f"""
    SELECT window_start, rows, error, error_limit, bias, shift, shift_limit, is_high, has_moved, coverage, is_uncovered,
           champion_version,
           {_CHAMPION_NOW} AS champion_now
    FROM monitoring.errors
    WHERE name = %(name)s AND champion_version = (
        SELECT champion_version FROM monitoring.errors WHERE name = %(name)s {_NEWEST_FIRST})
    ORDER BY window_start
"""


def describe_shares(row: Mapping[str, Any]) -> str:
    """What has changed of a column's shares of missing and unseen values, behind a comma; empty where nothing has."""
    told = words.describe_shares(row["missing"], row["missing_learnt"], row["unseen"])
    return f", {told}" if told else ""
