"""The categories of one column that an encoder knows, whole numbers or texts, and where values are among them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from include.problem.kinds import MISSING_CODE

# The position of what is missing or unknown.
MISSING = -1
# A text in fewer rows is rare.
RARE_BELOW = 5
TOGETHER = "(rare)"


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
        at = self.known.searchsorted(codes)
        return np.where(self.known.take(at, mode="clip") == codes, at, MISSING)


@dataclass(frozen=True)
class Texts:
    """Texts in the order of their letters.

    Attributes:
        rare: Those that share the position behind all others: of each there is too little to learn from.
    """

    known: tuple[str, ...]
    rare: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.known) + bool(self.rare)

    def __iter__(self) -> Iterator[str]:
        yield from self.known
        if self.rare:
            yield TOGETHER

    def tolist(self) -> list[str] | dict[str, list[str]]:
        """As JSON values."""
        known = list(self.known)
        return {"known": known, "rare": list(self.rare)} if self.rare else known

    @cached_property
    def positions(self) -> dict[str, int]:
        """The position of each."""
        return {text: at for at, text in enumerate(self.known)} | dict.fromkeys(self.rare, len(self.known))

    def find(self, values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """The position of each of n values, or `MISSING`."""
        positions = self.positions
        return np.array([positions.get(value, MISSING) for value in values.tolist()], dtype=np.int64)


Categories = Codes | Texts


@dataclass
class Tally:
    """The values of one column that were seen so far, piece by piece: texts of object arrays, else whole numbers.

    Attributes:
        texts: Each with its number of rows.
        codes: In ascending order; of fractions the whole part.
    """

    texts: Counter[str] = field(default_factory=Counter)
    codes: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def add(self, values: npt.NDArray[Any]) -> None:
        """Takes in the values of a piece."""
        if values.dtype.kind in "OU":
            self.texts.update(value for value in values.tolist() if isinstance(value, str))
        else:
            codes = np.unique(_as_codes(values))
            self.codes = np.union1d(self.codes, codes[codes != MISSING_CODE])

    def settle(self, *, rare_below: int = 0) -> Categories:
        """The categories among all values.

        Args:
            rare_below: Texts in fewer rows are put together. Whole numbers never are: often they stand for what has
                features of its own, such as a place.
        """
        if not self.texts:
            return Codes(self.codes)
        known, rare = (
            tuple(sorted(text for text, count in self.texts.items() if (count < rare_below) == is_rare))
            for is_rare in (False, True)
        )
        return Texts(known, rare)


def restore(state: Sequence[int] | Sequence[str] | Mapping[str, Sequence[str]]) -> Categories:
    """The inverse of `tolist`."""
    if isinstance(state, Mapping):
        return Texts(tuple(state["known"]), tuple(state["rare"]))
    if state and isinstance(state[0], str):
        return Texts(tuple(str(text) for text in state))
    return Codes(np.array(state, dtype=np.int64))


def _as_codes(values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), MISSING_CODE, values)
    return values.astype(np.int64, copy=False)
