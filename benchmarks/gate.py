"""How often the gate promotes a model that is not better, and how often one that is: simulated, by the real rules.

Models are fitted to real trips of one month and predict those of the next. Their errors there are scaled, so that the
challenger is better by exactly what is asked, 0 for a null. Then the month is redrawn again and again: days with
replacement, and trips of each day with replacement.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.plain_script import find_references, split_trips
from benchmarks.report import Report
from benchmarks.running import settings_of
from benchmarks.trip_data import find_trips
from include.models.fitting import encode, fit_estimator, predict_encoded
from include.models.table import MODELS
from include.problem.data import Columns, Split, Values
from include.problem.declaration import Problem
from include.promotion.blocks import list_blocks
from include.promotion.comparison import Limits, compare, decide
from include.sets.plan import make_plan
from include.settings import Settings

MODEL = "gbtree.squarederror"
ROUNDS = 60
SIZES = (500, 2_000, 20_000, 50_000)
MONTHS_OF_NULLS, MONTHS_OF_GAINS, CHAINS, LOOKS = 1_000, 400, 100, 21
GOAL = (
    "at most 10 of 1,000 nulls are promoted, of any kind and size; a gain of 2 % on 20,000 rows in 900 of 1,000, of"
    " 5 % on 2,000 in 550"
)
# Depth and learning rate of each trial of a search.
TRIALS = {
    f"trial {number}": {"max_depth": depth, "learning_rate": rate, "random_state": number}
    for number, (depth, rate) in enumerate([(4, 0.2), (5, 0.15), (6, 0.1), (7, 0.1), (8, 0.08), (6, 0.2)])
}
DAY = np.timedelta64(1, "D")
# Deviations of what is added to the predictions of a null, in minutes: to each trip, to all trips of a day.
NOISE, OFFSET = 0.4, 0.8


@dataclass(frozen=True)
class Pool:
    """The trips that judge, in the order of their days, and what each model predicts of them."""

    problem: Problem
    limits: Limits
    label: str
    rows: Columns
    actual: Values
    # Where each day begins, and the end.
    days: npt.NDArray[np.intp]
    models: dict[str, Values]


@dataclass(frozen=True)
class Drawn:
    """A redrawn month: which trips, and the day that each belongs to."""

    pool: Pool
    generator: np.random.Generator
    at: npt.NDArray[np.intp]
    day: npt.NDArray[np.intp]

    @property
    def actual(self) -> Values:
        """The durations."""
        return self.pool.actual[self.at]

    def predict(self, name: str, gain: float = 0.0) -> Values:
        """A model's predictions, its residuals scaled so that on the whole month it is that much better than `base`."""
        errors = {each: self.pool.models[each] - self.pool.actual for each in ("base", name)}
        base, own = (np.sqrt(np.mean(errors[each] ** 2)) for each in ("base", name))
        return self.actual + errors[name][self.at] * (base * (1 - gain) / own)

    def noise(self, count: int, deviation: float) -> Values:
        """Normal noise, in minutes."""
        return self.generator.normal(0, deviation, count)


Predict = Callable[[Drawn], tuple[Values, Values]]


def run() -> Report:
    """Simulates each kind of null and of gain at each size, and chains of nulls on the same rows."""
    # Loaded before the workers are forked, which inherit it.
    pool = _pool()
    counts: dict[str, tuple[int, list[Future[int]]]] = {}
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=get_context("fork")) as workers:
        for kinds, months in ((NULLS, MONTHS_OF_NULLS), (GAINS, MONTHS_OF_GAINS)):
            for kind in kinds:
                counts[kind] = months, [workers.submit(_count, kind, size, months) for size in SIZES]
        counts[f"{LOOKS} nulls in a row"] = CHAINS, [workers.submit(_count_chains, size, CHAINS) for size in SIZES]
    rows = [[kind, *(f"{each.result() * 1000 / of:.0f}" for each in futures)] for kind, (of, futures) in counts.items()]
    notes = (
        f"{pool.label}: models of 2024-01 judged on redrawn months of 2024-02, {len(pool.days) - 1} days each",
        f"{MODEL} of {ROUNDS} rounds, its errors scaled; months: {MONTHS_OF_NULLS:,} a null, {MONTHS_OF_GAINS} a gain",
        f"of {CHAINS} chains of nulls in a row, on the same rows, those count in which at least one is promoted",
    )
    return Report(
        "False and missed promotions",
        GOAL,
        ["promoted in 1,000", *(f"{size:,} rows" for size in SIZES)],
        rows,
        notes,
    )


@cache
def _pool() -> Pool:
    """Loaded and fitted once; the workers inherit it."""
    trips = find_trips()
    settings = settings_of(trips.settings, months=("2024-01", "2024-02"))
    train, judge = split_trips(settings, make_plan(settings, validation_from="2024-02-01"))
    times = judge.rows[str(settings.problem.time)]
    order = np.argsort(times, kind="stable")
    judge = _take(judge, order)
    days = judge.rows[str(settings.problem.time)].astype("datetime64[D]")
    begins = np.append(np.flatnonzero(np.append(True, days[1:] != days[:-1])), len(days))
    fitted = {name: _fit(settings, split, judge, **options) for name, split, options in _recipes(train)}
    limits = Limits.from_settings(settings)
    return Pool(settings.problem, limits, trips.label, judge.rows, judge.target, begins, fitted)


