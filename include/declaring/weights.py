"""The column that says how much a row counts when a model is fitted."""

import numpy as np
import pyarrow as pa

from include.declaring.facts import read_numbers
from include.errors import SettingsError
from include.problem.inference.columns import Facts, Guess


def guess_weight(facts: Facts) -> Guess:
    """What the column is taken for.

    Raises:
        SettingsError: It cannot say how much a row counts.
    """
    if not facts.is_number or facts.high <= 0:
        shown = f", for example {', '.join(text for text, _ in facts.frequent[:3])}" if facts.frequent else ""
        raise SettingsError(
            f"WEIGHT {facts.name} holds no numbers above 0{shown}. Set WEIGHT to a column of numbers, or leave it out"
        )
    return Guess("number", "how much a row counts")


def check_weight(facts: Facts, array: pa.Array, marks: frozenset[str]) -> list[str]:
    """What a person should know of the rows that have no weight."""
    count = int(np.sum(~(read_numbers(array, marks) >= 0)))
    if not count:
        return []
    rows = f"{count:,} of {facts.rows:,} rows ({count / facts.rows:.1%})"
    said = f"WEIGHT {facts.name} is no number of 0 or more in {rows}: they are rejected"
    return [f"{said}. Correct it in the source, or leave WEIGHT out"]
