"""Scores the champion on every window whose actual values have arrived, whether or not anyone asked for them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

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
    limit_coverage,
    refer_to,
)
from include.monitoring.windows import Window, find_new
from include.problem.data import Split, Values
from include.problem.declaration import Problem
from include.problem.objectives.objective import Objective
from include.problem.words import show_amount
from include.sets.examples import open_rows
from include.settings import Settings
from include.tracking import registry
from include.tracking.registry import RegisteredVersion
from include.tracking.runs import Tracker
from include.warehouse import connect

log = logging.getLogger(__name__)
_JUDGED = "SELECT challenger_error FROM training.promotions WHERE kind = 'judgement' AND name = %s AND version = %s"
_FIELDS = "rows, error, error_limit, bias, shift, shift_limit, is_high, has_moved, coverage, is_uncovered"


@dataclass(frozen=True)
class Served:
    """A champion that can be used.

    Attributes:
        held_out: What its twin, or itself where it has none, predicts of rows that were held out; None where these are
            gone.
        days: The day of each of these rows, (n,); None where they have no time.
        coverage: Share of these rows' actual values where they are said to be; None where nothing is said.
    """

    version: RegisteredVersion
    model: Model
    held_out: Scored | None
    days: npt.NDArray[np.datetime64] | None
    coverage: float | None

    def score(self, split: Split) -> "ScoredWindow | None":
        """What the model predicts of rows that have arrived; None where it cannot."""
        try:
            predicted = self.model.predict_guarded(split.rows)
        except ModelInvalid as error:
            log.warning("Version %d is not scored: %s", self.version.version, error)
            return None
        return ScoredWindow(Scored(split.target, predicted), _measure_coverage(self.model, split, predicted))


@dataclass(frozen=True)
class ScoredWindow:
    """A window's rows, and the share of actual values where they are said to be; None where nothing is said."""

    scored: Scored
    coverage: float | None


def load_served(url: str, tracker: Tracker, champion: RegisteredVersion) -> Served | None:
    """The champion with what it predicted where it was judged; None where it cannot be used."""
    try:
        model = registry.load_model(tracker, champion)
        # The version itself may have learnt from the rows that judged its twin.
        judged = registry.load_twin(tracker, champion) if champion.has_twin else model
        split = _load_held_out(url, champion)
        held_out = Scored(split.target, judged.predict_guarded(split.rows)) if split else None
    except ModelInvalid as error:
        # Reported by the check of the champion itself.
        log.warning("Version %d is not scored: %s", champion.version, error)
        return None
    time = model.problem.time
    days = split.rows[time].astype("datetime64[D]") if split and time else None
    coverage = _measure_coverage(model, split, held_out.predicted) if split and held_out else None
    return Served(champion, model, held_out, days, coverage)


def measure_errors(
    url: str, settings: Settings, served: Served, windows: Sequence[Window], scored: Sequence[ScoredWindow | None]
) -> tuple[str, ...]:
    """Compares the champion's errors in each window with those where it was judged, and stores every figure.

    Args:
        scored: What `Served.score` gave of each window.

    Returns:
        What calls for an alarm, a phrase each; nothing where a window could not be predicted, or where nothing is known
        of the rows that the champion was judged on.
    """
    champion, problem = served.version, served.model.problem
    measured = [each for each in scored if each is not None]
    if len(measured) < len(windows):
        return ()
    judged = _read_judged(url, champion, problem.objective)
    if served.held_out:
        reference = refer_to(problem.objective, served.held_out, served.days, judged, served.coverage)
    elif judged:
        reference = Reference(judged)
    else:
        log.info("Version %d is not scored: no rows are known that it was judged on.", champion.version)
        return ()
    limits = ErrorLimits.from_settings(settings)
    new = find_new(url, problem, champion.training_set or 0, windows)
    found = compare_errors(
        problem.objective,
        [each.scored for each in measured],
        reference,
        limits,
        news=new,
        coverages=[each.coverage for each in measured],
    )
    _store(url, champion, windows, found, reference, limits)
    return describe_errors(found, reference, limits, problem)


def describe_errors(
    found: Sequence[WindowError], reference: Reference, limits: ErrorLimits, problem: Problem
) -> tuple[str, ...]:
    """What calls for an alarm, a phrase each."""
    objective, phrases = problem.objective, []
    if is_error_alarming(found, limits):
        error = found[-1].error
        ratio = f"{error / reference.error:.2f} of" if reference.error else "above"
        phrases.append(f"{objective.name} {objective.show(error)}, {ratio} the judged {show_amount(reference.error)}")
    if is_bias_alarming(found):
        phrases.append(objective.tell_shift(found[-1].shift or 0.0, limit_bias(reference, limits)))
    if is_coverage_alarming(found, limits):
        least, most = limit_coverage(objective, reference, limits, found[-1].rows)
        held = "" if reference.coverage is None else f" and held {reference.coverage:.1%} of those held out"
        limit = f"limit {least:.1%}" if most == 1 else f"limits {least:.1%} and {most:.1%}"
        phrases.append(
            f"{found[-1].coverage:.1%} of the actual values are in the {objective.region}s that are to hold"
            f" {DEFAULT_LEVEL:.0%}{held} ({limit})"
        )
    return tuple(phrases)


def _measure_coverage(model: Model, split: Split, predicted: Values) -> float | None:
    inside = model.outputs.cover(split.target, predicted, split.rows, DEFAULT_LEVEL)
    return None if inside is None else float(inside.mean())


def _load_held_out(url: str, champion: RegisteredVersion) -> Split | None:
    """The rows that the champion was judged on; None where its training set was pruned."""
    for name in ("test", "validation") if champion.training_set else ():
        rows = open_rows(url, champion.training_set or 0, [name])
        if len(rows):
            return rows.map()
    return None


def _read_judged(url: str, champion: RegisteredVersion, objective: Objective) -> float | None:
    """The error that a version was judged by; None where it was never judged against held-out rows."""
    with connect(url) as connection:
        row = connection.execute(_JUDGED, [champion.name, champion.version]).fetchone()
    if row and row[0] is not None:
        return float(row[0])
    tag = champion.tags.get(f"judged_{objective.key}")
    return float(tag) if tag else None


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
