"""Predictions of many rows at once by a booster of LightGBM, the same to the last bit.

A booster follows one row after the other through each tree, and waits for memory at nearly every node. Here, each value
of a column says which leaves of all trees it rules out, as bits that are looked up and joined by `and`: the first leaf
of a tree that is left is the row's own. With a dozen columns and trees of up to 64 leaves, this takes a third of the
time; with twice as many columns, or leaves, half to two thirds of it. Sorted rows take less, because what neighbours
share is looked up once.

Method: C. Lucchese et al., "QuickScorer: A Fast Algorithm to Rank Documents with Additive Ensembles of Regression
Trees", SIGIR 2015.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from include.problem.data import Values, find_pieces

# Columns times words of 64 leaves of a tree: from about twice as many on, the booster itself is as quick.
MOST_WORDS = 24
MOST_BYTES = 2**25
# Few enough that what is looked up for them stays in the processor's cache.
_ROWS_AT_ONCE = 64
# Of so many rows, neighbours are compared; columns with so few changes in all are looked up once from change to change.
_ROWS_COMPARED, _MOST_CHANGES = 1_024, 256
_WORD, _BITS = 64, 32
_ALL = np.uint64(2**64 - 1)
# So many bits, from the lowest one on.
_BELOW = np.array([2**bits - 1 for bits in range(_WORD + 1)], dtype=np.uint64)
# Objectives of which a booster's prediction is its margin.
_SUMS = ("regression", "regression_l1", "huber", "fair", "quantile", "mape")
# What is read of a booster's text: a line for all trees, then one for each tree, but for boundaries and thresholds of
# categories.
_LINES = ("num_tree_per_iteration", "objective", "num_leaves", "num_cat", "split_feature", "threshold", "decision_type",
          "left_child", "right_child", "leaf_value", "cat_boundaries", "cat_threshold", "is_linear")  # fmt: skip
# As LightGBM packs what a node does: bits for a category and for where a missing value goes, then which one is missing.
_IS_CATEGORY, _MISSING_IS_LEFT, _MISSING_AT = 1, 2, 2
_ZERO, _NAN = 1, 2

Masks = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]
# Masks, and which of them is each row's.
_Found = tuple[Masks, npt.NDArray[np.intp]]


@dataclass(frozen=True)
class _Nodes:
    """n inner nodes, of all trees or of those that look at one column.

    Attributes:
        tree: The number of its tree, in ascending order, (n,).
        column: Which one of the matrix it looks at, (n,).
        threshold: Of numbers, the largest one that goes left, (n,).
        decision: What it does, as LightGBM packs it, (n,).
        categories: Of categories, where those that go left begin and end in `bits`, (n, 2).
        bits: Which categories go left, 32 in each, of all nodes.
        masks: The leaves that are left where it goes right, (n, words).
    """

    tree: Counts
    column: Counts
    threshold: Values
    decision: Counts
    categories: Counts
    bits: npt.NDArray[np.uint32]
    masks: Masks

    def of(self, column: int) -> "_Nodes":
        at = np.flatnonzero(self.column == column)
        return _Nodes(
            self.tree[at],
            self.column[at],
            self.threshold[at],
            self.decision[at],
            self.categories[at],
            self.bits,
            self.masks[at],
        )


@dataclass(frozen=True)
class _Column:
    """Which leaves the values of a column leave.

    Attributes:
        at: Which one of the matrix it is.
        edges: Of numbers, all thresholds in ascending order; None of categories.
        masks: By bin, (bins, trees, words); the last one is for missing values and unknown categories.
    """

    at: int
    edges: Values | None
    masks: Masks

    def find_bins(self, matrix: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
        values, last = matrix[:, self.at], len(self.masks) - 1
        if self.edges is None:
            return np.where((values > -1) & (values < last), values, last).astype(np.intp)
        return np.where(np.isnan(values), last, np.searchsorted(self.edges, values))


@dataclass(frozen=True)
class LeafMasks:
    """A booster's trees as masks of their leaves.

    Attributes:
        leaves: The value of each leaf, (trees, 64 * words).
    """

    columns: tuple[_Column, ...]
    leaves: Values

    @classmethod
    def of(cls, text: str) -> "LeafMasks | None":
        """The masks of a booster that predicts the sum of its leaves; None where it does more, or is as quick itself.

        It does more where trees hold linear models, where zeros are missing values, and where the sum is an average, or
        is turned into the prediction: the last digits of that are LightGBM's own.

        Args:
            text: The booster, as LightGBM writes it.
        """
        lines = _read_lines(text)
        sizes = np.array(lines["num_leaves"], dtype=np.int64) - 1
        words = -(-int(sizes.max() + 1) // _WORD)
        used = np.unique(_read(lines["split_feature"])).astype(int).tolist()
        does_more = not _adds_up(text, lines) or set(lines["is_linear"]) != {"0"}
        if does_more or not used or len(used) * words > MOST_WORDS:
            return None
        leaves = np.zeros((len(sizes), words * _WORD))
        nodes = _join_nodes(lines, sizes, leaves)
        if (nodes.decision >> _MISSING_AT == _ZERO).any():
            return None
        by_column = [nodes.of(column) for column in used]
        if sum(map(_count_bins, by_column)) * leaves.nbytes // _WORD > MOST_BYTES:
            return None
        return cls(tuple(_make_column(each, (len(sizes), words)) for each in by_column), leaves)

    def predict(self, matrix: npt.NDArray[np.float32], threads: int) -> Values:
        """The margins of n rows, (n,)."""
        predicted = np.empty(len(matrix))
        parts = find_pieces(len(matrix), -(-len(matrix) // threads))
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda part: self._fill(predicted[part], matrix[part]), parts))
        return predicted

    def _fill(self, predicted: Values, matrix: npt.NDArray[np.float32]) -> None:
        # Each time anew, they would be handed out by the system, page by page.
        shape = (_MOST_CHANGES, *self.columns[0].masks.shape[1:])
        joined, other, kept, counts = (np.empty(shape, kind) for kind in (np.uint64, np.uint64, np.uint64, np.uint8))
        starts = np.arange(len(self.leaves))[:, np.newaxis] * self.leaves.shape[1]
        for compared in find_pieces(len(matrix), _ROWS_COMPARED):
            found = self._look_up(matrix[compared], joined, other)
            for rows in find_pieces(len(matrix[compared]), _ROWS_AT_ONCE):
                left = _join([(masks, numbers[rows]) for masks, numbers in found], kept, other)
                # The bits below the lowest one; of 0, all 64.
                below = np.subtract(left, np.uint64(1), out=other[: len(left)])
                np.bitwise_and(np.bitwise_not(left, out=left), below, out=left)
                places = starts + _join_words(np.bitwise_count(left, out=counts[: len(left)])).T
                predicted[compared][rows] = _add_up(self.leaves.take(places, mode="clip"))

    def _look_up(self, matrix: npt.NDArray[np.float32], joined: Masks, other: Masks) -> list[_Found]:
        """The masks of each column of the rows; those of columns that change seldom from row to row are one.

        Args:
            joined: Where this one is written, and `other` a part of it.
        """
        bits = matrix.view(np.int32)
        changes = bits[1:] != bits[:-1]
        counts = changes.sum(axis=0)
        found: list[_Found] = []
        steady, is_first = [], np.append(True, np.zeros(len(changes), bool))
        for column in sorted(self.columns, key=lambda each: int(counts[each.at])):
            either = is_first[1:] | changes[:, column.at]
            if either.sum() < _MOST_CHANGES:
                steady.append(column)
                is_first[1:] = either
            else:
                found.append((column.masks, column.find_bins(matrix)))
        if steady:
            first = matrix[is_first]
            masks = _join([(column.masks, column.find_bins(first)) for column in steady], joined, other)
            found.append((masks, np.cumsum(is_first) - 1))
        return found


def _join(found: list[_Found], joined: Masks, other: Masks) -> Masks:
    """The leaves that all columns leave of n rows, (n, trees, words), in `joined`; writes over `other`."""
    (masks, numbers), *others = found
    # All places are there; with this mode, they are not looked at once more.
    left = masks.take(numbers, axis=0, out=joined[: len(numbers)], mode="clip")
    for masks, numbers in others:
        np.bitwise_and(left, masks.take(numbers, axis=0, out=other[: len(numbers)], mode="clip"), out=left)
    return left


def _add_up(values: Values) -> Values:
    """The sums over the trees, (n,), of (trees, n): one after the other, as the booster does.

    Any other order has other last digits, and numbers that are side by side NumPy adds up in pairs.
    """
    summed: Values = np.add.accumulate(values)[-1] if values.shape[1] == 1 else np.add.reduce(values, axis=0)
    return summed


def _join_words(counts: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """How many bits are below the lowest one of each tree, (n, trees).

    Args:
        counts: Those of each of its words, (n, trees, words).
    """
    below: npt.NDArray[np.uint8] = counts[..., 0]
    for word in range(1, counts.shape[2]):
        below = np.where(below < word * _WORD, below, below + counts[..., word])
    return below


def _read_lines(text: str) -> dict[str, list[str]]:
    """What is right of the equals sign in the lines on trees, by what is left of it, in the order of the trees."""
    lines: dict[str, list[str]] = {name: [] for name in _LINES}
    for line in text.partition("\nend of trees")[0].split("\n"):
        name, _, values = line.partition("=")
        if name in lines:
            lines[name].append(values)
    return lines


def _adds_up(text: str, lines: Mapping[str, list[str]]) -> bool:
    """Whether a prediction is the sum of a leaf of each tree, and one number."""
    is_average = "\naverage_output\n" in text.partition("\nTree=")[0]
    objective, *options = " ".join(lines["objective"]).split() or [""]
    is_sum = objective in _SUMS and "sqrt" not in options
    return is_sum and not is_average and lines["num_tree_per_iteration"] == ["1"]


def _join_nodes(lines: Mapping[str, list[str]], sizes: Counts, leaves: Values) -> _Nodes:
    """The inner nodes of all trees; writes what their leaves give, from left to right, into `leaves`.

    Args:
        sizes: How many inner nodes each tree has.
    """
    tree, node = _number(sizes)
    # A node that is not there has leaves that are not there either.
    left, right = (np.full((len(sizes), sizes.max()), ~sizes.max() - 1) for _ in range(2))
    left[tree, node], right[tree, node] = (_read(lines[f"{side}_child"]).astype(int) for side in ("left", "right"))
    starts, ends, places = _span(left, right)
    of_leaf = _number(sizes + 1)
    leaves[of_leaf[0], places[of_leaf]] = _read(lines["leaf_value"])
    words = np.arange(0, leaves.shape[1], _WORD)
    first, last = (np.clip(at[tree, node, np.newaxis] - words, 0, _WORD) for at in (starts, ends))
    threshold, decision = _read(lines["threshold"]), _read(lines["decision_type"]).astype(int)
    categories = np.zeros((len(tree), 2), dtype=np.int64)
    at = np.flatnonzero(decision & _IS_CATEGORY)
    categories[at] = _find_categories(lines, tree[at], threshold[at].astype(int))
    return _Nodes(
        tree,
        _read(lines["split_feature"]).astype(int),
        threshold,
        decision,
        categories,
        _read(lines["cat_threshold"]).astype(np.uint32),
        ~(_BELOW[last] ^ _BELOW[first]),
    )


def _number(sizes: Counts) -> tuple[Counts, Counts]:
    """Of everything that trees have so many of each, the tree's number, and its own in the tree."""
    owner = np.repeat(np.arange(len(sizes)), sizes)
    return owner, np.arange(len(owner)) - (np.cumsum(sizes) - sizes)[owner]


