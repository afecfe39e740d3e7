"""Free text as numbers: how often each of a few dozen groups of three letters is in it.

Groups of letters rather than words, so that spellings and endings that are alike give numbers that are alike, and
hashed, so that nothing has to be learnt or stored (Weinberger et al., "Feature Hashing for Large Scale Multitask
Learning", 2009).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

# A power of two: the highest bits of the hash choose the group.
BITS = 5
GROUPS = 2**BITS
LETTERS = 3
# Knuth's multiplicative hash, modulo 2**32.
_MULTIPLIER = np.uint32(2_654_435_761)
_BLANK = b" "


def count_groups(texts: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Counts of shape (n, `GROUPS`) in n texts, whatever their case and blanks; NaN where a text is missing."""
    words = [None if text is None else b" ".join(text.lower().encode().split()) for text in texts.tolist()]
    # Each text has a blank at both ends, so that its first and last letters make groups of their own.
    parts = [_BLANK if word is None else _BLANK + word + _BLANK for word in words]
    letters = np.frombuffer(b"".join(parts), dtype=np.uint8).astype(np.uint32)
    owners = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    counts = np.zeros(len(parts) * GROUPS, dtype=np.float32)
    if len(letters) >= LETTERS:
        codes = letters[:-2] << 16 | letters[1:-1] << 8 | letters[2:]
        groups = (codes * _MULTIPLIER) >> np.uint32(32 - BITS)
        within = owners[:-2] == owners[2:]
        found = np.bincount(owners[:-2][within] * GROUPS + groups[within], minlength=len(counts))
        counts = found.astype(np.float32)
    matrix = counts.reshape(len(parts), GROUPS)
    matrix[[word is None for word in words]] = np.nan
    return matrix
