"""Whether a challenger takes the champion's place: the comparison of both on the same rows, and the rules on it.

Each rule says what must hold, so that a figure that is not a number never passes one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from include.models.evaluation import cut
from include.problem.data import Columns, Values
from include.problem.declaration import Problem
from include.problem.objectives.objective import Objective
from include.problem.words import show_amount
from include.promotion.decisions import confidence_at
from include.promotion.significance import Blocks, Difference, find_significant, measure_difference
from include.settings import Settings

# How likely, of all slices, even one counts as worse where none is.
CHANCE_OF_A_SLICE = 0.05
# With fewer rows than this an interval says little.
MINIMUM_ROWS = 100
# Beyond this a value's loss, or the sum of many, may no longer be a number.
LARGEST = 1e100


@dataclass(frozen=True)
class SliceErrors:
    """Errors of both models on one slice of the rows.

    Attributes:
        is_worse: Whether the challenger is worse there beyond chance, all slices taken together.
    """

    slicing: str
    value: str
    rows: int
    challenger_error: float
    champion_error: float
    is_worse: bool

    @property
    def regression(self) -> float:
        """Share by which the challenger's error is above the champion's; negative where it is below."""
        if self.champion_error == 0:
            return 0.0 if self.challenger_error == 0 else float("inf")
        return self.challenger_error / self.champion_error - 1


@dataclass(frozen=True)
class Comparison:
    """Two models on the same held-out rows, by their errors.

    Attributes:
        objective: What an error is.
        difference: The challenger's error minus the champion's; below zero it is better.
        look: How many versions were compared on these rows, this one included.
    """

    objective: Objective
    rows: int
    challenger_error: float
    champion_error: float
    difference: Difference
    look: int
    slices: tuple[SliceErrors, ...]

    @property
    def confidence(self) -> float:
        """That of the interval."""
        return confidence_at(self.look)

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true difference lies."""
        return self.difference.interval(self.confidence)

    @property
    def gain(self) -> float:
        """Share of the champion's error that the challenger spares; negative where it is worse."""
        return 1 - self.challenger_error / self.champion_error if self.champion_error else 0.0

    @property
    def smallest_gain(self) -> float:
        """The gain that these rows would tell from chance most of the time, see `Difference.smallest_seen`."""
        seen = self.difference.smallest_seen(self.confidence)
        return seen / self.champion_error if self.champion_error else 0.0


@dataclass(frozen=True)
class Limits:
    """What a challenger has to reach, see the settings of the same names."""

    min_improvement: float
    max_slice_regression: float
    slice_minimum_rows: int

    @classmethod
    def from_settings(cls, settings: Settings) -> "Limits":
        """The limits that the settings name."""
        return cls(settings.min_improvement, settings.max_slice_regression, settings.slice_minimum_rows)


@dataclass(frozen=True)
class Verdict:
    """Whether the challenger wins, and why (not)."""

    promote: bool
    reason: str


def count_unusable(values: Values) -> int:
    """Of how many rows errors cannot be measured: with a value that is no number, infinite, or of over 100 digits.

    Args:
        values: (n,) or (n, k).
    """
    # The comparison is false for what is not a number.
    return len(values) - int(np.count_nonzero((np.abs(values) <= LARGEST).reshape(len(values), -1).all(axis=1)))


def compare(
    problem: Problem,
    rows: Columns,
    actual: Values,
    challenger: Values,
    champion: Values,
    *,
    blocks: Sequence[Blocks],
    minimum_rows: int,
    look: int = 1,
) -> Comparison:
    """Compares two models' predictions, each (n,) or (n, k), of the same rows.

    Args:
        blocks: The rows that hang together, see `list_blocks`.
        minimum_rows: A value of a slicing with as many rows is a slice.
        look: How many versions were compared on these rows, this one included.

    Raises:
        ValueError: There are no rows, or a value is unusable, see `count_unusable`.
    """
    if not len(actual):
        raise ValueError("There are no rows to compare two models on.")
    for name, values in {"targets": actual, "challenger's": challenger, "champion's": champion}.items():
        if unusable := count_unusable(values):
            raise ValueError(f"{unusable} of {len(values)} values of the {name} are not finite numbers.")
    objective = problem.objective
    losses = np.stack([objective.loss(actual, challenger), objective.loss(actual, champion)])
    own, other = map(float, objective.aggregate(losses.mean(axis=1)))
    difference = measure_difference(objective, losses, blocks)
    slices = _compare_slices(problem, rows, losses, blocks, minimum_rows)
    return Comparison(objective, len(actual), own, other, difference, look, slices)


