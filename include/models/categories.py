"""The categories of one column that an encoder knows, whole numbers or texts, and where values are among them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from include.problem.kinds import MISSING_CODE

# The position of what is missing or unknown.
MISSING = -1


@dataclass(frozen=True)
class Codes:
    """Whole numbers in ascending order."""

    known: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.known)

    def __iter__(self) -> Iterator[int]:
        return iter(self.known)

    def tolist(self) -> list[int]:
        """As JSON values."""
        return [int(code) for code in self.known]

    @cached_property
    def positions(self) -> dict[int, int]:
        """The position of each; quicker than `find` for single values."""
        return {code: at for at, code in enumerate(self.tolist())}

    def find(self, values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """The position of each of n values, or `MISSING`."""
        codes = _as_codes(values)
        at = np.minimum(np.searchsorted(self.known, codes), len(self.known) - 1)
        return np.where(self.known[at] == codes, at, MISSING)


@dataclass(frozen=True)
class Texts:
    """Texts in the order of their letters."""

    known: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.known)

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def tolist(self) -> list[str]:
        """As JSON values."""
        return list(self.known)

    @cached_property
    def positions(self) -> dict[str, int]:
        """The position of each."""
        return {text: at for at, text in enumerate(self.known)}

    def find(self, values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """The position of each of n values, or `MISSING`."""
        positions = self.positions
        return np.array([positions.get(value, MISSING) for value in values.tolist()], dtype=np.int64)


Categories = Codes | Texts


def learn(values: npt.NDArray[Any]) -> Categories:
    """The categories among values: texts of an object array, else whole numbers, of fractions the whole part."""
    if values.dtype.kind in "OU":
        return Texts(tuple(sorted({value for value in values.tolist() if isinstance(value, str)})))
    codes = np.unique(_as_codes(values))
    return Codes(codes[codes != MISSING_CODE])


def restore(known: Sequence[int] | Sequence[str]) -> Categories:
    """The inverse of `tolist`."""
    if known and isinstance(known[0], str):
        return Texts(tuple(str(text) for text in known))
    return Codes(np.array(known, dtype=np.int64))


def _as_codes(values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), MISSING_CODE, values)
    return values.astype(np.int64, copy=False)
