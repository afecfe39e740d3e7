"""Predictions of many rows at once by a booster of LightGBM, the same to the last bit.

A booster follows one row after the other through each tree, and waits for memory at nearly every node. Here, each value
of a column says which leaves of all trees it rules out, as bits that are looked up and joined by `and`: the first leaf
of a tree that is left is the row's own. With a dozen columns and trees of up to 64 leaves, this takes a third of the
time; with twice as many columns, or leaves, half to two thirds of it. Sorted rows take less, because what neighbours
share is looked up once.

Method: C. Lucchese et al., "QuickScorer: A Fast Algorithm to Rank Documents with Additive Ensembles of Regression
Trees", SIGIR 2015.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from include.problem.data import Values, find_pieces

# Columns times words of 64 leaves of a tree: from about twice as many on, the booster itself is as quick.
MOST_WORDS = 24
MOST_BYTES = 2**25
# Few enough that what is looked up for them stays in the processor's cache.
_ROWS_AT_ONCE = 64
# Of so many rows, neighbours are compared; columns with so few changes in all are looked up once from change to change.
_ROWS_COMPARED, _MOST_CHANGES = 1_024, 256
_WORD = 64
# As LightGBM packs what a node does: bits for a category and for where a missing value goes, then which one is missing.
_IS_CATEGORY, _MISSING_IS_LEFT, _MISSING_AT = 1, 2, 2
_ZERO, _NAN = 1, 2

Masks = npt.NDArray[np.uint64]
# Masks, and which of them is each row's.
_Found = tuple[Masks, npt.NDArray[np.intp]]


@dataclass(frozen=True)
class _Nodes:
    """n inner nodes, of all trees or of those that look at one column.

    Attributes:
        tree: The number of its tree, (n,).
        column: Which one of the matrix it looks at, (n,).
        threshold: Of numbers, the largest one that goes left, (n,).
        decision: What it does, as LightGBM packs it, (n,).
        categories: Those that go left, as bits, by node; empty where it looks at a number.
        masks: The leaves that are left where it goes right, (n, words).
    """

    tree: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    threshold: Values
    decision: npt.NDArray[np.int64]
    categories: tuple[npt.NDArray[np.bool_], ...]
    masks: Masks

    def of(self, column: int) -> "_Nodes":
        at = np.flatnonzero(self.column == column)
        categories = tuple(self.categories[node] for node in at)
        return _Nodes(self.tree[at], self.column[at], self.threshold[at], self.decision[at], categories, self.masks[at])


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
    def of(cls, booster: Any) -> "LeafMasks | None":
        """The masks of a booster whose margin is one number; None where the booster itself is as quick, or does more.

        It does more where trees hold linear models, or where zeros are missing values.
        """
        trees = list(_read_trees(booster.model_to_string()))
        words = -(-max(int(tree["num_leaves"]) for tree in trees) // _WORD)
        used = {int(column) for tree in trees for column in tree.get("split_feature", "").split()}
        does_more = booster.num_model_per_iteration() > 1 or any(tree["is_linear"] != "0" for tree in trees)
        if does_more or not used or len(used) * words > MOST_WORDS:
            return None
        leaves = np.zeros((len(trees), words * _WORD))
        nodes = _join_nodes(trees, leaves)
        if (nodes.decision >> _MISSING_AT == _ZERO).any():
            return None
        by_column = [nodes.of(column) for column in sorted(used)]
        if sum(map(_count_bins, by_column)) * len(trees) * words * 8 > MOST_BYTES:
            return None
        return cls(tuple(_make_column(each, (len(trees), words)) for each in by_column), leaves)

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


def _read_trees(text: str) -> Iterator[dict[str, str]]:
    """The lines of each tree of a model's text, by what is left of the equals sign."""
    for block in text.split("\nTree=")[1:]:
        lines = block.partition("\n\n")[0].splitlines()[1:]
        yield dict(line.split("=", 1) for line in lines)


def _join_nodes(trees: list[dict[str, str]], leaves: Values) -> _Nodes:
    """The inner nodes of all trees; writes what their leaves give, from left to right, into `leaves`."""
    size = leaves.shape[1]
    parts: dict[str, list[npt.NDArray[Any]]] = {
        name: [] for name in ("tree", "split_feature", "threshold", "decision_type")
    }
    categories: list[npt.NDArray[np.bool_]] = []
    masks: list[bytes] = []
    for number, tree in enumerate(trees):
        spans, order = _span(tree)
        leaves[number, : len(order)] = _read(tree, "leaf_value")[order]
        masks += [((1 << size) - 1 ^ (1 << end) - (1 << start)).to_bytes(size // 8, "little") for start, end in spans]
        parts["tree"].append(np.full(len(spans), number))
        for name in ("split_feature", "threshold", "decision_type"):
            parts[name].append(_read(tree, name))
        categories += _read_categories(tree, parts["threshold"][-1], parts["decision_type"][-1])
    joined = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    tree_of, column, decision = (joined[name].astype(np.int64) for name in ("tree", "split_feature", "decision_type"))
    words = np.frombuffer(b"".join(masks), "<u8").reshape(-1, size // _WORD)
    return _Nodes(tree_of, column, joined["threshold"], decision, tuple(categories), words)


def _read(tree: dict[str, str], name: str) -> Values:
    return np.array(tree.get(name, "").split(), dtype=np.float64)


def _span(tree: dict[str, str]) -> tuple[list[tuple[int, int]], list[int]]:
    """Of each inner node, which leaves are under its left side, counted from the left; and the leaves in that order."""
    left, right = (_read(tree, f"{side}_child").astype(int).tolist() for side in ("left", "right"))
    spans = [(0, 0)] * len(left)
    order: list[int] = []

    def walk(node: int) -> None:
        if node < 0:
            order.append(~node)
            return
        start = len(order)
        walk(left[node])
        spans[node] = (start, len(order))
        walk(right[node])

    walk(0 if left else ~0)
    return spans, order


def _read_categories(tree: dict[str, str], threshold: Values, decision: Values) -> Iterator[npt.NDArray[np.bool_]]:
    ends = (32 * _read(tree, "cat_boundaries")).astype(int)
    bits = np.unpackbits(_read(tree, "cat_threshold").astype("<u4").view(np.uint8), bitorder="little").astype(bool)
    for value, kind in zip(threshold.tolist(), decision.astype(int).tolist(), strict=True):
        # Only of categories is the threshold a place: the largest one of numbers is beyond all integers.
        yield bits[ends[int(value)] : ends[int(value) + 1]] if kind & _IS_CATEGORY else bits[:0]


def _count_bins(nodes: _Nodes) -> int:
    if nodes.decision[0] & _IS_CATEGORY:
        return max(map(len, nodes.categories)) + 1
    return len(np.unique(nodes.threshold)) + 2


def _make_column(nodes: _Nodes, shape: tuple[int, int]) -> _Column:
    masks = np.full((_count_bins(nodes), *shape), np.iinfo(np.uint64).max, np.uint64)
    if nodes.decision[0] & _IS_CATEGORY:
        for tree, categories, mask in zip(nodes.tree, nodes.categories, nodes.masks, strict=True):
            goes_right = np.ones(len(masks), bool)
            goes_right[: len(categories)] = ~categories
            masks[goes_right, tree] &= mask
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
