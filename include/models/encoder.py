"""The encoder: the one path from rows to a model's matrix, for training, batch and serving."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from include.errors import SettingsError
from include.models.categories import MISSING, RARE_BELOW, Categories, Tally, restore
from include.models.learnt import Learning, Learnt
from include.problem.data import Columns, count_rows, cut
from include.problem.declaration import Problem
from include.problem.features import FeatureSet, find_feature_set
from include.problem.references import thaw_references

Encoding = Literal["one_hot", "native"]
Scale = tuple[float, float, float, float]


@dataclass
class Encoder:
    """Turns rows into a model's matrix; knows only what it saw when it was fitted on the training split.

    Unseen and missing categories become missing (`native`) or all zeros (`one_hot`); missing numbers stay missing
    (`native`) or become the training split's median (`one_hot`). Rare texts are one category together. Features without
    a single value in the training split are left out.

    Attributes:
        feature_set: The name, see `find_feature_set`.
        references: What the features look up, by name.
        categories: Of each categorical column, the known ones.
        numeric: Names of the numeric columns in use.
        fills: For one-hot: what stands for a missing number.
        scaling: For scaled one-hot columns: lower and upper clip, mean, standard deviation.
        learnt: What the columns held, before features were made of them.
    """

    problem: Problem
    feature_set: str
    encoding: Encoding
    references: Mapping[str, Any] = field(default_factory=dict)
    categories: dict[str, Categories] = field(default_factory=dict)
    numeric: tuple[str, ...] = ()
    fills: dict[str, float] = field(default_factory=dict)
    scaling: dict[str, Scale] = field(default_factory=dict)
    learnt: Learnt = field(default_factory=Learnt)

    @cached_property
    def features(self) -> FeatureSet:
        """The feature set."""
        return find_feature_set(self.problem, self.feature_set)

    def compute(self, rows: Columns) -> Columns:
        """The features of rows, before they are encoded."""
        return self.features.compute(rows, self.references)

    def fit(self, rows: Columns) -> "Encoder":
        """Learns categories and scales from rows, columns as in `Problem.dtypes`."""
        return self.fit_pieces(part for _, part in cut(rows))

    def fit_pieces(self, pieces: Iterable[Columns]) -> "Encoder":
        """Learns as `fit` does from the rows of all pieces, each of which is let go.

        One-hot, the numbers of all rows are held at once: their quantiles are exact.
        """
        features = self.features
        one_hot = self.encoding == "one_hot"
        learning = Learning(self.problem)
        tallies = {name: Tally() for name in features.categorical + features.cyclic * one_hot}
        numeric = features.numeric + features.cyclic * (not one_hot)
        present: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in numeric * one_hot}
        with_values: set[str] = set()
        for rows in pieces:
            learning.add(rows)
            columns = self.compute(rows)
            for name, tally in tallies.items():
                tally.add(columns[name])
            for name in numeric:
                has_value = ~np.isnan(columns[name])
                if has_value.any():
                    with_values.add(name)
                if one_hot:
                    present[name].append(columns[name][has_value])
        self.learnt = learning.settle()
        found = {name: tally.settle(rare_below=RARE_BELOW) for name, tally in tallies.items()}
        self.categories = {name: known for name, known in found.items() if len(known)}
        self.numeric = tuple(name for name in numeric if name in with_values)
        for name in self.numeric if one_hot else ():
            values = np.concatenate(present.pop(name))
            self.fills[name] = float(np.quantile(values, 0.5))
            if name not in features.unscaled:
                self.scaling[name] = _scale_of(values)
        return self

    @property
    def feature_names(self) -> list[str]:
        """One name per column of the encoded matrix."""
        if self.encoding == "native":
            return [*self.categories, *self.numeric]
        return [f"{name}={known}" for name, all_known in self.categories.items() for known in all_known] + list(
            self.numeric
        )

    @property
    def feature_types(self) -> list[str]:
        """Xgboost's type of each column: `c` for a category, `q` for a quantity."""
        if self.encoding == "native":
            return ["c"] * len(self.categories) + ["q"] * len(self.numeric)
        return ["q"] * len(self.feature_names)

    def transform(self, rows: Columns) -> npt.NDArray[np.float32] | sparse.csr_matrix:
        """Encodes n rows: a dense (n, k) float32 array if native, a sparse (n, k) float64 matrix if one-hot."""
        return self._native(rows) if self.encoding == "native" else self._one_hot(rows)

    def _find(self, rows: Columns) -> tuple[Columns, Columns]:
        """The features of rows, and the positions of the categories among them."""
        columns = self.compute(rows)
        return columns, {name: known.find(columns[name]) for name, known in self.categories.items()}

    def _native(self, rows: Columns) -> npt.NDArray[np.float32]:
        matrix = np.empty((count_rows(rows), len(self.categories) + len(self.numeric)), dtype=np.float32)
        for piece, part in cut(rows):
            columns, codes = self._find(part)
            for at, code in enumerate(codes.values()):
                matrix[piece, at] = np.where(code == MISSING, np.nan, code)
            for at, name in enumerate(self.numeric, start=len(codes)):
                matrix[piece, at] = columns[name]
        return matrix

    def _one_hot(self, rows: Columns) -> sparse.csr_matrix:
        count, width = count_rows(rows), len(self.categories) + len(self.numeric)
        starts = _start_rows(count, width)
        # int32 indices: several linear models of scikit-learn refuse sparse matrices with 64-bit ones.
        at = np.empty((count, width), dtype=np.int32)
        values = np.ones((count, width))
        offset = 0
        for piece, part in cut(rows):
            columns, codes = self._find(part)
            offset = 0
            for slot, (name, code) in enumerate(codes.items()):
                at[piece, slot] = np.where(code == MISSING, 0, code) + offset
                values[piece, slot] = code != MISSING
                offset += len(self.categories[name])
            for slot, name in enumerate(self.numeric, start=len(codes)):
                at[piece, slot] = offset
                filled = np.where(np.isnan(columns[name]), self.fills[name], columns[name])
                values[piece, slot] = _scaled(filled, self.scaling[name]) if name in self.scaling else filled
                offset += 1
        matrix = sparse.csr_matrix((values.ravel(), at.ravel(), starts), shape=(count, offset))
        # An unseen category left an explicit zero.
        matrix.eliminate_zeros()
        return matrix

    def to_dict(self) -> dict[str, Any]:
        """The encoder as plain JSON values, but for the problem."""
        return {
            "feature_set": self.feature_set,
            "encoding": self.encoding,
            "references": {name: value.to_dict() for name, value in self.references.items()},
            "categories": {name: known.tolist() for name, known in self.categories.items()},
            "numeric": list(self.numeric),
            "fills": dict(self.fills),
            "scaling": {name: list(values) for name, values in self.scaling.items()},
            "learnt": self.learnt.to_dict(),
        }

    @classmethod
    def from_dict(cls, problem: Problem, state: Mapping[str, Any]) -> "Encoder":
        """The inverse of `to_dict`."""
        return cls(
            problem=problem,
            feature_set=state["feature_set"],
            encoding=state["encoding"],
            references=thaw_references(problem, state["references"]),
            categories={name: restore(known) for name, known in state["categories"].items()},
            numeric=tuple(state["numeric"]),
            fills=dict(state["fills"]),
            scaling={name: tuple(values) for name, values in state["scaling"].items()},
            learnt=Learnt.from_dict(state["learnt"]),
        )


