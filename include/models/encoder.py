"""The encoder: the one path from trips to a model's matrix, for training, batch and serving."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from include.problem.data import Columns, count_rows
from include.problems.taxi.features import NO_POSITIONS, Positions, get_feature_set

Encoding = Literal["one_hot", "native"]
MISSING_CATEGORY = -1


@dataclass
class Encoder:
    """Turns trips into a model's matrix; knows only what it saw when it was fitted on the training split.

    Unseen categories become missing (`native`) or all zeros (`one_hot`); features without a single value in the
    training split, such as positions where there is no zones table, are left out.

    Attributes:
        categories: Sorted known codes of each categorical column.
        numeric: Names of the numeric columns in use.
        scaling: For scaled one-hot columns: fill value, lower and upper clip, mean, standard deviation.
    """

    feature_set: str
    encoding: Encoding
    positions: Positions = NO_POSITIONS
    categories: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    numeric: tuple[str, ...] = ()
    scaling: dict[str, tuple[float, float, float, float, float]] = field(default_factory=dict)

    def fit(self, trips: Columns) -> "Encoder":
        """Learns categories and scales from `trips`, columns as in `TRIP_COLUMNS`."""
        features = get_feature_set(self.feature_set)
        columns = features.compute(trips, self.positions)
        for name in features.categorical:
            self.categories[name] = np.unique(columns[name])
        numeric = features.numeric
        if self.encoding == "one_hot":
            for name in features.cyclic:
                self.categories[name] = np.unique(columns[name].astype(np.int64))
        else:
            numeric += features.cyclic
        self.numeric = tuple(name for name in numeric if not np.isnan(columns[name]).all())
        if self.encoding == "one_hot" and features.scaled:
            for name in self.numeric:
                self.scaling[name] = _scale_of(columns[name])
        return self

    @property
    def feature_names(self) -> list[str]:
        """One name a column of the encoded matrix."""
        if self.encoding == "native":
            return [*self.categories, *self.numeric]
        return [f"{name}={code}" for name, codes in self.categories.items() for code in codes] + list(self.numeric)

    @property
    def feature_types(self) -> list[str]:
        """Xgboost's type of each column: `c` for a category, `q` for a quantity."""
        if self.encoding == "native":
            return ["c"] * len(self.categories) + ["q"] * len(self.numeric)
        return ["q"] * len(self.feature_names)

    def transform(self, trips: Columns) -> npt.NDArray[np.float32] | sparse.csr_matrix:
        """Encodes n trips: a dense (n, k) float32 array if native, a sparse (n, k) float64 matrix if one-hot."""
        columns = get_feature_set(self.feature_set).compute(trips, self.positions)
        codes = {name: _codes(columns[name], known) for name, known in self.categories.items()}
        return self._native(columns, codes) if self.encoding == "native" else self._one_hot(columns, codes)

    def _native(self, columns: Columns, codes: Columns) -> npt.NDArray[np.float32]:
        matrix = np.empty((count_rows(columns), len(codes) + len(self.numeric)), dtype=np.float32)
        for at, code in enumerate(codes.values()):
            matrix[:, at] = np.where(code == MISSING_CATEGORY, np.nan, code)
        for at, name in enumerate(self.numeric, start=len(codes)):
            matrix[:, at] = columns[name]
        return matrix

    def _one_hot(self, columns: Columns, codes: Columns) -> sparse.csr_matrix:
        rows = count_rows(columns)
        width = len(codes) + len(self.numeric)
        # int32 indices: several linear models of scikit-learn refuse sparse matrices with 64-bit ones.
        at = np.empty((rows, width), dtype=np.int32)
        values = np.ones((rows, width))
        offset = 0
        for slot, (name, code) in enumerate(codes.items()):
            at[:, slot] = np.where(code == MISSING_CATEGORY, 0, code) + offset
            values[:, slot] = code != MISSING_CATEGORY
            offset += len(self.categories[name])
        for slot, name in enumerate(self.numeric, start=len(codes)):
            at[:, slot] = offset
            values[:, slot] = _scaled(columns[name], self.scaling[name]) if name in self.scaling else columns[name]
            offset += 1
        starts = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
        matrix = sparse.csr_matrix((values.ravel(), at.ravel(), starts), shape=(rows, offset))
        # An unseen category left an explicit zero.
        matrix.eliminate_zeros()
        return matrix

    def to_dict(self) -> dict[str, Any]:
        """The encoder as plain JSON values."""
        return {
            "feature_set": self.feature_set,
            "encoding": self.encoding,
            "positions": self.positions.to_dict(),
            "categories": {name: codes.tolist() for name, codes in self.categories.items()},
            "numeric": list(self.numeric),
            "scaling": {name: list(values) for name, values in self.scaling.items()},
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> "Encoder":
        """The inverse of `to_dict`."""
        return cls(
            feature_set=state["feature_set"],
            encoding=state["encoding"],
            positions=Positions.from_dict(state["positions"]),
            categories={name: np.array(codes, dtype=np.int64) for name, codes in state["categories"].items()},
            numeric=tuple(state["numeric"]),
            scaling={name: tuple(values) for name, values in state["scaling"].items()},
        )


def _codes(values: npt.NDArray[Any], known: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Position of each value among the sorted `known`, or `MISSING_CATEGORY`."""
    whole = values.astype(np.int64)
    if not len(known):
        return np.full(len(whole), MISSING_CATEGORY, dtype=np.int64)
    at = np.minimum(np.searchsorted(known, whole), len(known) - 1)
    return np.where(known[at] == whole, at, MISSING_CATEGORY)


def _scale_of(values: npt.NDArray[np.float64]) -> tuple[float, float, float, float, float]:
    """Median, 0.5 % and 99.5 % quantiles, then mean and standard deviation of the clipped values."""
    present = values[~np.isnan(values)]
    low, fill, high = np.quantile(present, [0.005, 0.5, 0.995])
    clipped = np.clip(present, low, high)
    return float(fill), float(low), float(high), float(clipped.mean()), float(clipped.std()) or 1.0


def _scaled(
    values: npt.NDArray[np.float64], scale: tuple[float, float, float, float, float]
) -> npt.NDArray[np.float64]:
    fill, low, high, mean, deviation = scale
    return (np.clip(np.where(np.isnan(values), fill, values), low, high) - mean) / deviation