def _read(lines: list[str]) -> Values:
    """The numbers of all lines, of which some are empty."""
    words = pc.split_pattern(pa.array(filter(None, lines), pa.string()), " ").flatten()
    numbers: Values = words.cast(pa.float64()).to_numpy()
    return numbers


def _span(left: Counts, right: Counts) -> tuple[Counts, Counts, Counts]:
    """Of each inner node, which leaves are under its left side, counted from the left; of each leaf, its place there.

    Args:
        left, right: The number of each node's child, which is larger than its own, or of a leaf, inverted; (trees, n).
    """
    trees, nodes = np.arange(len(left)), left.shape[1]
    # Leaves follow the nodes; one more is what nodes that are not there have.
    left, right = (np.where(child < 0, nodes + ~child, child) for child in (left, right))
    counts = np.ones((len(trees), 2 * nodes + 2), dtype=np.int64)
    starts, ends = np.zeros_like(counts), np.zeros_like(left)
    for node in reversed(range(nodes)):
        counts[:, node] = counts[trees, left[:, node]] + counts[trees, right[:, node]]
    for node in range(nodes):
        ends[:, node] = starts[:, node] + counts[trees, left[:, node]]
        starts[trees, left[:, node]] = starts[:, node]
        starts[trees, right[:, node]] = ends[:, node]
    return starts[:, :nodes], ends, starts[:, nodes:]


