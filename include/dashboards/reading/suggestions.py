"""What the playground's form suggests: usual values, and the columns that move the champion's predictions most."""

from collections.abc import Mapping, Sequence
from typing import Any

from include.dashboards.context import Context
from include.dashboards.reading.kept import keep
from include.dashboards.reading.registered import find_registered, read_table
from include.errors import MltrainError
from include.prediction.suggestions import Suggestion, rank_columns, read_suggestions
from include.warehouse import connect

# Of the model's own training set, or of the newest one where the model is unknown.
_STATISTICS = """
    SELECT statistics FROM training.published ORDER BY (version::text = %s) DESC, version DESC LIMIT 1
"""


def find_suggestions(context: Context) -> tuple[Mapping[str, Suggestion], Sequence[str]]:
    """Suggestions by column, and the strongest columns first; what cannot be read now is left out of the form.

    Those of the newest training set are for whoever may see the data; a model is readable with the set that it has
    learnt from.
    """
    problem = context.settings.problem
    set_version, strongest, is_readable = "", [], context.viewer.may_see_data
    try:
        if champion := find_registered(context):
            set_version, is_readable = champion.set_version, True
            table = read_table(context, champion.run_id, "shap_summary")
            strongest = rank_columns(problem, [row["feature"] for row in table])
    except MltrainError:
        pass
    if not is_readable:
        return {}, strongest
    try:
        url = context.sources.warehouse_url()
        statistics = keep(("statistics", url, set_version), lambda: _read_statistics(url, set_version))
    except MltrainError:
        return {}, strongest
    return read_suggestions(problem, statistics), strongest


def _read_statistics(url: str, set_version: str) -> Mapping[str, Any]:
    with connect(url) as connection:
        row = connection.execute(_STATISTICS, [set_version]).fetchone()
    return (row[0] if row else None) or {}
