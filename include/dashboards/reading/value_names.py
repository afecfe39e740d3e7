"""Names of values, such as those of places, for pages."""

from collections.abc import Mapping

from include.dashboards.context import Context
from include.dashboards.reading.kept import keep
from include.errors import MltrainError
from include.prediction.value_names import Names, load_names


def find_names(context: Context) -> Mapping[str, Names]:
    """Column -> value as text -> its name; none where there is no reference or the warehouse is away."""
    url, problem = context.sources.warehouse_url(), context.settings.problem
    try:
        names: Mapping[str, Names] = keep(("names", url, problem.name), lambda: load_names(url, problem))
    except MltrainError:
        return {}
    return names