def _compare_slices(
    problem: Problem, rows: Columns, losses: np.ndarray, blocks: Sequence[Blocks], minimum_rows: int
) -> tuple[SliceErrors, ...]:
    objective = problem.objective
    slices, chances = [], {}
    for at, (slicing, value, inside) in enumerate(cut(problem, rows, minimum_rows=minimum_rows)):
        own, other = map(float, objective.aggregate(losses[:, inside].mean(axis=1)))
        slices.append(SliceErrors(slicing, value, int(inside.sum()), own, other, is_worse=False))
        # Too few rows say nothing, and must not make it harder for other slices.
        if slices[at].rows >= minimum_rows:
            within = [numbers[inside] for numbers in blocks]
            chances[at] = measure_difference(objective, losses[:, inside], within).chance()
    for at in find_significant(chances, CHANCE_OF_A_SLICE):
        slices[at] = replace(slices[at], is_worse=True)
    return tuple(slices)


def find_disagreement(objective: Objective, actual: Values, judged: Values, served: Values) -> str | None:
    """Why a model that was fitted on all rows is not the one that was judged; None if it may be.

    It has learnt from the rows that judge, so that its predictions are nearer to the targets than its twin's. Farther
    from the twin's than the targets themselves are, it has gone astray; but for what so few rows cannot tell.

    Args:
        judged: What the twin predicts, (n,) or (n, k).
        served: What the model itself predicts.
    """
    error = objective.measure_error(actual, judged)
    distance = float(objective.aggregate(objective.distance(judged, served).mean()))
    if distance <= max(error, objective.least(len(actual))):
        return None
    return (
        f"Fitted on all rows, the model predicts otherwise than the twin that was judged: by {show_amount(distance)}"
        f" ({objective.name}), while the twin's own error is {show_amount(error)}"
    )


def decide(comparison: Comparison, limits: Limits, rival: str = "the champion") -> Verdict:
    """A challenger against a champion: better beyond chance, by enough, and worse in no slice by too much."""
    refusals = _find_doubts(comparison) or _find_shortfalls(comparison, limits)
    return _conclude(refusals, comparison, rival)


def decide_first(comparison: Comparison, baseline: str) -> Verdict:
    """A first model against the best baseline, by its name: better beyond chance."""
    return _conclude(_find_doubts(comparison), comparison, f"the best baseline, the {baseline}")


def decide_among_peers(verdict: Verdict, comparison: Comparison, peer: float) -> Verdict:
    """A winner beside a champion that is a peer, see `choose_rival`: the lower error is enough.

    Args:
        peer: The error of that champion, on the rows of the comparison.
    """
    if not verdict.promote:
        return verdict
    figures = f"{show_amount(peer)} of the champion, which was trained on the same set"
    if not comparison.challenger_error < peer:
        own = show_amount(comparison.challenger_error)
        return Verdict(False, f"{comparison.objective.name} {own} is not below {figures}")
    return Verdict(True, f"{verdict.reason}; and against {figures}")


def _find_doubts(comparison: Comparison) -> list[str]:
    low, high = comparison.interval
    if not comparison.rows >= MINIMUM_ROWS:
        return [f"only {comparison.rows} held-out rows that neither was trained on, {MINIMUM_ROWS} are needed"]
    if not all(map(math.isfinite, (low, high, comparison.challenger_error, comparison.champion_error))):
        return ["an error is not a finite number"]
    if not high < 0:
        what = "it is worse" if low > 0 else "this may be chance"
        least, greatest = (show_amount(difference, signed=True) for difference in (low, high))
        return [f"{what}, the difference lies between {least} and {greatest}{_describe_look(comparison)}"]
    return []


def _describe_look(comparison: Comparison) -> str:
    return f", at look {comparison.look} on these rows" if comparison.look > 1 else ""


def _find_shortfalls(comparison: Comparison, limits: Limits) -> list[str]:
    found = []
    if not comparison.gain >= limits.min_improvement:
        found.append(f"the error falls by {comparison.gain:.1%}, {limits.min_improvement:.1%} are needed")
    if worse := find_regressions(comparison.slices, limits):
        worst = worse[0]
        found.append(
            f"{worst.slicing} {worst.value} gets worse by {worst.regression:.1%} ({worst.rows} rows), one of"
            f" {len(worse)} slices beyond {limits.max_slice_regression:.1%}"
        )
    return found


def find_regressions(slices: Sequence[SliceErrors], limits: Limits) -> list[SliceErrors]:
    """The slices that get worse beyond chance, and by more than is allowed; the worst first."""
    worse = [part for part in slices if part.is_worse and not part.regression <= limits.max_slice_regression]
    # What is not a number has no place in an order: it is as bad as can be.
    return sorted(worse, key=lambda part: -part.regression if math.isfinite(part.regression) else -math.inf)


def _conclude(refusals: list[str], comparison: Comparison, rival: str) -> Verdict:
    own, other = show_amount(comparison.challenger_error), show_amount(comparison.champion_error)
    figures = f"{comparison.objective.name} {own} against {other} of {rival}"
    if refusals:
        return Verdict(False, f"{figures}: " + "; ".join(refusals))
    low, high = comparison.interval
    difference = f"difference {show_amount(low, signed=True)} to {show_amount(high, signed=True)}"
    return Verdict(True, f"{figures}: {difference}{_describe_look(comparison)}")
