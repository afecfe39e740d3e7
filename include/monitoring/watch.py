"""Watches the champion: drift of what arrives and of what is asked for, its errors, and the alarm."""

import logging
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np

from include.models.folds import sample
from include.monitoring.drift import Measures, Thresholds, compare_column, has_drifted, is_alarming
from include.monitoring.error_watch import load_served, measure_errors
from include.monitoring.report import Alarm, DriftReport
from include.monitoring.requests import compare_requests, describe_requests, find_window
from include.monitoring.windows import Window, has_time, list_windows, load_window
from include.problem.declaration import Problem
from include.problem.words import describe_shares
from include.sets.examples import open_rows, read_problem_of
from include.sets.profile import columns_of, describe_quantity, list_watched
from include.settings import Settings
from include.tracking import registry, runs
from include.tracking.registry import RegisteredVersion
from include.warehouse import connect

log = logging.getLogger(__name__)
# What predictions are called where columns are watched; no column has this name.
SCORE = "predicted"
NOTHING_TO_COMPARE = (
    "Nothing to compare: there is no champion, its training set is unknown (a model registered by hand names none),"
    " the classes are others than it learnt, no window of DRIFT_WINDOW_DAYS is complete (DRIFT_MINIMUM_ROWS), or none"
    " has rows as the champion's problem declares them: after a change of the problem, prepare and train again."
)
_COLUMNS_OF_TABLE = (
    "name, champion_version, window_start, window_days, column_name, set_version, rows, psi, ks, js, drifted, missing,"
    " missing_learnt, unseen, source"
)


def measure_drift(url: str, settings: Settings) -> DriftReport | None:
    """Compares the newest windows of the raw rows with the champion's training set, and stores every figure.

    The champion predicts the rows of each window, too, and what was asked for is compared in the same way. Of classes,
    the probabilities are compared with those where it was judged.

    Returns:
        None if there is no champion, nothing is known of its training set, its classes are no longer those that are
        declared, or no window is complete and has rows for it.
    """
    tracker = runs.open_tracker(settings)
    champion = registry.find_version(tracker, settings.registered_model, registry.CHAMPION)
    profile = _read_profile(url, champion) if champion else {}
    if not champion or not profile:
        log.info("Nothing to compare: champion %s.", champion and champion.version)
        return None
    # The champion's columns are those that it learnt from, whatever is declared now.
    problem = read_problem_of(url, champion.training_set or 0)
    if problem.labels != settings.problem.labels:
        # A number in the warehouse is another class now.
        log.warning("The classes have changed since version %d was trained: train again.", champion.version)
        return None
    watched = list_watched(problem)
    learnt = _load_learnt(url, settings, problem, champion)
    thresholds = Thresholds.from_settings(settings)
    requests = _measure_requests(url, settings, champion, problem, profile, learnt)
    windows = list_windows(url, settings) if has_time(url, problem) else []
    if not windows:
        log.info("No window is complete. %s", requests)
        return None
    served = load_served(url, tracker, champion)
    score = problem.objective.score
    if score and served and served.held_out:
        watched = (*watched, SCORE)
        learnt = {**learnt, SCORE: score(served.held_out.predicted)}
        profile = {**profile, SCORE: describe_quantity(learnt[SCORE])}
    drifted: dict[str, list[bool]] = {name: [] for name in watched}
    # Those of the newest window, which comes last.
    shares: dict[str, str] = {}
    rows, scored, seen = [], [], []
    for window in windows:
        split = load_window(url, problem, window, settings.in_memory_rows)
        if not len(split):
            # It was counted by what is declared now.
            log.warning("The window from %s has no row as version %d learnt them.", window.start, champion.version)
            continue
        seen.append(window)
        values = columns_of(problem, split)
        scored.append(served.score(split) if served else None)
        if score and scored[-1]:
            values[SCORE] = score(scored[-1].scored.predicted)
        for name in watched:
            if name not in values:  # nothing was predicted
                drifted[name].append(False)
                continue
            measures = compare_column(profile[name], values[name], learnt.get(name))
            drifted[name].append(has_drifted(measures, thresholds))
            rows.append(_row_of(champion, window, name, len(values[name]), measures, drifted[name][-1], "rows"))
            shares[name] = describe_shares(measures.missing, measures.missing_learnt, measures.unseen)
    if not seen:
        log.info("No window has such a row: train again. %s", requests)
        return None
    _store(url, rows)
    alarming = [name for name in watched if is_alarming(drifted[name], settings.windows_needed, settings.drift_windows)]
    by_column = {name: tuple(flags) for name, flags in drifted.items()}
    changed = {name: text for name, text in shares.items() if text}
    errors = measure_errors(url, settings, served, seen, scored) if served else ()
    return DriftReport(
        champion.name, champion.version, tuple(seen), by_column, tuple(alarming), changed, errors, requests
    )


