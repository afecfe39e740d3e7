"""Texts of a source to the numbers of their classes."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

FLAGS = ("true", "false")


def number_classes(texts: pa.Array, labels: Sequence[str]) -> pa.Array:
    """The number of each text's class, (n,), as a float; null for what is none of them.

    Files of one table write a class in several ways: `1.0` for 1 where a value is missing, `TRUE` for true. These are
    the class that is written otherwise, unless they are classes of their own.

    Args:
        texts: (n,); null where a value is missing.
    """
    known = pa.array(labels, pa.string())
    as_written = pc.index_in(texts, known)
    plain = pc.index_in(_lower_flags(drop_zeros(texts)), _lower_flags(drop_zeros(known)))
    return pc.coalesce(as_written, plain).cast(pa.float64())


def drop_zeros(texts: pa.Array) -> pa.Array:
    """The texts, whole numbers among them without zeros behind a decimal point."""
    return pc.replace_substring_regex(texts, r"^([+-]?\d+)\.0+$", r"\1")


def _lower_flags(texts: pa.Array) -> pa.Array:
    lower = pc.utf8_lower(texts)
    return pc.if_else(pc.is_in(lower, pa.array(FLAGS)), lower, texts)