def _find_categories(lines: Mapping[str, list[str]], tree: Counts, number: Counts) -> Counts:
    """Where the categories of nodes begin and end in the bits of all, (n, 2).

    Args:
        tree, number: The tree of each node, and which one it is of those that look at categories, (n,).
    """
    counts = np.array(lines["num_cat"], dtype=np.int64)
    boundaries = _read(lines["cat_boundaries"]).astype(int)
    # In each tree, they begin with 0.
    lengths = np.diff(boundaries)[boundaries[1:] > 0]
    ends = np.cumsum(lengths)
    found: Counts = np.column_stack([ends - lengths, ends])[(np.cumsum(counts) - counts)[tree] + number]
    return found


def _count_bins(nodes: _Nodes) -> int:
    if nodes.decision[0] & _IS_CATEGORY:
        return _BITS * int(np.ptp(nodes.categories, axis=1).max()) + 1
    return len(np.unique(nodes.threshold)) + 2


def _make_column(nodes: _Nodes, shape: tuple[int, int]) -> _Column:
    masks = np.full((_count_bins(nodes), *shape), _ALL, np.uint64)
    if nodes.decision[0] & _IS_CATEGORY:
        is_left = _list_left(nodes, len(masks))
        starts = np.flatnonzero(np.diff(nodes.tree, prepend=-1))
        for part in map(slice, starts, [*starts[1:], len(nodes.tree)]):
            left = np.where(is_left[part, :, np.newaxis], _ALL, nodes.masks[part, np.newaxis])
            masks[:, nodes.tree[part.start]] = np.bitwise_and.reduce(left, axis=0)
        return _Column(int(nodes.column[0]), None, masks)
    edges, at = np.unique(nodes.threshold, return_inverse=True)
    # A node rules leaves out for all numbers above its threshold.
    np.bitwise_and.at(masks, (at + 1, nodes.tree), nodes.masks)
    np.bitwise_and.accumulate(masks[:-1], axis=0, out=masks[:-1])
    # Where training has seen no missing value, one is taken for 0.
    is_right = np.where(
        nodes.decision >> _MISSING_AT == _NAN, nodes.decision & _MISSING_IS_LEFT == 0, nodes.threshold < 0
    )
    np.bitwise_and.at(masks[-1], nodes.tree[is_right], nodes.masks[is_right])
    return _Column(int(nodes.column[0]), edges, masks)


def _list_left(nodes: _Nodes, bins: int) -> npt.NDArray[np.bool_]:
    """Whether a node sends a category left, (n, bins); a missing or unknown one never."""
    begin, end = (nodes.categories[:, [side]] for side in (0, 1))
    at = begin + np.arange(bins // _BITS)
    bits = np.where(at < end, nodes.bits[np.minimum(at, len(nodes.bits) - 1)], 0).astype("<u4")
    is_left = np.unpackbits(bits.view(np.uint8), axis=1, bitorder="little", count=bins)
    return is_left.astype(bool)