def _measure_requests(
    url: str,
    settings: Settings,
    champion: RegisteredVersion,
    problem: Problem,
    profile: Mapping[str, Any],
    learnt: Mapping[str, np.ndarray],
) -> str:
    """Compares what was asked for lately, and stores every figure; nothing is said of too few requests."""
    window, asked = find_window(url, settings)
    if asked < settings.drift_minimum_rows:
        return ""
    thresholds = Thresholds.from_settings(settings)
    found = compare_requests(url, problem, window, profile, learnt, most=settings.in_memory_rows)
    _store(
        url,
        [
            _row_of(champion, window, name, rows, measures, has_drifted(measures, thresholds), "requests")
            for name, (rows, measures) in found.items()
        ],
    )
    return describe_requests(found, asked, window, problem, thresholds)


def _row_of(
    champion: RegisteredVersion, window: Window, name: str, rows: int, measures: Measures, drifted: bool, source: str
) -> tuple[Any, ...]:
    return (
        champion.name, champion.version, window.start, window.days, name, champion.training_set, rows,
        measures.psi, measures.ks, measures.js, drifted, measures.missing, measures.missing_learnt, measures.unseen,
        source,
    )  # fmt: skip


def raise_alarm(url: str, report: DriftReport, run_key: str) -> Alarm | None:
    """Raises the alarm that a report calls for, once for each champion and newest window.

    Args:
        run_key: `DAG id/run id`; the run that raised an alarm gets it again when it is tried again.
    """
    if not report.alarming and not report.errors:
        return None
    newest = report.windows[-1]
    with connect(url) as connection:
        row = connection.execute(
            "INSERT INTO monitoring.alarms (name, champion_version, window_start, window_end, columns, errors, run_key)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (name, champion_version, window_start)"
            " DO UPDATE SET columns = excluded.columns, errors = excluded.errors RETURNING run_key",
            [
                report.name,
                report.champion_version,
                newest.start,
                newest.last_day,
                list(report.alarming),
                list(report.errors),
                run_key,
            ],
        ).fetchone()
    if row != (run_key,):
        return None
    windows = [
        str(window.start)
        for number, window in enumerate(report.windows)
        if not report.alarming or any(report.drifted[name][number] for name in report.alarming)
    ]
    return Alarm(report.champion_version, report.alarming, tuple(windows), report.errors)


def find_open_alarms(url: str, name: str, champion_version: int, last_day: date) -> list[str]:
    """The columns of the alarms on a champion that no retraining has answered, and one with data up to that day can."""
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT DISTINCT unnest(columns) FROM monitoring.alarms"
            " WHERE name = %s AND champion_version = %s AND window_end <= %s AND answered_by IS NULL ORDER BY 1",
            [name, champion_version, last_day],
        ).fetchall()
    return [column for (column,) in rows]


def find_open_errors(url: str, name: str, champion_version: int, last_day: date) -> list[str]:
    """What the newest of these alarms on a champion's error says of it, a phrase each; see `find_open_alarms`."""
    with connect(url) as connection:
        row = connection.execute(
            "SELECT errors FROM monitoring.alarms WHERE name = %s AND champion_version = %s AND window_end <= %s"
            " AND answered_by IS NULL AND errors <> '{}' ORDER BY window_start DESC LIMIT 1",
            [name, champion_version, last_day],
        ).fetchone()
    return row[0] if row else []


def answer_alarms(url: str, name: str, last_day: date, run_key: str) -> None:
    """Notes that a retraining with data up to that day answers the alarms on windows that end by then."""
    with connect(url) as connection:
        connection.execute(
            "UPDATE monitoring.alarms SET answered_by = %s"
            " WHERE name = %s AND window_end <= %s AND answered_by IS NULL",
            [run_key, name, last_day],
        )


def _read_profile(url: str, champion: RegisteredVersion) -> Mapping[str, Any]:
    with connect(url) as connection:
        row = connection.execute(
            "SELECT statistics FROM training.sets WHERE version = %s", [champion.training_set]
        ).fetchone()
    return (row[0] if row else None) or {}


def _load_learnt(
    url: str, settings: Settings, problem: Problem, champion: RegisteredVersion
) -> Mapping[str, np.ndarray]:
    """The training split's own values by column, of as many rows as memory holds; none where the set was pruned."""
    rows = open_rows(url, champion.training_set or 0, ["train"])
    held = sample(problem, rows, most=settings.in_memory_rows, random_state=settings.random_state)
    return columns_of(problem, held) if len(held) else {}


def _store(url: str, rows: list[tuple[Any, ...]]) -> None:
    with connect(url) as connection:
        connection.cursor().executemany(
            f"INSERT INTO monitoring.drift ({_COLUMNS_OF_TABLE}) VALUES ({', '.join(['%s'] * 15)})"
            " ON CONFLICT (name, champion_version, source, window_start, column_name) DO UPDATE SET"
            " window_days = excluded.window_days, rows = excluded.rows, psi = excluded.psi, ks = excluded.ks,"
            " js = excluded.js, drifted = excluded.drifted, missing = excluded.missing,"
            " missing_learnt = excluded.missing_learnt, unseen = excluded.unseen, measured_at = now()".encode(),
            rows,
        )
