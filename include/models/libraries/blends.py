"""Blends: estimators of one model type that are used as one, the mean of them.

The mean is that of the margins, which contributions add up to: of the predictions themselves, or, where the margin is a
logarithm, their geometric mean, for classes as shares in the sum of it. So the means of the members' Shapley values are
exactly those of the blend.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from include.models.encoder import Encoder
from include.models.libraries.protocol import Contributions, Library, Link
from include.problem.data import Values


@dataclass(frozen=True)
class Blend:
    """Fitted estimators that predict together.

    Attributes:
        made_by: The library that all members are of.
        link: How their margin becomes the prediction.
    """

    members: tuple[Any, ...]
    made_by: Library
    link: Link


class Blends:
    """See `Estimators`."""

    file = "members"

    def __init__(self, libraries: Sequence[Library]) -> None:
        self._libraries = libraries

    def blend(self, members: Sequence[Any]) -> Blend:
        """One estimator of several, which are of one model type."""
        library = next(each for each in self._libraries if all(map(each.owns, members)))
        return Blend(tuple(members), library, library.link(members[0]))

    def owns(self, estimator: Any) -> bool:
        return isinstance(estimator, Blend)

    def explains(self, estimator: Blend) -> bool:
        return all(map(estimator.made_by.explains, estimator.members))

    def link(self, estimator: Blend) -> Link:
        return estimator.link

    def predict(self, estimator: Blend, matrix: Any) -> Values:
        predict = estimator.made_by.predict
        predicted = np.array([predict(member, matrix) for member in estimator.members], dtype=np.float64)
        if estimator.link == "identity":
            return _mean(predicted)
        least = np.finfo(np.float64).tiny
        product: Values = np.exp(_mean(np.log(np.maximum(predicted, least))))
        return product if estimator.link == "log" else np.asarray(product / product.sum(axis=1, keepdims=True))

    def contribute(self, estimator: Blend, matrix: Any, encoder: Encoder) -> Contributions:
        each = [estimator.made_by.contribute(member, matrix, encoder) for member in estimator.members]
        values, base = (np.mean([getattr(found, name) for found in each], axis=0) for name in ("values", "base"))
        return Contributions(values, base, estimator.link)

    def save(self, estimator: Blend, path: Path) -> None:
        for number, member in enumerate(estimator.members, 1):
            directory = path / f"{number:02}"
            directory.mkdir(parents=True)
            estimator.made_by.save(member, directory / estimator.made_by.file)

    def load(self, path: Path, threads: int) -> Blend:
        by_file = {library.file: library for library in self._libraries}
        return self.blend([by_file[file.name].load(file, threads) for file in sorted(path.glob("*/*"))])


def _mean(predicted: Values) -> Values:
    """The mean over the members, (n, ...), added up one after the other, of a single row as of many.

    NumPy adds up the members of a single row in another order, which has other last digits.
    """
    return np.asarray(reduce(np.add, predicted) / len(predicted))
