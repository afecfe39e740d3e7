"""Columns of each kind between NumPy, where models take them, and what JSON, Postgres and Arrow hold."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from include.problem.data import make_column
from include.problem.kinds import KINDS, MISSING_CODE, KindName

if TYPE_CHECKING:
    import pyarrow as pa

Array = npt.NDArray[Any]


def to_plain(kind: KindName, values: Array) -> list[Any]:
    """As Python's own values, None where one is missing: what Postgres takes for a column of the kind."""
    plain: list[Any] = values.tolist()
    match KINDS[kind].dtype:
        case "int64":
            return [None if value == MISSING_CODE else value for value in plain]
        case "float64" if KINDS[kind].sql == "boolean":
            return [None if value != value else bool(value) for value in plain]
        case "float64":
            return [None if value != value else value for value in plain]
    return plain


def to_json_values(kind: KindName, values: Array) -> list[Any]:
    """As values that JSON has, None where one is missing: of a time the microseconds since 1970."""
    # NumPy's missing time is the number that a missing code has.
    return to_plain("code", values.view("int64")) if kind == "time" else to_plain(kind, values)


def from_plain(kind: KindName, values: Sequence[Any]) -> Array:
    """Values as Postgres and JSON give them, None where one is missing, as models take them."""
    return make_column(values, KINDS[kind].dtype)


def from_json_values(kind: KindName, values: Sequence[Any]) -> Array:
    """The inverse of `to_json_values`."""
    return from_plain("code", values).astype(KINDS["time"].dtype) if kind == "time" else from_plain(kind, values)


def from_arrow(kind: KindName, array: "pa.Array") -> Array:
    """An Arrow array in the kind's Arrow type as models take it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    dtype = KINDS[kind].dtype
    if dtype == "int64":
        array = pc.fill_null(array.cast(pa.int64()), MISSING_CODE)
    elif dtype == "float64":
        array = array.cast(pa.float64())
    found: Array = array.to_numpy(zero_copy_only=False)
    return found.astype(dtype, copy=False)
