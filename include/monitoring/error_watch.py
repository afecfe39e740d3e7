"""Scores the champion on every window whose actual values have arrived, whether or not anyone asked for them."""

import logging
from collections.abc import Sequence
from typing import Any

from include.errors import ModelInvalid
from include.models.artifact import Model
from include.models.intervals import DEFAULT_LEVEL
from include.monitoring.errors import (
    ErrorLimits,
    Reference,
    Scored,
    WindowError,
    compare_errors,
    is_bias_alarming,
    is_coverage_alarming,
    is_error_alarming,
    limit_bias,
    refer_to,
)
from include.monitoring.windows import Window, find_new, load_window
from include.problem.data import Split
from include.problem.declaration import Problem
from include.problem.objectives.objective import Objective
from include.problem.words import show_amount
from include.sets.examples import load_split
from include.settings import Settings
from include.tracking import registry
from include.tracking.registry import RegisteredVersion
from include.tracking.runs import Tracker
from include.warehouse import connect

log = logging.getLogger(__name__)
_JUDGED = "SELECT challenger_error FROM training.promotions WHERE kind = 'judgement' AND name = %s AND version = %s"
_FIELDS = "rows, error, error_limit, bias, shift, shift_limit, is_high, has_moved, coverage, is_uncovered"


def measure_errors(
    url: str, settings: Settings, tracker: Tracker, champion: RegisteredVersion, windows: Sequence[Window]
) -> tuple[str, ...]:
    """Scores the champion on all rows of each window, and stores every figure.

    Returns:
        What calls for an alarm, a phrase each; nothing where the champion cannot be used, or where nothing is known of
        the rows that it was judged on.
    """
    try:
        model = registry.load_model(tracker, champion)
        problem = model.problem
        # The version itself may have learnt from the rows that judged its twin.
        judged = registry.load_twin(tracker, champion) if champion.has_twin else model
        reference = _find_reference(url, champion, problem, judged)
        measured = [_measure(model, load_window(url, problem, window)) for window in windows]
    except ModelInvalid as error:
        # Reported by the check of the champion itself.
        log.warning("Version %d is not scored: %s", champion.version, error)
        return ()
    if reference is None:
        log.info("Version %d is not scored: no rows are known that it was judged on.", champion.version)
        return ()
    limits = ErrorLimits.from_settings(settings)
    new = find_new(url, problem, champion.training_set or 0, windows)
    scored, coverages = zip(*measured, strict=True)
    found = compare_errors(problem.objective, scored, reference, limits, news=new, coverages=coverages)
    _store(url, champion, windows, found, reference, limits)
    return describe_errors(found, reference, limits, problem)


def describe_errors(
    found: Sequence[WindowError], reference: Reference, limits: ErrorLimits, problem: Problem
) -> tuple[str, ...]:
    """What calls for an alarm, a phrase each."""
    objective, phrases = problem.objective, []
    if is_error_alarming(found, limits):
        error = found[-1].error
        phrases.append(
            f"{objective.name} {objective.show(error)}, {error / reference.error:.2f} of the judged"
            f" {show_amount(reference.error)}"
        )
    if is_bias_alarming(found):
        phrases.append(objective.tell_shift(found[-1].shift or 0.0, limit_bias(reference, limits)))
    if is_coverage_alarming(found, limits):
        phrases.append(
            f"{found[-1].coverage:.1%} of the actual values are in the {objective.region}s that are to hold"
            f" {DEFAULT_LEVEL:.0%}"
            f" (limits {DEFAULT_LEVEL - limits.coverage:.0%} and {DEFAULT_LEVEL + limits.coverage:.0%})"
        )
    return tuple(phrases)


def _find_reference(url: str, champion: RegisteredVersion, problem: Problem, model: Model) -> Reference | None:
    judged = _read_judged(url, champion, problem.objective)
    held_out = next(
        (
            split
            for name in ("test", "validation")
            if len(split := load_split(url, champion.training_set, name) if champion.training_set else ())
        ),
        None,
    )
    if not isinstance(held_out, Split):
        return Reference(judged) if judged else None
    days = held_out.rows[problem.time].astype("datetime64[D]") if problem.time else None
    return refer_to(problem.objective, Scored(held_out.target, model.predict_guarded(held_out.rows)), days, judged)


def _read_judged(url: str, champion: RegisteredVersion, objective: Objective) -> float | None:
    """The error that a version was judged by; None where it was never judged against held-out rows."""
    with connect(url) as connection:
        row = connection.execute(_JUDGED, [champion.name, champion.version]).fetchone()
    tag = champion.tags.get(f"judged_{objective.key}")
    return float(tag) if tag else row[0] if row else None


def _measure(model: Model, split: Split) -> tuple[Scored, float | None]:
    """What the model predicts of the rows, and the share of actual values inside its intervals."""
    predicted = model.predict_guarded(split.rows)
    inside = model.outputs.cover(split.target, predicted, split.rows, DEFAULT_LEVEL)
    return Scored(split.target, predicted), None if inside is None else float(inside.mean())


def _store(
    url: str,
    champion: RegisteredVersion,
    windows: Sequence[Window],
    found: Sequence[WindowError],
    reference: Reference,
    limits: ErrorLimits,
) -> None:
    shift_limit = None if reference.bias is None else limit_bias(reference, limits)
    rows: list[tuple[Any, ...]] = [
        (champion.name, champion.version, window.start, window.days, each.rows, each.error,
         limits.ratio * reference.error, each.bias, each.shift, shift_limit, each.is_high, each.has_moved,
         each.coverage, each.is_uncovered)
        for window, each in zip(windows, found, strict=True)
    ]  # fmt: skip
    updates = ", ".join(f"{field} = excluded.{field}" for field in ("window_days", *_FIELDS.split(", ")))
    with connect(url) as connection:
        connection.cursor().executemany(
            f"INSERT INTO monitoring.errors (name, champion_version, window_start, window_days, {_FIELDS})"
            f" VALUES ({', '.join(['%s'] * 14)}) ON CONFLICT (name, champion_version, window_start)"
            f" DO UPDATE SET {updates}, measured_at = now()".encode(),
            rows,
        )
