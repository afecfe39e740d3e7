"""Faults planted in real weeks after a champion was judged: how soon they are found, and what clean weeks raise."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.plain_script import find_references
from benchmarks.report import Report
from benchmarks.running import settings_of
from benchmarks.trip_data import MONTHS, days_of, find_trips, load_split, pick
from include.models.artifact import Model
from include.models.fitting import encode, fit
from include.models.intervals import DEFAULT_LEVEL
from include.models.table import MODELS
from include.monitoring.drift import Thresholds, compare_column, has_drifted, is_alarming
from include.monitoring.errors import (
    ErrorLimits,
    Reference,
    Scored,
    compare_errors,
    is_bias_alarming,
    is_coverage_alarming,
    is_error_alarming,
    refer_to,
)
from include.problem.data import Split
from include.sets.examples import target_bounds
from include.sets.profile import columns_of, list_watched, profile_split
from include.settings import Settings

DRAWS = 100
# One month's days judge the champion of another, as where the newest month is halved.
JUDGED_DAYS = 14
# Fewer and deeper trees than those of the first parameters: errors alike, and in a fifth of the time.
QUICK = {"learning_rate": 0.3, "max_depth": 8}
MODEL = "gbtree.squarederror"
UNKNOWN_ZONE = 264
RUSH_HOUR = (14, 19)
Draw = np.random.Generator
SIGNS = ("drift", "RMSE", "bias", "intervals")
Signs = tuple[set[str], float]


@dataclass(frozen=True)
class Champion:
    """A model of one month, judged on the first days of another one, and its clean weeks in time order."""

    model: Model
    profile: Mapping[str, Any]
    learnt: Mapping[str, Any]
    reference: Reference
    weeks: Sequence[Sequence[Split]]


def slow_down(week: Split, _: Draw) -> Split:
    """Durations +20 %."""
    return Split(week.rows, week.target * 1.2)


def bias(week: Split, _: Draw) -> Split:
    """Durations +10 %."""
    return Split(week.rows, week.target * 1.1)


def slow_rush_hour_down(week: Split, _: Draw) -> Split:
    """Rush hour +30 %, with the mean kept."""
    hour = week.rows["pickup_at"].astype("datetime64[h]").astype(np.int64) % 24
    rush = (hour >= RUSH_HOUR[0]) & (hour <= RUSH_HOUR[1])
    others = 1 - 0.3 * week.target[rush].sum() / week.target[~rush].sum()
    return Split(week.rows, week.target * np.where(rush, 1.3, others))


def shuffle(week: Split, draw: Draw) -> Split:
    """10 % of the targets shuffled."""
    chosen, target = np.flatnonzero(draw.random(len(week)) < 0.1), week.target.copy()
    target[chosen] = target[draw.permutation(chosen)]
    return Split(week.rows, target)


def put_clock_forward(week: Split, _: Draw) -> Split:
    """Clock off by 3 h."""
    return Split({**week.rows, "pickup_at": week.rows["pickup_at"] + np.timedelta64(3, "h")}, week.target)


def forget_zones(week: Split, draw: Draw) -> Split:
    """20 % of the pickup zones unknown."""
    zones = np.where(draw.random(len(week)) < 0.2, UNKNOWN_ZONE, week.rows["pickup_zone"])
    return Split({**week.rows, "pickup_zone": zones}, week.target)


FAULTS: Mapping[str, Callable[[Split, Draw], Split]] = {
    "durations +20 %": slow_down,
    "rush hour +30 %, mean kept": slow_rush_hour_down,
    "10 % of targets shuffled": shuffle,
    "clock off by 3 h": put_clock_forward,
    "20 % of pickup zones unknown": forget_zones,
    "durations +10 %": bias,
}


def run() -> Report:
    """Plants each fault in two weeks after a clean one, and watches redrawn clean weeks.

    TRIP_DATA_DIR names the directory of months; WATCHING_DRAWS the number of draws.
    """
    trips, draws = find_trips(), int(os.environ.get("WATCHING_DRAWS") or DRAWS)
    settings = settings_of(trips.settings, months=MONTHS)
    champions = list(_make_champions(settings))
    draw = np.random.default_rng(settings.random_state)
    rows = [_plant(settings, champions, name, draws, draw) for name in FAULTS]
    rows.append(_watch_clean(settings, champions, draws, draw))
    return Report(
        "Watching the champion",
        "a fault found within two weeks in at least 95 of 100 draws; at most one false alarm per year of clean weeks",
        ["weeks", "draws", "found in the first week", "within two weeks", *(f"by {sign}" for sign in SIGNS),
         "RMSE / judged, median", "false alarms per year"],
        rows,
        [
            (f"{trips.label}; champions of {', '.join(MONTHS)} ({MODEL}), each judged on {JUDGED_DAYS} days of another"
            " month and watched in the months that it knows nothing of; the settings' own limits"),
            "a draw redraws the rows of each week with replacement; a fault begins after one clean week",
            (
                "clean: all weeks of a month in a row, but for the first ones, which alone cannot raise an alarm; every"
                " alarm of a newest week counted; 52 weeks are a year"
            ),
        ],
    )  # fmt: skip


def _make_champions(settings: Settings) -> Iterator[Champion]:
    months = {month: load_split(settings, month) for month in MONTHS}
    references = find_references(settings)
    for place, month in enumerate(MONTHS):
        judging = MONTHS[(place + 1) % len(MONTHS)]
        learnt, later = months[month], months[judging]
        first = np.datetime64(f"{judging}-01")
        held_out = pick(later, days_of(later) < first + np.timedelta64(JUDGED_DAYS, "D"))
        data = encode(MODELS[MODEL], settings.problem, "rich", references, learnt, held_out)
        start = {**MODELS[MODEL].start, **QUICK}
        fitted = fit(MODELS[MODEL], start, data, random_state=settings.random_state, threads=2)
        metadata = {"family": "xgboost", "model": MODEL, "parameters": start, "lineage": {}}
        model = Model.of(data, fitted.estimator, metadata)
        predicted = model.predict(held_out.rows)
        scored, model = Scored(held_out.target, predicted), model.bound(held_out, predicted)
        inside = model.outputs.cover(held_out.target, predicted, held_out.rows, DEFAULT_LEVEL)
        coverage = None if inside is None else float(inside.mean())
        yield Champion(
            model,
            profile_split(settings.problem, learnt),
            columns_of(settings.problem, learnt),
            refer_to(settings.problem.objective, scored, days_of(held_out), coverage=coverage),
            [_list_weeks(months[other]) for other in MONTHS if other not in (month, judging)],
        )


def _list_weeks(split: Split) -> list[Split]:
    """The complete calendar weeks."""
    days = days_of(split)
    weeks = (days.astype(np.int64) + 3) // 7
    found = (weeks == week for week in np.unique(weeks))
    return [pick(split, chosen) for chosen in found if len(np.unique(days[chosen])) == 7]


def _redraw(week: Split, draw: Draw) -> Split:
    return pick(week, draw.integers(0, len(week), len(week)))


def _watch(settings: Settings, champion: Champion, weeks: Sequence[Split]) -> list[Signs]:
    """What raises an alarm when each week is the newest, and the RMSE of that week over the judged one."""
    problem, thresholds = settings.problem, Thresholds.from_settings(settings)
    limits = ErrorLimits.from_settings(settings)
    low, high = target_bounds(problem)
    scored: list[Scored] = []
    coverages, flags = [], []
    for week in weeks:
        week = pick(week, (week.target >= low) & (week.target <= high))
        predicted = champion.model.predict(week.rows)
        scored.append(Scored(week.target, predicted))
        inside = champion.model.outputs.cover(week.target, predicted, week.rows, DEFAULT_LEVEL)
        coverages.append(None if inside is None else float(inside.mean()))
        values = columns_of(problem, week)
        flags.append(
            [
                has_drifted(compare_column(champion.profile[name], values[name], champion.learnt[name]), thresholds)
                for name in list_watched(problem)
            ]
        )
    found = []
    for newest in range(1, len(weeks) + 1):
        errors = compare_errors(
            problem.objective, scored[:newest], champion.reference, limits, coverages=coverages[:newest]
        )
        signs = {"RMSE"} if is_error_alarming(errors, limits) else set()
        signs |= {"bias"} if is_bias_alarming(errors) else set()
        signs |= {"intervals"} if is_coverage_alarming(errors, limits) else set()
        by_column = zip(*flags[:newest], strict=True)
        if any(is_alarming(column, limits.needed, limits.of) for column in by_column):
            signs.add("drift")
        found.append((signs, errors[-1].error / champion.reference.error))
    return found


def _plant(settings: Settings, champions: Sequence[Champion], name: str, draws: int, draw: Draw) -> list[str]:
    found: list[list[set[str]]] = []
    ratios = []
    for _ in range(draws):
        champion = champions[int(draw.integers(len(champions)))]
        month = champion.weeks[int(draw.integers(len(champion.weeks)))]
        first = int(draw.integers(len(month) - 2))
        weeks = [_redraw(week, draw) for week in month[first : first + 3]]
        watched = _watch(settings, champion, [weeks[0], *(FAULTS[name](week, draw) for week in weeks[1:])])
        found.append([signs for signs, _ in watched[1:]])
        ratios.append(watched[-1][1])
    by = [sum(any(sign in signs for signs in each) for each in found) for sign in SIGNS]
    return [
        name,
        f"{draws}",
        f"{sum(bool(each[0]) for each in found)}",
        f"{sum(any(each) for each in found)}",
        *map(str, by),
        f"{np.median(ratios):.2f}",
        "",
    ]


def _watch_clean(settings: Settings, champions: Sequence[Champion], draws: int, draw: Draw) -> list[str]:
    watched: list[Signs] = []
    # Each chain begins anew: before it has so many weeks, nothing can raise an alarm.
    needed = ErrorLimits.from_settings(settings).needed
    for number in range(draws):
        champion = champions[number % len(champions)]
        month = champion.weeks[int(draw.integers(len(champion.weeks)))]
        watched += _watch(settings, champion, [_redraw(week, draw) for week in month])[needed - 1 :]
    by = [sum(sign in signs for signs, _ in watched) for sign in SIGNS]
    alarms = sum(bool(signs) for signs, _ in watched)
    ratio = np.median([ratio for _, ratio in watched])
    years = f"{52 * alarms / len(watched):.2f} ({alarms} in {len(watched)} weeks)"
    return ["clean", f"{draws}", "", "", *map(str, by), f"{ratio:.2f}", years]
