"""Deals the rows of a training set out to the workers of a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from include.training.engines.dask_cluster import Cluster
from include.training.engines.shares import Partition, Reading, Share, count_rows, read_share


@dataclass(frozen=True)
class Dealt:
    """Rows that workers hold until this is given up, in the order of the workers.

    Attributes:
        held: Of each worker, the future of its list of partitions.
        rows: Of each worker, the rows of its partitions.
    """

    cluster: Cluster
    held: tuple[Any, ...]
    rows: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Dealer:
    """Deals rows of a set out, which each worker reads and encodes by itself."""

    cluster: Cluster
    set_version: int
    reading: Reading

    def deal(self, splits: Sequence[str]) -> Dealt:
        """To each worker its share of some splits."""
        count = len(self.cluster.workers)
        return self._deal([Share(self.set_version, tuple(splits), number, count) for number in range(count)])

    def repeat(self, split: str, shares: int) -> Dealt:
        """To each worker the same rows: the first of so many shares of a split."""
        return self._deal([Share(self.set_version, (split,), 0, shares)] * len(self.cluster.workers))

    def _deal(self, shares: Sequence[Share]) -> Dealt:
        held = self.cluster.on_each(read_share, [(share, self.reading) for share in shares])
        rows = self.cluster.client.gather(self.cluster.on_each(count_rows, [(each,) for each in held]))
        return Dealt(self.cluster, tuple(held), tuple(map(tuple, rows)))


def take(partitions: Sequence[Partition], at: int, name: str) -> Any:
    """One array of one partition."""
    return getattr(partitions[at], name)