def _recipes(train: Split) -> Iterator[tuple[str, Split, dict[str, Any]]]:
    """What each model learns from, and what differs from the first one."""
    generator, count = np.random.default_rng(0), len(train)
    yield "base", train, {}
    yield "other seed", train, {"random_state": 1}
    for number in (1, 2):
        yield f"bootstrap {number}", _take(train, generator.integers(0, count, count)), {}
    yield "half of the rows", _take(train, generator.choice(count, count // 2, replace=False)), {}
    for name, changes in TRIALS.items():
        yield name, train, changes


def _fit(settings: Settings, train: Split, judge: Split, random_state: int = 0, **changes: Any) -> Values:
    model = MODELS[MODEL]
    data = encode(model, settings.problem, "rich", find_references(settings), train, judge)
    parameters = {**model.start, "subsample": 0.8, "n_estimators": ROUNDS, **changes}
    estimator = fit_estimator(model, parameters, data, random_state=random_state)
    return predict_encoded(estimator, data.validation)


def _take(split: Split, at: np.ndarray) -> Split:
    return Split({name: values[at] for name, values in split.rows.items()}, split.target[at])


def _draw(pool: Pool, generator: np.random.Generator, size: int) -> Drawn:
    """Days with replacement, and of each as many trips as its share of the month."""
    chosen = generator.integers(0, len(pool.days) - 1, len(pool.days) - 1)
    lengths = np.diff(pool.days)[chosen]
    counts = generator.multinomial(size, lengths / lengths.sum())
    day = np.repeat(np.arange(len(chosen)), counts)
    at = pool.days[:-1][chosen][day] + (generator.random(size) * lengths[day]).astype(int)
    return Drawn(pool, generator, at, day)


def _pair(challenger: str, champion: str, gain: float = 0.0) -> Predict:
    """Two models, of which the challenger is better by that share on the whole month."""
    return lambda drawn: (drawn.predict(challenger, gain), drawn.predict(champion))


def _add_noise(drawn: Drawn) -> tuple[Values, Values]:
    first, second = (drawn.predict("base") + drawn.noise(len(drawn.at), NOISE) for _ in range(2))
    return first, second


def _add_offsets(drawn: Drawn) -> tuple[Values, Values]:
    days = drawn.day.max() + 1
    first, second = (drawn.predict("base") + drawn.noise(days, OFFSET)[drawn.day] for _ in range(2))
    return first, second


def _search(drawn: Drawn) -> tuple[Values, Values]:
    """Six trials, all as good as the champion: the best by other trips is the challenger."""
    tuning = _draw(drawn.pool, drawn.generator, len(drawn.at))
    errors = {name: tuning.predict(name) - tuning.actual for name in TRIALS}
    best = min(TRIALS, key=lambda name: float(np.mean(errors[name] ** 2)))
    return drawn.predict(best), drawn.predict("base")


NULLS: dict[str, Predict] = {
    "other seed": _pair("other seed", "base"),
    "two bootstraps of the training rows": _pair("bootstrap 1", "bootstrap 2"),
    f"own noise of {NOISE} min per trip": _add_noise,
    f"own offset of {OFFSET} min per day": _add_offsets,
    "best of a search": _search,
}
GAINS = {f"better by {gain:.0%}": _pair("base", "half of the rows", gain) for gain in (0.01, 0.02, 0.05)}


def _judge(drawn: Drawn, challenger: Values, champion: Values, look: int = 1) -> bool:
    pool, time = drawn.pool, str(drawn.pool.problem.time)
    rows = {name: values[drawn.at] for name, values in pool.rows.items()}
    # A day that was drawn twice is two days.
    rows[time] = rows[time] - rows[time].astype("datetime64[D]") + (np.datetime64("2024-01-01") + drawn.day * DAY)
    comparison = compare(
        pool.problem,
        rows,
        drawn.actual,
        challenger,
        champion,
        blocks=list_blocks(pool.problem, rows, np.full(len(drawn.at), np.nan)),
        minimum_rows=pool.limits.slice_minimum_rows,
        look=look,
    )
    return decide(comparison, pool.limits).promote


def _count(kind: str, size: int, months: int) -> int:
    """How many of redrawn months promote the challenger."""
    pool, generator, predict = _pool(), np.random.default_rng(size), (NULLS | GAINS)[kind]
    drawn = (_draw(pool, generator, size) for _ in range(months))
    return sum(_judge(month, *predict(month)) for month in drawn)


def _count_chains(size: int, chains: int) -> int:
    """How many chains of nulls, judged one after the other on the same rows, promote at least one."""
    pool, generator, promoted = _pool(), np.random.default_rng(size), 0
    for _ in range(chains):
        month = _draw(pool, generator, size)
        champion, *challengers = (month.predict(str(generator.choice(list(TRIALS)))) for _ in range(LOOKS + 1))
        noisy = [values + month.noise(size, NOISE) for values in challengers]
        champion = champion + month.noise(size, NOISE)
        promoted += any(_judge(month, values, champion, look) for look, values in enumerate(noisy, start=1))
    return promoted
