"""Names of values, such as those of places, for pages."""

from collections.abc import Mapping

from include.dashboards.context import Context
from include.dashboards.reading.kept import keep
from include.errors import MltrainError
from include.prediction.value_names import Names, load_names, name_value

# Of a value on an axis, in a cell or in a hover text.
MOST_LETTERS = 40


def find_names(context: Context) -> Mapping[str, Names]:
    """Column -> value as text -> its name; none where there is no reference or the warehouse is away."""
    url, problem = context.sources.warehouse_url(), context.settings.problem
    try:
        names: Mapping[str, Names] = keep(("names", url, problem.name), lambda: load_names(url, problem))
    except MltrainError:
        return {}
    return names


def show_name(names: Mapping[str, Names], column: str, value: object) -> str:
    """The value's name, else the value itself as text; no longer than a label may be."""
    text = name_value(names, column, value)
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}..."
