"""How much of the difference between two models' errors may be chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
import numpy.typing as npt

from include.problem.data import ROWS_AT_ONCE, find_pieces
from include.problem.mapped import collect
from include.problem.objectives.objective import Objective

Blocks = npt.NDArray[np.intp]
_Numbers = npt.NDArray[np.float64]
# A gain that can be seen is one that is found in as many of a hundred comparisons.
POWER = 0.8


@dataclass(frozen=True)
class Difference:
    """One model's error minus another's on the same rows, in the error's unit.

    Attributes:
        freedom: Degrees of freedom of the standard error, infinite where many rows give it.
    """

    value: float
    standard_error: float
    freedom: float

    def interval(self, confidence: float) -> tuple[float, float]:
        """Where the true difference lies, with this confidence."""
        half = self._quantile((1 + confidence) / 2) * self.standard_error
        return self.value - half, self.value + half

    def chance(self) -> float:
        """How likely a difference as far above zero is where there is none, one-sided."""
        from scipy.special import stdtr

        if not self.standard_error:
            return float(not self.value > 0)
        return float(stdtr(self.freedom, -self.value / self.standard_error))

    def smallest_seen(self, confidence: float) -> float:
        """The difference that would be told from chance in `POWER` of such comparisons."""
        return (self._quantile((1 + confidence) / 2) + self._quantile(POWER)) * self.standard_error

    def _quantile(self, share: float) -> float:
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, share))


def measure_difference(objective: Objective, losses: _Numbers, blockings: Sequence[Blocks]) -> Difference:
    """The difference of two errors, first minus second, and its standard error.

    Both models are left without the same rows each time, so that what is hard for both cancels out. Rows of one block,
    such as a day, are wrong together: where leaving out whole blocks moves the difference by more than leaving out
    rows does, the blocks decide. The degrees of freedom are those of the part of the variance that the blocks add
    (F. E. Satterthwaite, "An Approximate Distribution of Estimates of Variance Components", 1946); without such a part
    the rows alone count (delete-d jackknife: B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap",
    chapter 11, 1993).

    Args:
        losses: Of each row, by both models, shape (2, n).
        blockings: The number of each row's block, (n,), for each way in which rows hang together.
    """
    count = losses.shape[1]
    value = float(np.subtract(*objective.aggregate(losses.mean(axis=1))))
    by_row = _jackknife(objective, losses, np.ones(count))
    variance, freedom = by_row, float(max(count - 1, 1))
    for blocks in blockings:
        sizes = np.bincount(blocks).astype("float64")
        used = sizes > 0
        if used.sum() < 2:
            continue
        sums = np.stack([np.bincount(blocks, weights=each) for each in losses], dtype="float64")[:, used]
        by_block = _jackknife(objective, sums, sizes[used])
        if by_block > variance:
            added = (by_block - by_row) / by_block
            variance, freedom = by_block, max((used.sum() - 1) / added**2, 1.0)
    return Difference(value, float(np.sqrt(variance)), min(freedom, float(max(count - 1, 1))))


def _jackknife(objective: Objective, sums: _Numbers, sizes: _Numbers) -> float:
    """The variance of the difference of two errors, found by leaving out one block after the other.

    Args:
        sums: The losses of each block, summed, shape (2, number of blocks).
        sizes: Rows of each block.
    """
    blocks = len(sizes)
    if blocks < 2:
        return float("inf")
    whole, rows = sums.sum(axis=1, keepdims=True), sizes.sum()
    without = collect(
        (
            np.subtract(*objective.aggregate(np.maximum(whole - sums[:, some], 0) / (rows - sizes[some])))
            for some in find_pieces(blocks, ROWS_AT_ONCE)
        ),
        blocks,
    )
    return (blocks - 1) * float(without.var())


def find_significant(chances: Mapping[int, float], level: float) -> list[int]:
    """Which of several findings hold, by their keys, so that chance alone gives even one of them at most at this level.

    After S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.

    Args:
        chances: How likely each finding is where there is nothing to find.
    """
    ordered = sorted(chances, key=chances.__getitem__)
    held = takewhile(lambda at: chances[ordered[at]] <= level / (len(ordered) - at), range(len(ordered)))
    return [ordered[at] for at in held]
