"""Drift of what is asked for: known at once, while the actual values of the same rows may arrive weeks later."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np

from include.monitoring.drift import Measures, Thresholds, compare_column, has_drifted
from include.monitoring.windows import Window, load_requests
from include.problem.data import Split, count_rows
from include.problem.declaration import Problem
from include.problem.words import count_rows_in_words
from include.sets.profile import TARGET, columns_of, list_watched
from include.settings import Settings
from include.warehouse import connect


def find_window(url: str, settings: Settings) -> tuple[Window, int]:
    """The last days, as many as a window has, with today; and how many rows were asked for in them."""
    days = settings.drift_window_days
    with connect(url) as connection:
        row = connection.execute(
            "SELECT now()::date - %(days)s::int + 1,"
            " (SELECT count(*) FROM prediction.log WHERE at >= now()::date - %(days)s::int + 1)",
            {"days": days},
        ).fetchone()
    assert row is not None
    start: date = row[0]
    return Window(start, days), row[1]


def compare_requests(
    url: str,
    problem: Problem,
    window: Window,
    profile: Mapping[str, Any],
    learnt: Mapping[str, np.ndarray],
    *,
    most: int,
) -> dict[str, tuple[int, Measures]]:
    """Column -> compared rows and measures of what was asked for in a window; there is no target to compare.

    Args:
        most: Of more rows, a sample of so many is compared, see `load_requests`.
    """
    rows = load_requests(url, problem, window, most)
    values = columns_of(problem, Split(rows, np.full(count_rows(rows), np.nan)))
    return {
        name: (len(values[name]), compare_column(profile[name], values[name], learnt.get(name)))
        for name in list_watched(problem)
        if name != TARGET
    }


def describe_requests(
    found: Mapping[str, tuple[int, Measures]], asked: int, window: Window, problem: Problem, thresholds: Thresholds
) -> str:
    """How what is asked for differs from the training set, in a sentence.

    Args:
        found: What `compare_requests` gave.
        asked: How many rows were asked for.
    """
    compared = max(rows for rows, _ in found.values())
    rows = f"{f'{compared:,} of ' * (compared < asked)}{count_rows_in_words(problem, max(asked, compared))}"
    drifted = [name for name, (_, measures) in found.items() if has_drifted(measures, thresholds)]
    outcome = f"{', '.join(drifted)} drift{'s' * (len(drifted) == 1)}" if drifted else "nothing drifts"
    return (
        f"Requests since {window.start} ({rows} from prediction.log, compared by their inputs, before"
        f" actual values arrive): {outcome}; this alone starts no retraining."
    )