def _start_rows(count: int, width: int) -> npt.NDArray[np.int32]:
    """Where the values of each row start in a sparse matrix with so many per row, (n + 1,).

    Raises:
        SettingsError: There are more values than 32 bits can count.
    """
    most = int(np.iinfo(np.int32).max)
    if count * width > most:
        raise SettingsError(
            f"A one-hot matrix of {count:,} rows with {width} columns has more values than its indices can count: set"
            f" IN_MEMORY_ROWS to {most // width} or less."
        )
    return np.arange(count + 1, dtype=np.int32) * np.int32(width)


def _scale_of(present: npt.NDArray[np.float64]) -> Scale:
    """Lower and upper clip, then mean and standard deviation of the clipped values.

    The clips are the 0.5 % and 99.5 % quantiles. Where these are one value, as those of a rare flag are, they are the
    least and the greatest value: otherwise the column would be constant.
    """
    low, high = np.quantile(present, [0.005, 0.995])
    if low == high:
        low, high = np.quantile(present, [0, 1])
    clipped = np.clip(present, low, high)
    return float(low), float(high), float(clipped.mean()), float(clipped.std()) or 1.0


def _scaled(values: npt.NDArray[np.float64], scale: Scale) -> npt.NDArray[np.float64]:
    low, high, mean, deviation = scale
    return (np.clip(values, low, high) - mean) / deviation
