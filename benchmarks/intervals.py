"""Which share of a later month's actual values is inside of intervals, beside those of one width."""

from collections.abc import Mapping

import numpy as np

from benchmarks.plain_script import find_references
from benchmarks.report import Report
from benchmarks.running import settings_of
from benchmarks.trip_data import MONTHS, days_of, find_trips, load_split, pick
from include.models.artifact import Model
from include.models.evaluation import cut
from include.models.fitting import encode, fit
from include.models.intervals import DEFAULT_LEVEL
from include.models.outputs.numbers import Numbers
from include.models.table import MODELS
from include.problem.data import Columns, Split, Values
from include.settings import Settings

CHOSEN = ("gbdt.squarederror", "gbtree.gamma", "gbtree.squarederror", "linear_model.LinearRegression")
# Of predictions, in the target's unit.
BANDS = ((0, 10), (10, 20), (20, 35), (35, np.inf))
SLICE_ROWS = 200


def run() -> Report:
    """Calibrates on the days that judge by default, and looks at the month after; TRIP_DATA_DIR names the months."""
    trips = find_trips()
    settings = settings_of(trips.settings, months=MONTHS)
    months = {month: load_split(settings, month) for month in MONTHS}
    references = find_references(settings)
    rows = []
    for learnt, judging, later in _list_cases(months):
        for name in CHOSEN:
            train, held_out, after = learnt[1], judging[1], later[1]
            data = encode(MODELS[name], settings.problem, "rich", references, train, held_out)
            fitted = fit(MODELS[name], MODELS[name].start, data, random_state=settings.random_state, threads=2)
            model = Model.of(data, fitted.estimator, {})
            label = f"{learnt[0]}; {judging[0]}; {later[0]}"
            rows += [[label, name, *each] for each in _compare(settings, model, held_out, after)]
    return Report(
        "Intervals that are to hold 90 % of the actual values",
        "88 to 92 % in the month after, in no slice of 200 rows less than 83 %, and narrower than those of one width",
        ["learnt from; calibrated on; month after", "model", "interval", "held", "mean width",
         *(f"held, {low} to {high:g}" for low, high in BANDS), "worst slice", "slices under 83 %"],
        rows,
        [
            f"{trips.label}; first parameters of each model type; `rich` features; widths in {settings.problem.unit}",
            "one width: the prediction plus or minus the 90 % quantile of the absolute error on the same rows",
            "slices: those that the problem declares, and each value of them that has so many rows",
        ],
    )  # fmt: skip


def _list_cases(months: Mapping[str, Split]) -> list[tuple[tuple[str, Split], ...]]:
    """What is learnt from, what judges, and what comes after, each by name: one month, and three of them."""
    first, second, third, fourth, fifth = MONTHS
    alone, newest = months[fourth], months[second]
    until, half = np.datetime64(f"{fourth}-26"), np.datetime64(f"{second}-15")
    return [
        ((f"{fourth}, to 25", pick(alone, days_of(alone) < until)),
         (f"{fourth}, from 26", pick(alone, days_of(alone) >= until)), (fifth, months[fifth])),
        ((first, months[first]), (f"{second}, from 15", pick(newest, days_of(newest) >= half)), (third, months[third])),
    ]  # fmt: skip


def _compare(settings: Settings, model: Model, held_out: Split, after: Split) -> list[list[str]]:
    known, predicted = model.predict(held_out.rows), model.predict(after.rows)
    outputs = model.bound(held_out, known).outputs
    assert isinstance(outputs, Numbers)
    low, high = outputs.find_intervals(predicted, after.rows) or (predicted, predicted)
    width = float(np.quantile(np.abs(held_out.target - known), DEFAULT_LEVEL))
    return [
        ["by band and zone", *_measure(settings, after.rows, after.target, predicted, low, high)],
        ["one width", *_measure(settings, after.rows, after.target, predicted, predicted - width, predicted + width)],
    ]


def _measure(
    settings: Settings, rows: Columns, actual: Values, predicted: Values, low: Values, high: Values
) -> list[str]:
    inside = (low <= actual) & (actual <= high)
    by_band = [inside[(predicted >= start) & (predicted < end)].mean() for start, end in BANDS]
    slices = [
        (float(inside[chosen].mean()), f"{slicing} {value}")
        for slicing, value, chosen in cut(settings.problem, rows, minimum_rows=SLICE_ROWS)
        if chosen.sum() >= SLICE_ROWS
    ]
    worst, name = min(slices)
    under = sum(share < 0.83 for share, _ in slices)
    shares = [f"{share:.1%}" for share in (inside.mean(), *by_band)]
    return [shares[0], f"{(high - low).mean():.1f}", *shares[1:], f"{worst:.1%} ({name})", f"{under} of {len(slices)}"]
