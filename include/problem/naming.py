"""The names in a declaration as they were written, turned into neutral ones."""

from collections.abc import Mapping
from typing import Any

from include.configuration.values import split_list

CLOCK = ".clock"
# Keys that name columns, by their neutral name or by that in the source.
ONE = ("group", "series", "weight")
SEVERAL = ("known_later", "batch_order")


def name_clock(column: str) -> str:
    """What the time of day of a column is called while rows are read, where it is a column of its own."""
    return f"{column}{CLOCK}"


def name_parts(values: Mapping[str, Any]) -> dict[str, Any]:
    """The declaration's values, with each column's key as its name and every mention of a column by that name.

    A column is called the same in the source, unless it says otherwise. Of a time in two columns, the second one
    becomes the `clock` of the first.
    """
    named = {**values, "model": values.get("model") or str(values.get("name", "")).replace("_", "-")}
    columns = values.get("columns")
    if not isinstance(columns, Mapping):
        return named
    described = {
        key: {**column, "name": key, "source": column.get("source") or key} if isinstance(column, Mapping) else column
        for key, column in columns.items()
    }
    neutral = {column["source"]: key for key, column in described.items() if isinstance(column, Mapping)} | {
        key: key for key in described
    }

    def resolve(name: Any) -> Any:
        return neutral.get(name, name) if isinstance(name, str) else name

    named |= {key: resolve(values[key]) for key in ONE if key in values}
    for key in SEVERAL:
        names = split_list(values.get(key))
        if isinstance(names, list | tuple):
            named[key] = tuple(map(resolve, names))
    time = split_list(values["time"]) if values.get("time") else ()
    if isinstance(time, list | tuple) and len(time) in (1, 2):
        name, *clock = time
        named["time"] = name = resolve(name)
        if isinstance(described.get(name), dict):
            # Rows are split by their time: one without it would belong nowhere.
            described[name] = {"required": True, **described[name], **({"clock": clock[0]} if clock else {})}
    return {**named, "columns": described}
