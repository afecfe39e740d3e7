"""What the selects at the top of a page offer, where that depends on stored data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from include.dashboards.context import Context
from include.dashboards.drawing.charts import read_rows
from include.dashboards.reading.explanations import explain_sample
from include.dashboards.reading.registered import find_registered, list_registered
from include.problem.words import show_amount

_RUNS = """
    SELECT run_key, max(finished_at) AS finished_at, min(loss) AS loss FROM training.trials
    WHERE split_part(run_key, '/', 1) = ANY(%(readable)s) GROUP BY run_key ORDER BY 2 DESC LIMIT 100
"""


@dataclass(frozen=True)
class Options:
    """Pairs of value and text, and the value in use."""

    options: list[tuple[str, str]]
    chosen: str


def list_versions(context: Context) -> Options:
    """Registered models, newest first."""
    chosen = find_registered(context)
    pairs = [
        (str(v.version), v.label + (f" ({v.role})" if v.role != "version" else "")) for v in list_registered(context)
    ]
    return Options(pairs, str(chosen.version) if chosen else "")


def list_runs(context: Context) -> Options:
    """Training runs, newest first."""
    pairs = [(row["run_key"], _name_run(row)) for row in read_rows(_RUNS, context)]
    chosen = context.filters.run_key or (pairs[0][0] if pairs else "")
    if chosen not in dict(pairs) and context.filters.dag_id in context.viewer.readable:
        pairs.append((chosen, chosen))
    return Options(pairs, chosen)


def _name_run(row: Mapping[str, Any]) -> str:
    best = f", best {show_amount(row['loss'])}" if row["loss"] is not None else ""
    return f"{row['finished_at']:%b %d %H:%M} UTC, {row['run_key'].split('_', 1)[0]}{best}"


def list_rows(context: Context) -> Options:
    """The rows of the explained sample."""
    explained = explain_sample(context)
    if explained is None:
        return Options([], "")
    pairs = [(str(at), explained.describe(at)) for at in range(len(explained.rows))]
    return Options(pairs, str(min(context.filters.row, len(pairs) - 1)))


def list_months(context: Context) -> Options:
    """Loaded months, newest first; none for whoever may not see the data."""
    if not context.viewer.may_see_data:
        return Options([], "")
    months = [row["month"] for row in read_rows("SELECT month FROM raw.sources ORDER BY month DESC", context)]
    return Options([(month, month) for month in months], context.filters.month or next(iter(months), ""))


OPTIONS: dict[str, Callable[[Context], Options]] = {
    "versions": list_versions,
    "runs": list_runs,
    "rows": list_rows,
    "months": list_months,
}
